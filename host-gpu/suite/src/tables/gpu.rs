//! Computes an expression on a device, as an exact shader.

use crate::{Device, Target, vulkan};
use fizz_shader::exact::{self, Layout, Modes, Native};
use fizz_shader::meter::{SLICE_BYTES, slice_bytes};
use std::sync::Arc;
use std::time::Instant;

/// A device that computes tables.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// What a Vulkan device can be told about floats; the reference device takes programs instead of SPIR-V.
    modes: Option<Modes>,
}

/// Invocations of a workgroup.
pub(crate) const INVOCATIONS: usize = 64;
/// Workgroups in a row of a dispatch.
pub(crate) const ROW: u32 = 1 << 10;

impl Gpu {
    /// The first Vulkan adapter of the machine that takes exact shaders, if there is one.
    pub fn first() -> Option<Gpu> {
        Device::adapters().iter().find_map(Gpu::on)
    }

    /// This adapter, if it takes exact shaders.
    pub fn on(adapter: &wgpu::Adapter) -> Option<Gpu> {
        let Target::Vulkan { modes, .. } = vulkan(adapter)?;
        open(adapter, Some(modes))
    }

    /// The reference device, on so many threads.
    pub fn reference(threads: usize) -> Option<Gpu> {
        let engine = Arc::new(fizz_reference_engine::Wasmtime::new().ok()?);
        let instance = fizz_reference::instance(engine, threads);
        let options = wgpu::RequestAdapterOptions::default();
        open(&pollster::block_on(instance.request_adapter(&options)).ok()?, None)
    }
}

#[expect(unsafe_code, reason = "wgpu takes shaders as they are only so")]
fn open(adapter: &wgpu::Adapter, modes: Option<Modes>) -> Option<Gpu> {
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::PASSTHROUGH_SHADERS | wgpu::Features::IMMEDIATES,
        required_limits: wgpu::Limits { max_immediate_size: SLICE_BYTES, ..wgpu::Limits::default() },
        // SAFETY: what is handed on comes from the lowering, with bounds in it.
        experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).ok()?;
    Some(Gpu { device, queue, modes })
}

/// A shader of ours, lowered.
pub(crate) fn lowered(wgsl: &str, native: &Native) -> naga::Module {
    let module = naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    let lowered = exact::lower(module, native).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    let problems = exact::verify(&lowered, native);
    assert!(problems.is_empty(), "{problems:#?}\n{wgsl}");
    lowered
}

/// What computes an expression for each pair of inputs.
fn each_pair(expression: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage> input: array<vec2<u32>>;
         @group(0) @binding(1) var<storage, read_write> output: array<u32>;
         @compute @workgroup_size({INVOCATIONS}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
             let k = id.x + id.y * {}u;
             let x = input[k].x;
             let y = input[k].y;
             let a = bitcast<f32>(x);
             let b = bitcast<f32>(y);
             output[k] = {expression};
         }}",
        ROW * INVOCATIONS as u32
    )
}

/// A shader on a device: its binding 0 is read, and its binding 1 is the result.
pub(crate) struct Compiled {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    immediates: bool,
}

impl Gpu {
    /// What an expression of `a` and `b` gives for each pair, on a device that does itself what `native` says.
    pub(crate) fn compute(&self, expression: &str, native: &Native, inputs: &[[u32; 2]]) -> Vec<u32> {
        self.timed(expression, native, inputs, 1).0
    }

    /// The same, so many times, and the seconds that the fastest took.
    pub(crate) fn timed(
        &self,
        expression: &str,
        native: &Native,
        inputs: &[[u32; 2]],
        times: usize,
    ) -> (Vec<u32>, f64) {
        let compiled = self.compile(&lowered(&each_pair(expression), native));
        let bytes: Vec<u8> = inputs.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        let rows = (inputs.len() / INVOCATIONS) as u32 / ROW;
        let run = || {
            let start = Instant::now();
            let found = self.run(&compiled, &bytes, inputs.len(), [ROW, rows]);
            (found, start.elapsed().as_secs_f64())
        };
        let (found, mut least) = run();
        for _ in 1..times {
            least = least.min(run().1);
        }
        (found, least)
    }

    /// A lowered module with the bindings of [`Compiled`] and workgroups of [`INVOCATIONS`].
    #[expect(unsafe_code, reason = "wgpu takes shaders as they are only so")]
    pub(crate) fn compile(&self, module: &naga::Module) -> Compiled {
        let words = match &self.modes {
            None => fizz_reference::compile(module, "main").expect("tables compile").encode(),
            Some(modes) => exact::emit(module, &Layout::of(module), modes).expect("tables can be written"),
        };
        let point = wgpu::PassthroughShaderEntryPoint {
            name: "main".into(),
            workgroup_size: (INVOCATIONS as u32, 1, 1),
        };
        let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
            label: None,
            entry_points: vec![point].into(),
            spirv: Some(words.into()),
            ..wgpu::ShaderModuleDescriptorPassthrough::default()
        };
        // SAFETY: the SPIR-V comes from naga and a pass of ours, with bounds in it.
        let shader = unsafe { self.device.create_shader_module_passthrough(descriptor) };
        let group_layout = self.group_layout();
        let immediate_size = exact::immediate_bytes(module);
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group_layout)],
            immediate_size,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: &shader,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Compiled { pipeline, layout: group_layout, immediates: immediate_size > 0 }
    }

    fn group_layout(&self) -> wgpu::BindGroupLayout {
        let entry = |binding, read_only| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries = &[entry(0, true), entry(1, false)];
        self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
    }

    fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        self.device.create_buffer(&descriptor)
    }

    /// The words of a shader's result.
    pub(crate) fn run(
        &self,
        compiled: &Compiled,
        bytes: &[u8],
        words: usize,
        [columns, rows]: [u32; 2],
    ) -> Vec<u32> {
        use wgpu::BufferUsages as Usage;
        let input = self.buffer(bytes.len() as u64, Usage::STORAGE | Usage::COPY_DST);
        self.queue.write_buffer(&input, 0, bytes);
        let size = 4 * words as u64;
        let output = self.buffer(size, Usage::STORAGE | Usage::COPY_SRC);
        let read = self.buffer(size, Usage::MAP_READ | Usage::COPY_DST);
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &compiled.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: input.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: output.as_entire_binding() },
            ],
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&compiled.pipeline);
            pass.set_bind_group(0, &group, &[]);
            if compiled.immediates {
                pass.set_immediates(0, &slice_bytes([0; 3], 1, [columns, rows, 1]));
            }
            pass.dispatch_workgroups(columns, rows, 1);
        }
        encoder.copy_buffer_to_buffer(&output, 0, &read, 0, size);
        self.queue.submit([encoder.finish()]);
        read.map_async(wgpu::MapMode::Read, .., |result| result.expect("a buffer can be mapped"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("a device that is there");
        let bytes = read.get_mapped_range(..).expect("mapped");
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
    }
}
