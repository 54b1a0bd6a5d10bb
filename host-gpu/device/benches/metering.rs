//! What metering costs: the same shaders through `wgpu` alone and through a session, which meters them, on one adapter. Each number is the
//! least of alternating runs from submission to the end of the work; the ratio is what a guest pays. Beside it stands the ratio of the processor's
//! time, which says more on a machine at work, and something only where a processor plays the GPU. Names behind `--` choose kernels.

use fizz_gpu::{Adapters, Choice, Hardware, Quotas, Session, Sessions};
use fizz_gpu_abi::{BindGroupEntry, Caps, Class, Encoder, OpenRequest, WHOLE, status, usage};
use std::time::{Duration, Instant};

const RUNS: usize = 30;
/// Words of each of the three buffers.
const WORDS: usize = 1 << 20;

const HEAD: &str = "
    @group(0) @binding(0) var<storage, read> a: array<f32>;
    @group(0) @binding(1) var<storage, read> b: array<f32>;
    @group(0) @binding(2) var<storage, read_write> c: array<f32>;
";

struct Kernel {
    name: &'static str,
    body: &'static str,
    groups: [u32; 3],
}

const KERNELS: [Kernel; 7] = [
    Kernel {
        name: "matmul 256³, size in a buffer",
        body: "
            var<workgroup> at: array<f32, 256>;
            var<workgroup> bt: array<f32, 256>;
            @compute @workgroup_size(16, 16)
            fn main(@builtin(local_invocation_id) l: vec3u, @builtin(workgroup_id) w: vec3u) {
                let n = u32(a[0]);
                let row = w.y * 16u + l.y;
                let column = w.x * 16u + l.x;
                var sum = 0.0;
                for (var t = 0u; t < n / 16u; t++) {
                    at[l.y * 16u + l.x] = a[row * n + t * 16u + l.x];
                    bt[l.y * 16u + l.x] = b[(t * 16u + l.y) * n + column];
                    workgroupBarrier();
                    for (var k = 0u; k < 16u; k++) { sum += at[l.y * 16u + k] * bt[k * 16u + l.x]; }
                    workgroupBarrier();
                }
                c[row * n + column] = sum;
            }",
        groups: [16, 16, 1],
    },
    Kernel {
        name: "matmul 256³, naive, by size",
        body: "
            @compute @workgroup_size(8, 8)
            fn main(@builtin(global_invocation_id) id: vec3u) {
                let n = u32(a[0]);
                var sum = 0.0;
                for (var k = 0u; k < n; k++) { sum += a[id.y * n + k] * b[k * n + id.x]; }
                c[id.y * n + id.x] = sum;
            }",
        groups: [32, 32, 1],
    },
    Kernel {
        name: "path tracer 256²",
        body: "
            fn next(state: ptr<function, u32>) -> f32 {
                *state = *state * 747796405u + 2891336453u;
                let word = ((*state >> ((*state >> 28u) + 4u)) ^ *state) * 277803737u;
                return f32((word >> 22u) ^ word) / 4294967296.0;
            }
            fn hit(o: vec3f, d: vec3f, s: vec4f) -> f32 {
                let to = o - s.xyz;
                let half = dot(to, d);
                let under = half * half - dot(to, to) + s.w * s.w;
                if (under < 0.0) { return -1.0; }
                let t = -half - sqrt(under);
                return select(-1.0, t, t > 0.001);
            }
            @compute @workgroup_size(8, 8)
            fn main(@builtin(global_invocation_id) id: vec3u) {
                var state = id.x * 9781u + id.y * 6271u + 1u;
                var total = 0.0;
                for (var sample = 0u; sample < 4u; sample++) {
                    var o = vec3f(0.0, 1.0, -4.0);
                    var d = normalize(vec3f((f32(id.x) + next(&state)) / 128.0 - 1.0, 1.0 - (f32(id.y) + next(&state)) / 128.0, 1.5));
                    var light = 1.0;
                    for (var bounce = 0u; bounce < 8u; bounce++) {
                        var nearest = 1e9;
                        var sphere = vec4f(0.0);
                        for (var i = 0u; i < 6u; i++) {
                            let s = select(vec4f(f32(i % 3u) * 1.5 - 1.5, f32(i / 3u) * 1.2 + 0.5, f32(i & 1u), 0.6), vec4f(0.0, -1000.0, 0.0, 1000.0), i == 5u);
                            let t = hit(o, d, s);
                            if (t > 0.0 && t < nearest) { nearest = t; sphere = s; }
                        }
                        if (nearest > 1e8) { total += light * (0.5 + 0.5 * d.y); break; }
                        o += nearest * d;
                        let normal = normalize(o - sphere.xyz);
                        d = normalize(normal + vec3f(next(&state), next(&state), next(&state)) * 1.8 - 0.9);
                        light *= 0.6;
                    }
                }
                c[id.y * 256u + id.x] = total;
            }",
        groups: [32, 32, 1],
    },
    Kernel {
        name: "reduction 1 M",
        body: "
            var<workgroup> s: array<f32, 256>;
            @compute @workgroup_size(256)
            fn main(@builtin(local_invocation_index) l: u32, @builtin(workgroup_id) w: vec3u) {
                s[l] = a[w.x * 256u + l];
                workgroupBarrier();
                for (var h = 128u; h > 0u; h >>= 1u) {
                    if (l < h) { s[l] += s[l + h]; }
                    workgroupBarrier();
                }
                if (l == 0u) { c[w.x] = s[0]; }
            }",
        groups: [4096, 1, 1],
    },
    Kernel {
        name: "reduction 1 M, start in a buffer",
        body: "
            var<workgroup> s: array<f32, 256>;
            @compute @workgroup_size(256)
            fn main(@builtin(local_invocation_index) l: u32, @builtin(workgroup_id) w: vec3u) {
                s[l] = a[w.x * 256u + l];
                workgroupBarrier();
                for (var h = u32(a[0]) / 2u; h > 0u; h >>= 1u) {
                    if (l < h) { s[l] += s[l + h]; }
                    workgroupBarrier();
                }
                if (l == 0u) { c[w.x] = s[0]; }
            }",
        groups: [4096, 1, 1],
    },
    Kernel {
        name: "elementwise 1 M",
        body: "
            @compute @workgroup_size(256)
            fn main(@builtin(global_invocation_id) id: vec3u) {
                if (id.x < arrayLength(&c)) { c[id.x] = a[id.x] * 1.5 + b[id.x]; }
            }",
        groups: [4096, 1, 1],
    },
    Kernel {
        name: "elementwise 1 M, one turn by a buffer",
        body: "
            @compute @workgroup_size(256)
            fn main(@builtin(global_invocation_id) id: vec3u) {
                var x = a[id.x];
                for (var k = 0u; k < u32(a[0]) / 256u; k++) { x = x * 1.5 + b[id.x]; }
                c[id.x] = x;
            }",
        groups: [4096, 1, 1],
    },
];

