//! The reference device against lavapipe on one thread: time to compile a shader, and to run it. Prints ratios; above 1, the reference is faster.
//!
//! `cargo bench -p fizz-reference`, with a software Vulkan driver installed. What lavapipe compiles is the same WGSL, shader cache off.
#![allow(clippy::unwrap_used)] // A benchmark fails by panicking.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Bound, Machine, engine, floats, metered, words};
use fizz_reference::compile;
use std::time::{Duration, Instant};

struct Kernel {
    name: &'static str,
    wgsl: &'static str,
    groups: [u32; 3],
    buffers: Vec<Bound>,
}

fn kernels() -> Vec<Kernel> {
    let value = |seed: usize| ((seed * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
    let many = |count: usize| -> Vec<f32> { (0..count).map(value).collect() };
    let n = 512 * 512;
    let matrices = || vec![floats(0, &many(n)), floats(1, &many(n)), floats(2, &vec![0.0; n])];
    let kernel = |name, wgsl, groups, buffers| Kernel { name, wgsl, groups, buffers };
    vec![
        kernel(
            "matmul 512, 16×16 tiles",
            include_str!("../tests/kernels/matmul.wgsl"),
            [32, 32, 1],
            matrices(),
        ),
        kernel(
            "matmul 512, 4×4 in registers",
            include_str!("../tests/kernels/registers.wgsl"),
            [8, 8, 1],
            matrices(),
        ),
        kernel(
            "reduction of 1 Mi",
            include_str!("../tests/kernels/reduction.wgsl"),
            [4096, 1, 1],
            vec![floats(0, &many(1 << 20)), floats(2, &vec![0.0; 4096])],
        ),
        kernel(
            "Mandelbrot 1024²",
            include_str!("../tests/kernels/mandelbrot.wgsl"),
            [128, 128, 1],
            vec![words(2, &vec![0; 1 << 20])],
        ),
        kernel(
            "SHA-256 shape, 64 Ki",
            include_str!("../tests/kernels/sha.wgsl"),
            [1024, 1, 1],
            vec![words(2, &vec![0; 1 << 18])],
        ),
        kernel(
            "path tracer 256²",
            include_str!("../tests/kernels/path.wgsl"),
            [32, 32, 1],
            vec![floats(0, &many(1 << 10)), floats(2, &vec![0.0; 1 << 18])],
        ),
        kernel("naive matmul 512", include_str!("../tests/kernels/naive.wgsl"), [32, 32, 1], matrices()),
        kernel("int8 matmul 512", include_str!("../tests/kernels/int8.wgsl"), [32, 32, 1], matrices()),
    ]
}

fn best(times: usize, mut run: impl FnMut() -> Duration) -> Duration {
    (0..times).map(|_| run()).min().unwrap()
}

/// Compile and run times, and the buffers afterwards.
struct Measured {
    compile: Duration,
    run: Duration,
    after: Vec<Vec<u8>>,
}

fn reference(kernel: &Kernel, is_metered: bool) -> Measured {
    let engine = engine();
    let limits = fizz_shader::ShaderLimits::default();
    let module = if is_metered {
        metered(kernel.wgsl).module
    } else {
        fizz_shader::check(kernel.wgsl, "bench", &limits).unwrap().module
    };
    let compile_time = best(5, || {
        let start = Instant::now();
        let program = compile(&module, "main").unwrap();
        wasmtime::Module::new(&engine, &program.wasm).unwrap();
        start.elapsed()
    });
    let bytes: usize = kernel.buffers.iter().map(|bound| bound.bytes.len()).sum();
    let mut machine = Machine::new(&engine, compile(&module, "main").unwrap(), (bytes >> 16) as u32 + 600);
    let addresses = machine.bind(kernel.groups, &kernel.buffers);
    let run = best(5, || {
        let start = Instant::now();
        machine.call(kernel.groups);
        start.elapsed()
    });
    let read = |bound: &Bound| {
        let at = machine
            .program
            .bindings
            .iter()
            .position(|binding| binding.group == 0 && binding.binding == bound.binding);
        at.map_or(Vec::new(), |at| machine.read(addresses[at], bound.bytes.len()))
    };
    Measured { compile: compile_time, run, after: kernel.buffers.iter().map(read).collect() }
}

struct Lavapipe {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Lavapipe {
    fn new() -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
        let adapter =
            adapters.into_iter().find(|adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu);
        let adapter = adapter.expect("a software Vulkan driver");
        let descriptor = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
        Lavapipe { device, queue }
    }

    fn pipeline(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        let source = wgpu::ShaderSource::Wgsl(kernel.wgsl.into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }

    fn measure(&self, kernel: &Kernel) -> Measured {
        let start = Instant::now();
        let pipeline = self.pipeline(kernel);
        let created = start.elapsed();
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffers: Vec<wgpu::Buffer> = kernel
            .buffers
            .iter()
            .map(|bound| {
                let size = bound.bytes.len() as u64;
                let descriptor =
                    wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
                let buffer = self.device.create_buffer(&descriptor);
                self.queue.write_buffer(&buffer, 0, &bound.bytes);
                buffer
            })
            .collect();
        let entries: Vec<wgpu::BindGroupEntry<'_>> = kernel
            .buffers
            .iter()
            .zip(&buffers)
            .filter(|(bound, _)| kernel.wgsl.contains(&format!("binding({})", bound.binding)))
            .map(|(bound, buffer)| wgpu::BindGroupEntry {
                binding: bound.binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let dispatch = || {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            let [x, y, z] = kernel.groups;
            pass.dispatch_workgroups(x, y, z);
            drop(pass);
            self.wait();
            let start = Instant::now();
            self.queue.submit([encoder.finish()]);
            self.wait();
            start.elapsed()
        };
        // The driver may leave compiling to the first dispatch.
        let first = dispatch();
        let run = best(4, dispatch);
        let compile = created + first.saturating_sub(run);
        let after = buffers.iter().map(|buffer| self.read(buffer)).collect();
        Measured { compile, run, after }
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: None, size: buffer.size(), usage, mapped_at_creation: false };
        let staging = self.device.create_buffer(&descriptor);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, Result::unwrap);
        self.wait();
        staging.slice(..).get_mapped_range().unwrap().to_vec()
    }
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let settings = [("LP_NUM_THREADS", "0"), ("MESA_SHADER_CACHE_DISABLE", "true")];
    if settings.iter().any(|(name, value)| std::env::var(name).as_deref() != Ok(*value)) {
        // The driver reads them when it is loaded.
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(std::env::args().skip(1)).envs(settings);
        std::process::exit(again.status().unwrap().code().unwrap_or(1));
    }
    let lavapipe = Lavapipe::new();
    println!(
        "{:30} {:>9} {:>9} {:>6} {:>9} {:>9} {:>6}  metered",
        "ms", "compile", "lavapipe", "ratio", "run", "lavapipe", "ratio"
    );
    let (mut product, mut count) = (1.0, 0);
    for kernel in kernels() {
        if only.as_ref().is_some_and(|only| !kernel.name.contains(only.as_str())) {
            continue;
        }
        let ours = reference(&kernel, false);
        let with_meter = reference(&kernel, true);
        let theirs = lavapipe.measure(&kernel);
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let ratio = ms(theirs.run) / ms(ours.run);
        product *= ratio;
        count += 1;
        let same = if ours.after == theirs.after { "" } else { ", other bits" };
        println!(
            "{:30} {:9.2} {:9.2} {:6.2} {:9.2} {:9.2} {:6.2}  {:.2}, compile {:.2}{same}",
            kernel.name,
            ms(ours.compile),
            ms(theirs.compile),
            ms(theirs.compile) / ms(ours.compile),
            ms(ours.run),
            ms(theirs.run),
            ratio,
            ms(with_meter.run),
            ms(with_meter.compile),
        );
    }
    println!("geometric mean of the ratios: {:.2}", f64::powf(product, 1.0 / f64::from(count.max(1))));
}
