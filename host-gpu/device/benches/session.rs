//! What the stream and the session add to `wgpu` used directly on the same adapter: an empty submission, and a
//! dispatch that takes 10 ms or more; 64 MiB up and down. An empty command buffer is where the session may win: it has nothing to
//! submit and says so. Prints ratios; each number is the least of alternating runs.

use fizz_gpu::{Adapters, Choice, Hardware, Quotas, Session, Sessions};
use fizz_gpu_abi::{BindGroupEntry, Caps, Class, Encoder, OpenRequest, WHOLE, status, usage};
use std::time::{Duration, Instant};

const RUNS: usize = 40;
const SHADER: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        var x = data[id.x];
        for (var i = 0u; i < 2000u; i++) { x = x * 1664525u + 1013904223u; }
        data[id.x] = x;
    }";
const WORDS: u64 = 64 * 1024;
const LARGE: usize = 64 << 20;

/// The same work through `wgpu` alone.
struct Native {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    large: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Native {
    fn new(name: &str) -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let adapter =
            adapters.into_iter().find(|adapter| adapter.get_info().name == name).expect("same adapter");
        let (device, queue) =
            pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).expect("a device");
        let source =
            fizz_shader::check(SHADER, "", &fizz_shader::ShaderLimits::default()).expect("valid").module;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Naga(std::borrow::Cow::Owned(source)),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: WORDS * 4,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
        });
        let buffer = |usage| {
            let size = LARGE as u64;
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let large = buffer(wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        Native { device, queue, pipeline, group, large, staging }
    }

    fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device lives");
    }

    fn empty(&self) {
        let encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.queue.submit([encoder.finish()]);
        self.wait();
    }

    fn dispatch(&self) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups((WORDS / 64) as u32, 1, 1);
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.wait();
    }

    fn upload(&self, data: &[u8]) {
        self.queue.write_buffer(&self.large, 0, data);
        self.queue.submit([]);
        self.wait();
    }

    fn download(&self, into: &mut [u8]) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&self.large, 0, &self.staging, 0, None);
        self.queue.submit([encoder.finish()]);
        self.staging.slice(..).map_async(wgpu::MapMode::Read, |result| result.expect("mappable"));
        self.wait();
        into.copy_from_slice(&self.staging.slice(..).get_mapped_range().expect("mapped"));
        self.staging.unmap();
    }
}

struct Guest(Box<dyn Session>);

impl Guest {
    fn new(hardware: &Hardware) -> Self {
        let quotas = Quotas {
            class: fizz_gpu_abi::Class::Fast,
            gas: u64::MAX,
            bytes: 1 << 30,
            objects: 4096,
            shaders: 256,
            shader_bytes: 256 << 10,
            stream_bytes: 4 << 20,
            invocations: 1 << 28,
        };
        let mut session = hardware.session(&quotas).expect("a session");
        session.open(&OpenRequest::new(Class::Fast).to_bytes(), &mut [0; Caps::SIZE]).expect("open");
        let mut to = Encoder::new();
        to.create_shader(1, "", SHADER);
        to.create_compute_pipeline(2, "", 0, 1, None, true, [].into_iter());
        to.get_bind_group_layout(3, 2, 0);
        to.create_buffer(4, usage::STORAGE, WORDS * 4, false, "");
        to.create_bind_group(5, "", 3, &[BindGroupEntry { binding: 0, resource: 4, offset: 0, size: WHOLE }]);
        to.create_buffer(7, usage::COPY_SRC | usage::COPY_DST, LARGE as u64, false, "");
        session.submit(to.as_bytes()).expect("setup");
        assert_eq!(session.take_error(&mut [0; fizz_gpu_abi::MAX_RECORD]), Ok(0));
        Guest(session)
    }

    fn run(&mut self, body: impl FnOnce(&mut Encoder)) {
        let mut to = Encoder::new();
        to.begin_commands(6, "");
        body(&mut to);
        to.end_commands();
        to.submit(&[6]);
        self.0.submit(to.as_bytes()).expect("submit");
        assert_eq!(self.0.wait(-1, 0), Ok(status::OK));
    }

    fn upload(&mut self, data: &[u8]) {
        assert_eq!(self.0.write(7, 0, data), Ok(status::OK));
        assert_eq!(self.0.wait(-1, 0), Ok(status::OK));
    }

    fn download(&mut self, into: &mut [u8]) {
        assert_eq!(self.0.read(7, 0, into), Ok(status::OK));
    }

    fn empty(&mut self) {
        self.run(|_| {});
    }

    fn dispatch(&mut self) {
        self.run(|to| {
            to.begin_pass("");
            to.set_pipeline(2);
            to.set_bind_group(0, 5, &[]);
            to.dispatch((WORDS / 64) as u32, 1, 1);
            to.end_pass();
        });
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn compare(name: &str, mut native: impl FnMut(), mut session: impl FnMut()) {
    let (mut best_native, mut best_session) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        best_native = best_native.min(time(&mut native));
        best_session = best_session.min(time(&mut session));
    }
    let ratio = best_session.as_secs_f64() / best_native.as_secs_f64();
    let (native, session) = (best_native.as_secs_f64() * 1e6, best_session.as_secs_f64() * 1e6);
    println!("{name:16} native {native:10.1} µs   session {session:10.1} µs   ratio {ratio:.3}");
}

fn main() {
    let adapters = Adapters::list();
    let hardware = match adapters.choose(&Choice::Auto) {
        Ok(hardware) => hardware,
        Err(error) => {
            println!("not measured: {error}");
            return;
        }
    };
    println!("adapter: {}; least of {RUNS} alternating runs", hardware.summary());
    let native = Native::new(&hardware.summary().name);
    let guest = std::cell::RefCell::new(Guest::new(&hardware));
    compare("empty submission", || native.empty(), || guest.borrow_mut().empty());
    let data = vec![1; LARGE];
    compare("upload 64 MiB", || native.upload(&data), || guest.borrow_mut().upload(&data));
    let (mut first, mut second) = (vec![0; LARGE], vec![0; LARGE]);
    compare("download 64 MiB", || native.download(&mut first), || guest.borrow_mut().download(&mut second));
    assert!(first == data && second == data);
    compare("dispatch", || native.dispatch(), || guest.borrow_mut().dispatch());
}