fn source(kernel: &Kernel) -> String {
    format!("{HEAD}{}", kernel.body)
}

fn words() -> Vec<u8> {
    // The first is the size that some kernels read.
    let values = (0..WORDS).map(|n| if n == 0 { 256.0 } else { (n % 97) as f32 / 97.0 });
    values.flat_map(f32::to_le_bytes).collect()
}

/// The same work through `wgpu` alone.
struct Native {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: [u32; 3],
}

impl Native {
    fn new(name: &str, kernel: &Kernel) -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let adapter =
            adapters.into_iter().find(|adapter| adapter.get_info().name == name).expect("same adapter");
        let (device, queue) =
            pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).expect("a device");
        let checked = fizz_shader::check(&source(kernel), "", &fizz_shader::ShaderLimits::default());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Naga(std::borrow::Cow::Owned(checked.expect("valid").module)),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let layout = pipeline.get_bind_group_layout(0);
        let used: Vec<u32> =
            (0..3).filter(|n| kernel.body.contains(["a[", "b[", "c["][*n as usize])).collect();
        let buffers: Vec<wgpu::Buffer> = used
            .iter()
            .map(|_| {
                let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size: 4 * WORDS as u64,
                    usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                queue.write_buffer(&buffer, 0, &words());
                buffer
            })
            .collect();
        let entries: Vec<_> = used
            .iter()
            .zip(&buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });
        Native { device, queue, pipeline, group, groups: kernel.groups }
    }

    fn run(&self) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        let [x, y, z] = self.groups;
        pass.dispatch_workgroups(x, y, z);
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device lives");
    }
}

