//! Executes a stream, command by command.

use crate::objects::{Entry, Object};
use crate::schedule;
use crate::session::Open;
use fizz_gpu_abi::host::{Limit, Stop};
use fizz_gpu_abi::{Command, Commands, DecodeError, ErrorClass, ObjectKind, QueryKind};

fn malformed(error: DecodeError) -> Stop {
    Stop::Protocol(error.to_string().into())
}

impl Open {
    /// Checks a whole stream, then executes it.
    pub(crate) fn run(&mut self, stream: &[u8]) -> Result<(), Stop> {
        if stream.len() > self.meter.quotas.stream_bytes as usize {
            return Err(Stop::LimitExceeded(Limit::StreamBytes));
        }
        self.meter.charge(1, schedule::SUBMIT)?;
        let count = Commands::check(stream).map_err(malformed)?;
        self.meter.charge(count as u64, schedule::COMMAND)?;
        let mut commands = Commands::new(stream);
        while let Some(command) = commands.next() {
            match command.map_err(malformed)? {
                Command::BeginCommands { id, label } => self.record(id, label, &mut commands)?,
                command => self.execute(command)?,
            }
        }
        self.settle().map(|_| ())
    }

    /// Executes a command that stands outside brackets.
    fn execute(&mut self, command: Command<'_>) -> Result<(), Stop> {
        match command {
            Command::CreateBuffer { id, usage, size, mapped_at_creation, label } => {
                self.create_buffer(id, usage, size, mapped_at_creation, label)
            }
            Command::DestroyBuffer { id } => self.destroy_buffer(id),
            Command::MapBuffer { id, mode, offset, size } => self.map_buffer(id, mode, offset, size),
            Command::UnmapBuffer { id } => self.unmap_buffer(id),
            Command::Release { kind, id } => self.table.release(kind, id).map(drop),
            Command::CreateShader { id, label, wgsl } => self.create_shader(id, label, wgsl),
            Command::CreateBindGroupLayout { id, label, entries } => {
                self.create_bind_group_layout(id, label, entries)
            }
            Command::CreatePipelineLayout { id, label, groups, immediate_size } => {
                self.create_pipeline_layout(id, label, groups, immediate_size)
            }
            Command::CreateComputePipeline {
                id,
                layout,
                shader,
                zero_workgroup_memory: _,
                label,
                entry_point,
                constants,
            } => {
                let constants: Vec<_> = constants.iter().collect();
                self.create_compute_pipeline(id, label, layout, shader, entry_point, &constants)
            }
            Command::GetBindGroupLayout { id, pipeline, index } => {
                self.get_bind_group_layout(id, pipeline, index)
            }
            Command::CreateBindGroup { id, layout, label, entries } => {
                self.create_bind_group(id, label, layout, entries)
            }
            Command::CreateError { kind, id, class, message } => self.create_error(kind, id, class, message),
            Command::ReportError { class, message } => {
                self.errors.raise(class, message.to_owned());
                Ok(())
            }
            Command::WriteBuffer { buffer, offset, data } => self.write(buffer, offset, data).map(|_| ()),
            Command::CreateTexture { id, shape, label } => self.create_texture(id, &shape, label),
            Command::DestroyTexture { id } => self.destroy_texture(id),
            Command::CreateTextureView { id, texture, shape, label } => {
                self.create_texture_view(id, texture, &shape, label)
            }
            Command::CreateQuerySet { id, kind: QueryKind::Timestamp, count, label } => {
                self.create_query_set(id, count, label)
            }
            Command::DestroyQuerySet { id } => self.destroy_query_set(id),
            Command::PushErrorScope { class } => self.errors.push_scope(class),
            Command::PopErrorScope => self.errors.pop_scope(),
            Command::Submit { buffers } => self.submit_buffers(buffers),
            // The decoder lets these stand inside brackets only, where `record` takes them.
            other => Err(Stop::Protocol(format!("op {:#06x} outside a command buffer", other.op()).into())),
        }
    }

    fn create_error(
        &mut self,
        kind: ObjectKind,
        id: u32,
        class: ErrorClass,
        message: &str,
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let entry = match kind {
            ObjectKind::Buffer => Entry::Buffer(Object::new("", None, counted)),
            ObjectKind::Shader => Entry::Shader(Object::new("", None, counted)),
            ObjectKind::BindGroupLayout => Entry::BindGroupLayout(Object::new("", None, counted)),
            ObjectKind::PipelineLayout => Entry::PipelineLayout(Object::new("", None, counted)),
            ObjectKind::ComputePipeline => Entry::ComputePipeline(Object::new("", None, counted)),
            ObjectKind::BindGroup => Entry::BindGroup(Object::new("", None, counted)),
            ObjectKind::CommandBuffer => Entry::CommandBuffer(Object::new("", None, counted)),
            ObjectKind::Texture => Entry::Texture(Object::new("", None, counted)),
            ObjectKind::TextureView => Entry::TextureView(Object::new("", None, counted)),
            ObjectKind::QuerySet => Entry::QuerySet(Object::new("", None, counted)),
        };
        self.table.insert(id, entry);
        self.errors.raise(class, message.to_owned());
        Ok(())
    }
}
