//! What a guest pays for the GPU, its process included: the same work by `wgpu` itself, by a guest whose session is in this process,
//! and by a guest whose session is in another.
//!
//! `cargo bench -p fizz-exec --bench gpu_process`, with `-- PART-OF-A-NAME` for some of it
//!
//! Times are of one operation, without the start of the device: the difference between a long and a short run of the
//! same program, divided by the operations between them. The three take turns. "least" divides the least times of all rounds, "median" is the
//! middle of the rounds' quotients. This program starts itself again as the GPU's process.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run says so by panicking")]

use fizz_gpu::{Adapters, Choice, Sessions};
use fizz_gpu_abi::{BindGroupEntry, Class, Encoder, OpenRequest, WHOLE, usage};
use fizz_gpu_process::{GpuCommand, GpuProcess, Server, Transport, Watch};
use fizz_sandbox::{Engine, ModuleLimits, Program, TaskSpec, run};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const PROCESS: &str = "--gpu-process";
const LARGE: u32 = 64 << 20;
/// Where a guest has its streams, and its large data.
const STREAMS: u32 = 4096;
const DATA: u32 = 1 << 20;

const SHADER: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        var x = data[id.x];
        for (var i = 0u; i < 2000u; i++) { x = x * 1664525u + 1013904223u; }
        data[id.x] = x;
    }
    @compute @workgroup_size(1)
    fn small() { data[0] += 1u; }";
const WORDS: u64 = 16 * 1024;

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Empty,
    Upload,
    Download,
    Small,
    Long,
}

struct Measured {
    work: Work,
    name: &'static str,
    few: u32,
    many: u32,
}

const MEASURED: [Measured; 5] = [
    Measured { work: Work::Empty, name: "empty submit, waited", few: 50, many: 2_050 },
    Measured { work: Work::Upload, name: "64 MiB up", few: 1, many: 5 },
    Measured { work: Work::Download, name: "64 MiB down", few: 1, many: 5 },
    Measured { work: Work::Small, name: "1,000 dispatches at once", few: 1, many: 6 },
    Measured { work: Work::Long, name: "a dispatch of 10 ms", few: 1, many: 6 },
];

/// The work through `wgpu` alone.
struct Native {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: [wgpu::ComputePipeline; 2],
    groups: [wgpu::BindGroup; 2],
    large: wgpu::Buffer,
    staging: wgpu::Buffer,
    bytes: Vec<u8>,
}

impl Native {
    fn new(name: &str) -> Native {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let adapter = adapters.into_iter().find(|adapter| adapter.get_info().name == name).unwrap();
        let (device, queue) =
            pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let pipelines = ["main", "small"].map(|entry| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        });
        let buffer = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let data = buffer(WORDS * 4, wgpu::BufferUsages::STORAGE);
        let groups = [&pipelines[0], &pipelines[1]].map(|pipeline| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[wgpu::BindGroupEntry { binding: 0, resource: data.as_entire_binding() }],
            })
        });
        let large = buffer(LARGE.into(), wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST);
        let staging = buffer(LARGE.into(), wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        Native { device, queue, pipelines, groups, large, staging, bytes: vec![7; LARGE as usize] }
    }

    fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }

    fn dispatch(&self, which: usize, times: u32, groups: u32) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipelines[which]);
        pass.set_bind_group(0, &self.groups[which], &[]);
        (0..times).for_each(|_| pass.dispatch_workgroups(groups, 1, 1));
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.wait();
    }

    fn once(&mut self, work: Work) {
        match work {
            Work::Empty => {
                let encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                self.queue.submit([encoder.finish()]);
                self.wait();
            }
            Work::Upload => {
                self.queue.write_buffer(&self.large, 0, &self.bytes);
                self.queue.submit([]);
                self.wait();
            }
            Work::Download => {
                let mut encoder =
                    self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                encoder.copy_buffer_to_buffer(&self.large, 0, &self.staging, 0, None);
                self.queue.submit([encoder.finish()]);
                self.staging.slice(..).map_async(wgpu::MapMode::Read, |result| result.unwrap());
                self.wait();
                self.bytes.copy_from_slice(&self.staging.slice(..).get_mapped_range().unwrap());
                self.staging.unmap();
            }
            Work::Small => self.dispatch(1, 1000, 1),
            Work::Long => self.dispatch(0, 1, (WORDS / 64) as u32),
        }
    }

    fn time(&mut self, work: Work, count: u32) -> Duration {
        let start = Instant::now();
        (0..count).for_each(|_| self.once(work));
        start.elapsed()
    }
}

