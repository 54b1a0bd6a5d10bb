//! Small, complete uses of the compute half of wgpu. Each returns text that is the same on every device.

mod collatz;
mod encoder;
mod errors;
mod indirect;
mod large;
mod layouts;
mod lifetime;
mod mapping;
mod matmul;
mod offsets;
mod pace;
mod repeated;
mod textures;
mod timestamps;

use wgpu::util::DeviceExt;

/// The programs, in the order in which they run.
pub(crate) const NAMES: &[&str] = &[
    "collatz",
    "repeated",
    "offsets",
    "errors",
    "mapping",
    "matmul",
    "indirect",
    "layouts",
    "encoder",
    "large",
    "textures",
    "timestamps",
    "lifetime",
];

/// Runs only when asked for: it ends the process, because nobody handles its error.
pub(crate) const UNCAUGHT: &str = "uncaught";

/// Run only when asked for, as `NAME:COUNT`: work for a benchmark.
pub(crate) const PACES: &[&str] = &["submits", "round-trips", "dispatches"];

/// Whether [`run`] knows a name.
pub(crate) fn knows(name: &str) -> bool {
    NAMES.contains(&name) || name == UNCAUGHT || pace(name).is_some()
}

/// The parts of `NAME:COUNT`.
fn pace(name: &str) -> Option<(&str, u32)> {
    let (name, count) = name.split_once(':')?;
    Some((name, count.parse().ok()?)).filter(|(name, _)| PACES.contains(name))
}

/// Runs what [`knows`] knows, and returns what it found.
pub(crate) fn run(name: &str, gpu: &mut Gpu) -> String {
    let mut out = String::new();
    match name {
        "collatz" => collatz::run(gpu, &mut out),
        "repeated" => repeated::run(gpu, &mut out),
        "offsets" => offsets::run(gpu, &mut out),
        "errors" => errors::run(gpu, &mut out),
        "mapping" => mapping::run(gpu, &mut out),
        "matmul" => matmul::run(gpu, &mut out),
        "indirect" => indirect::run(gpu, &mut out),
        "layouts" => layouts::run(gpu, &mut out),
        "encoder" => encoder::run(gpu, &mut out),
        "large" => large::run(gpu, &mut out),
        "textures" => textures::run(gpu, &mut out),
        "timestamps" => timestamps::run(gpu, &mut out),
        "lifetime" => lifetime::run(gpu, &mut out),
        UNCAUGHT => errors::uncaught(gpu),
        other => match pace(other) {
            Some(("submits", count)) => pace::submits(gpu, count),
            Some(("round-trips", count)) => pace::round_trips(gpu, count, &mut out),
            Some(("dispatches", count)) => pace::dispatches(gpu, count, &mut out),
            _ => panic!("no program is called {other}"),
        },
    }
    out
}

/// Adds a line to a program's text.
macro_rules! say {
    ($out:expr, $($text:tt)*) => {{
        use std::fmt::Write as _;
        writeln!($out, $($text)*).expect("writing to a string cannot fail");
    }};
}
pub(crate) use say;

fn adapter() -> Result<wgpu::Adapter, String> {
    let instance = fizz_wgpu::instance();
    pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
        .map_err(|error| error.to_string())
}

/// A device and its queue.
pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
}

impl Gpu {
    /// Opens the first adapter there is, with WebGPU's default limits, and with timestamps where it has them.
    pub(crate) fn connect() -> Result<Self, String> {
        let adapter = adapter()?;
        Self::open(
            &adapter,
            &wgpu::DeviceDescriptor {
                label: Some("compute programs"),
                required_features: adapter.features() & timestamps::FEATURES,
                ..Default::default()
            },
        )
    }

    fn connect_with(desc: &wgpu::DeviceDescriptor<'_>) -> Result<Self, String> {
        Self::open(&adapter()?, desc)
    }

    fn open(adapter: &wgpu::Adapter, desc: &wgpu::DeviceDescriptor<'_>) -> Result<Self, String> {
        let (device, queue) =
            pollster::block_on(adapter.request_device(desc)).map_err(|error| error.to_string())?;
        Ok(Self { device, queue })
    }

    /// A buffer that a shader reads and writes, and that can be copied both ways.
    pub(crate) fn storage(&self, label: &str, words: &[u32]) -> wgpu::Buffer {
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some(label),
            contents: bytemuck::cast_slice(words),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        })
    }

    /// A shader module from WGSL.
    pub(crate) fn shader(&self, label: &str, wgsl: &str) -> wgpu::ShaderModule {
        self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        })
    }

    /// A pipeline of a module's only entry point, with the layout that its shader implies.
    pub(crate) fn pipeline(&self, label: &str, wgsl: &str) -> wgpu::ComputePipeline {
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: None,
            module: &self.shader(label, wgsl),
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    /// A bind group of whole buffers at bindings 0, 1, ….
    pub(crate) fn bind(&self, layout: &wgpu::BindGroupLayout, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
    }

    /// Runs what `record` writes into one compute pass.
    pub(crate) fn pass(&self, record: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.queue.submit([encoder.finish()]);
    }

    /// The whole of a buffer, through a staging buffer.
    pub(crate) fn read(&self, buffer: &wgpu::Buffer) -> Vec<u32> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, None);
        self.queue.submit([encoder.finish()]);
        self.read_mapped(&staging)
    }

    /// The whole of a buffer that can be mapped for reading.
    pub(crate) fn read_mapped(&self, staging: &wgpu::Buffer) -> Vec<u32> {
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            sender.send(result).expect("the receiver outlives the callback");
        });
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("waiting for the device failed");
        receiver.recv().expect("the callback ran").expect("mapping failed");
        let view = staging.get_mapped_range(..).expect("the buffer is mapped");
        let words = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        staging.unmap();
        words
    }
}