struct Guest {
    session: Box<dyn Session>,
    groups: [u32; 3],
}

impl Guest {
    fn new(hardware: &Hardware, kernel: &Kernel) -> Self {
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
        to.create_shader(1, "", &source(kernel));
        to.create_compute_pipeline(2, "", 0, 1, None, true, [].into_iter());
        to.get_bind_group_layout(3, 2, 0);
        let mut entries = Vec::new();
        for (binding, word) in (0..).zip(["a[", "b[", "c["]) {
            if kernel.body.contains(word) {
                let buffer = 10 + binding;
                to.create_buffer(buffer, usage::STORAGE | usage::COPY_DST, 4 * WORDS as u64, false, "");
                entries.push(BindGroupEntry { binding, resource: buffer, offset: 0, size: WHOLE });
            }
        }
        to.create_bind_group(5, "", 3, &entries);
        session.submit(to.as_bytes()).expect("setup");
        for entry in &entries {
            assert_eq!(session.write(entry.resource, 0, &words()), Ok(status::OK));
        }
        let mut record = [0; fizz_gpu_abi::MAX_RECORD];
        assert_eq!(session.take_error(&mut record), Ok(0), "{}", String::from_utf8_lossy(&record));
        Guest { session, groups: kernel.groups }
    }

    fn run(&mut self) {
        let mut to = Encoder::new();
        to.begin_commands(6, "");
        to.begin_pass("");
        to.set_pipeline(2);
        to.set_bind_group(0, 5, &[]);
        let [x, y, z] = self.groups;
        to.dispatch(x, y, z);
        to.end_pass();
        to.end_commands();
        to.submit(&[6]);
        self.session.submit(to.as_bytes()).expect("submit");
        assert_eq!(self.session.wait(-1, 0), Ok(status::OK));
    }
}

/// The least times so far, on the wall clock and of the processor.
struct Least {
    wall: Duration,
    processor: Duration,
}

impl Least {
    fn new() -> Self {
        Least { wall: Duration::MAX, processor: Duration::MAX }
    }

    fn time(&mut self, work: impl FnOnce()) {
        let (start, before) = (Instant::now(), processor());
        work();
        self.wall = self.wall.min(start.elapsed());
        self.processor = self.processor.min(processor().saturating_sub(before));
    }
}

/// Time that all threads of this process took of the processor.
#[cfg(unix)]
fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

#[cfg(not(unix))]
fn processor() -> Duration {
    Duration::ZERO
}

fn main() {
    let hardware = match Adapters::list().choose(&Choice::Auto) {
        Ok(hardware) => hardware,
        Err(error) => {
            println!("not measured: {error}");
            return;
        }
    };
    println!("adapter: {}; least of {RUNS} alternating runs", hardware.summary());
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for kernel in &KERNELS {
        if !wanted.is_empty() && !wanted.iter().any(|word| kernel.name.contains(word.as_str())) {
            continue;
        }
        let native = Native::new(&hardware.summary().name, kernel);
        let mut guest = Guest::new(&hardware, kernel);
        // The first runs warm caches, and show the session how long the loops are.
        for _ in 0..3 {
            native.run();
            guest.run();
        }
        let gas = guest.session.gas();
        let (mut plain, mut metered) = (Least::new(), Least::new());
        for _ in 0..RUNS {
            plain.time(|| native.run());
            metered.time(|| guest.run());
        }
        let each = (guest.session.gas() - gas) / RUNS as u64;
        let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{:38} wgpu {:8.3} ms   metered {:8.3} ms   ratio {:.3}   of processor time {:.3}   gas {each}, {:.3} ns each",
            kernel.name,
            milliseconds(plain.wall),
            milliseconds(metered.wall),
            ratio(metered.wall, plain.wall),
            ratio(metered.processor, plain.processor),
            milliseconds(plain.wall) * 1e6 / each as f64
        );
    }
}