/// The objects of a guest.
fn setup() -> Vec<u8> {
    let mut to = Encoder::new();
    to.create_shader(1, "", SHADER);
    to.create_buffer(2, usage::STORAGE, WORDS * 4, false, "");
    to.create_buffer(3, usage::COPY_SRC | usage::COPY_DST, LARGE.into(), false, "");
    for (pipeline, entry) in [(10, "main"), (20, "small")] {
        to.create_compute_pipeline(pipeline, "", 0, 1, Some(entry), true, [].into_iter());
        to.get_bind_group_layout(pipeline + 1, pipeline, 0);
        let entry = BindGroupEntry { binding: 0, resource: 2, offset: 0, size: WHOLE };
        to.create_bind_group(pipeline + 2, "", pipeline + 1, &[entry]);
    }
    to.take()
}

fn commands(work: Work) -> Vec<u8> {
    let mut to = Encoder::new();
    to.begin_commands(6, "");
    if let Some((pipeline, times, groups)) = match work {
        Work::Small => Some((20, 1000, 1)),
        Work::Long => Some((10, 1, (WORDS / 64) as u32)),
        _ => None,
    } {
        to.begin_pass("");
        to.set_pipeline(pipeline);
        to.set_bind_group(0, pipeline + 2, &[]);
        (0..times).for_each(|_| to.dispatch(groups, 1, 1));
        to.end_pass();
    }
    to.end_commands();
    to.submit(&[6]);
    to.take()
}

/// A guest that does the work so many times.
fn guest(engine: &Engine, work: Work, count: u32) -> Program {
    let (setup, commands, open) = (setup(), commands(work), OpenRequest::new(Class::Fast).to_bytes());
    let at = STREAMS + (setup.len() as u32).next_multiple_of(8);
    assert!(at + (commands.len() as u32) < DATA);
    let text = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        })
    };
    let wait = "(if (call $wait (i64.const -1) (i64.const 0)) (then unreachable))";
    let call = match work {
        Work::Upload => format!(
            "(if (call $write (i32.const 3) (i64.const 0) (i32.const {DATA}) (i32.const {LARGE})) (then unreachable)) {wait}"
        ),
        Work::Download => format!(
            "(if (call $read (i32.const 3) (i64.const 0) (i32.const {DATA}) (i32.const {LARGE})) (then unreachable))"
        ),
        _ => format!("(drop (call $submit (i32.const {at}) (i32.const {}))) {wait}", commands.len()),
    };
    let wat = format!(
        r#"(module
        (import "fizz_gpu" "open" (func $open (param i32 i32 i32 i32) (result i32)))
        (import "fizz_gpu" "submit" (func $submit (param i32 i32) (result i64)))
        (import "fizz_gpu" "write" (func $write (param i32 i64 i32 i32) (result i32)))
        (import "fizz_gpu" "read" (func $read (param i32 i64 i32 i32) (result i32)))
        (import "fizz_gpu" "wait" (func $wait (param i64 i64) (result i32)))
        (import "fizz_gpu" "take_error" (func $take_error (param i32 i32) (result i32)))
        (memory (export "memory") {pages})
        (data (i32.const 16) "{open}")
        (data (i32.const {STREAMS}) "{setup_text}")
        (data (i32.const {at}) "{commands_text}")
        (func (export "_start") (local $left i32)
            (drop (call $open (i32.const 16) (i32.const 16) (i32.const 64) (i32.const 1024)))
            (drop (call $submit (i32.const {STREAMS}) (i32.const {setup_len})))
            (memory.fill (i32.const {DATA}) (i32.const 7) (i32.const {LARGE}))
            (local.set $left (i32.const {count}))
            (loop $again
                {call}
                (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (if (call $take_error (i32.const 0) (i32.const 4096)) (then unreachable))))"#,
        pages = (DATA + LARGE) >> 16,
        open = text(&open),
        setup_text = text(&setup),
        setup_len = setup.len(),
        commands_text = text(&commands),
    );
    Program::compile(engine, &wat::parse_str(wat).unwrap(), &ModuleLimits::default()).unwrap()
}

