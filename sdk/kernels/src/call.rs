//! What all blocks share: shader, layout and bindings, ready to be recorded.

use std::error::Error;
use std::fmt;

/// A block with its buffers, ready to be recorded. It can be recorded any number of times; the buffers may change in between, but not their places.
#[derive(Clone, Debug)]
pub struct Call {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Call {
    /// Adds the work to a pass. It changes the pass's pipeline and its bind group 0.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for step in &self.steps {
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.group, &[]);
            let [x, y, z] = step.workgroups;
            pass.dispatch_workgroups(x, y, z);
        }
    }

    pub(crate) fn of(steps: impl IntoIterator<Item = Call>) -> Call {
        Call { steps: steps.into_iter().flat_map(|call| call.steps).collect() }
    }
}

/// A shape that does not go with the buffers, or is more than a device takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(String);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Misfit {}

impl Misfit {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Misfit(why.into())
    }
}

/// What a shader sees in a binding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    Read,
    ReadWrite,
    Uniform,
}

/// A shader with the layout of its bind group.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Block {
    pub(crate) fn new(
        device: &wgpu::Device,
        label: &str,
        wgsl: &str,
        entry: &str,
        bindings: &[Access],
    ) -> Self {
        let entries: Vec<_> = (0..)
            .zip(bindings)
            .map(|(binding, access)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match access {
                        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                        Access::Uniform => wgpu::BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Block { pipeline, layout }
    }

    /// One dispatch, with the buffers at bindings 0, 1, ….
    pub(crate) fn call(
        &self,
        device: &wgpu::Device,
        buffers: &[wgpu::BufferBinding<'_>],
        workgroups: [u32; 3],
    ) -> Result<Call, Misfit> {
        let most = device.limits().max_compute_workgroups_per_dimension;
        if let Some(count) = workgroups.iter().find(|count| **count > most) {
            return Err(Misfit(format!("{count} workgroups in a row are more than the device's {most}")));
        }
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(buffer.clone()),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &entries,
        });
        Ok(Call { steps: vec![Step { pipeline: self.pipeline.clone(), group, workgroups }] })
    }
}

/// The whole of a buffer.
pub(crate) fn whole(buffer: &wgpu::Buffer) -> wgpu::BufferBinding<'_> {
    buffer.as_entire_buffer_binding()
}

/// A uniform buffer of four words.
pub(crate) fn uniform(device: &wgpu::Device, words: [u32; 4]) -> wgpu::Buffer {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("shape"),
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM,
        mapped_at_creation: true,
    });
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    buffer.get_mapped_range_mut(..).expect("it is mapped at creation").copy_from_slice(&bytes);
    buffer.unmap();
    buffer
}

/// A buffer for what one round leaves for the next: so many words.
pub(crate) fn scratch(device: &wgpu::Device, words: u32) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("rounds"),
        size: 4 * u64::from(words),
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

/// Checks that a binding has room for so many rows of so many words.
pub(crate) fn need(
    name: &str,
    binding: &wgpu::BufferBinding<'_>,
    rows: u32,
    words: u32,
) -> Result<(), Misfit> {
    let is = binding.size.map_or(binding.buffer.size().saturating_sub(binding.offset), u64::from);
    let need = u64::from(rows).saturating_mul(u64::from(words)).saturating_mul(4);
    // Places in buffers are counted in 32 bits.
    if need >= 1 << 34 {
        return Err(Misfit(format!("{name}: {rows} × {words} are more elements than a shader can count")));
    }
    if is < need {
        return Err(Misfit(format!("{name} has {is} bytes; {rows} × {words} elements take {need}")));
    }
    Ok(())
}
