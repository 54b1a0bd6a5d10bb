//! Computes an expression on a device, as an exact shader.

use crate::{Device, Target, pipeline, vulkan};
use fizz_shader::exact::{self, Layout, Native};
use fizz_shader::meter::slice_bytes;
use std::time::Instant;

/// A device that computes tables.
#[derive(Debug)]
pub struct Gpu(Device);

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
        Device::open(adapter, Some(vulkan(adapter)?)).ok().map(Gpu)
    }

    /// The reference device, on so many threads.
    pub fn reference(threads: usize) -> Option<Gpu> {
        Device::reference(threads).ok().map(Gpu)
    }
}

/// A shader of ours, lowered.
pub(crate) fn lowered(wgsl: &str, native: &Native) -> naga::Module {
    let module = naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    pipeline::lower(module, native).unwrap_or_else(|error| panic!("{error}\n{wgsl}"))
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
            let found = self.run(&compiled, &bytes, inputs.len() as u32, [ROW, rows]);
            (found, start.elapsed().as_secs_f64())
        };
        let (found, mut least) = run();
        for _ in 1..times {
            least = least.min(run().1);
        }
        (found, least)
    }

    /// A lowered module with the bindings of [`Compiled`] and workgroups of [`INVOCATIONS`].
    pub(crate) fn compile(&self, module: &naga::Module) -> Compiled {
        let words = match &self.0.target {
            Some(Target::Vulkan { modes, .. }) => {
                exact::emit(module, &Layout::of(module), modes).expect("tables can be written")
            }
            _ => fizz_reference::compile(module, "main").expect("tables compile").encode(),
        };
        let shader = self.0.pass_through(&words, "main", [INVOCATIONS as u32, 1, 1]);
        let group_layout = self.group_layout();
        let immediate_size = exact::immediate_bytes(module);
        let layout = self.0.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group_layout)],
            immediate_size,
        });
        let pipeline = self.0.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
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
        self.0.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
    }

    fn buffer(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        self.0.device.create_buffer(&descriptor)
    }

    /// The words of a shader's result.
    pub(crate) fn run(
        &self,
        compiled: &Compiled,
        bytes: &[u8],
        words: u32,
        [columns, rows]: [u32; 2],
    ) -> Vec<u32> {
        use wgpu::BufferUsages as Usage;
        let input = self.buffer(bytes.len() as u64, Usage::STORAGE | Usage::COPY_DST);
        self.0.queue.write_buffer(&input, 0, bytes);
        let output = self.buffer(4 * u64::from(words), Usage::STORAGE | Usage::COPY_SRC);
        let group = self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &compiled.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: input.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: output.as_entire_binding() },
            ],
        });
        let mut encoder = self.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&compiled.pipeline);
            pass.set_bind_group(0, &group, &[]);
            if compiled.immediates {
                pass.set_immediates(0, &slice_bytes([0; 3], 1, [columns, rows, 1]));
            }
            pass.dispatch_workgroups(columns, rows, 1);
        }
        self.0.queue.submit([encoder.finish()]);
        self.0.read(&output, words).expect("a device that is there")
    }
}