fn time(guest: &Program, sessions: &Arc<dyn Sessions>) -> Duration {
    let report = run(guest, TaskSpec::new("bench"), Some(sessions.clone()), None).unwrap();
    assert!(report.outcome.is_success(), "{} {:?}", report.outcome, report.diagnostic);
    report.run
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if asked.first().is_some_and(|arg| arg == PROCESS) {
        let server = Server::start(64 << 30).unwrap();
        let hardware = Adapters::list().choose(&Choice::Auto).unwrap().with_heartbeat(server.heartbeat());
        let _ = server.serve(&hardware);
        return;
    }
    let hardware = match Adapters::list().choose(&Choice::Auto) {
        Ok(hardware) => hardware,
        Err(error) => {
            println!("not measured: {error}");
            return;
        }
    };
    println!("adapter: {}; {ROUNDS} rounds by turns", hardware.summary());
    let mut native = Native::new(&hardware.summary().name);
    let command = |transport| GpuCommand {
        program: std::env::current_exe().unwrap(),
        args: vec![PROCESS.into()],
        transport,
    };
    let process = |transport| -> Arc<dyn Sessions> {
        Arc::new(GpuProcess::start(command(transport), Watch::default()).unwrap())
    };
    let sessions: [(&str, Arc<dyn Sessions>); 3] = [
        ("in this process", Arc::new(hardware)),
        ("process", process(Transport::Best)),
        ("process, copying", process(Transport::Copying)),
    ];
    let engine = Engine::new().unwrap();
    println!("{:<26} {:<18} {:>12} {:>8} {:>12} {:>8}", "", "", "least", "ratio", "median", "ratio");
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|part| name.contains(&**part));
    for Measured { work, name, few, many } in MEASURED.into_iter().filter(|measured| wanted(measured.name)) {
        let guests = [few, many].map(|count| guest(&engine, work, count));
        // Native first, then the sessions; of each the short and the long runs.
        let mut times = vec![[vec![], vec![]]; 1 + sessions.len()];
        for _ in 0..ROUNDS {
            for (which, count) in [few, many].into_iter().enumerate() {
                times[0][which].push(native.time(work, count));
                for (times, (_, sessions)) in times[1..].iter_mut().zip(&sessions) {
                    times[which].push(time(&guests[which], sessions));
                }
            }
        }
        let steps = f64::from(many - few);
        let figures = times.iter().map(|[short, long]| {
            let least = |times: &[Duration]| times.iter().min().unwrap().as_secs_f64();
            let each = long
                .iter()
                .zip(short)
                .map(|(long, short)| (long.as_secs_f64() - short.as_secs_f64()) / steps);
            ((least(long) - least(short)) / steps, median(each.collect()))
        });
        let figures: Vec<(f64, f64)> = figures.collect();
        let names = ["native"].into_iter().chain(sessions.iter().map(|(name, _)| *name));
        for (row, ((least, middle), session)) in figures.iter().zip(names).enumerate() {
            println!(
                "{:<26} {:<18} {:>9.1} µs {:>8.3} {:>9.1} µs {:>8.3}",
                if row == 0 { name } else { "" },
                session,
                least * 1e6,
                least / figures[0].0,
                middle * 1e6,
                middle / figures[0].1,
            );
        }
    }
}
