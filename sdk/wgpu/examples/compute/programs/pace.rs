//! Work to be timed from outside: a job has no clock of its own. They say nothing but a check of the result.

use super::{Gpu, say};

/// Each of 16,384 invocations turns a word over this many times.
const TURNS: u32 = 6000;

const SHADER: &str = r"
@group(0) @binding(0) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var word = words[id.x];
    for (var turn = 0u; turn < 6000u; turn++) {
        word = word ^ (word << 13u);
        word = word ^ (word >> 17u);
        word = word ^ (word << 5u);
    }
    words[id.x] = word;
}
";

/// Submits of an empty command buffer, waited for at the end.
pub(super) fn submits(gpu: &Gpu, count: u32) {
    for _ in 0..count {
        let encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        gpu.queue.submit([encoder.finish()]);
    }
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).expect("waiting failed");
}

/// Dispatches of one invocation, each submitted and waited for.
pub(super) fn round_trips(gpu: &Gpu, count: u32, out: &mut String) {
    let word = gpu.storage("word", &[0]);
    let wgsl = "@group(0) @binding(0) var<storage, read_write> word: u32;
        @compute @workgroup_size(1) fn main() { word += 1u; }";
    let pipeline = gpu.pipeline("count", wgsl);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&word]);
    for _ in 0..count {
        gpu.pass(|pass| {
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        });
        gpu.device.poll(wgpu::PollType::wait_indefinitely()).expect("waiting failed");
    }
    say!(out, "counted to {:?}", gpu.read(&word));
}

/// Dispatches of some milliseconds, each submitted and waited for.
pub(super) fn dispatches(gpu: &Gpu, count: u32, out: &mut String) {
    let words: Vec<u32> = (1..=16_384).collect();
    let buffer = gpu.storage("words", &words);
    let pipeline = gpu.pipeline("turn over", SHADER);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&buffer]);
    for _ in 0..count {
        gpu.pass(|pass| {
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(words.len() as u32 / 64, 1, 1);
        });
        gpu.device.poll(wgpu::PollType::wait_indefinitely()).expect("waiting failed");
    }
    let mut first = words[0];
    for _ in 0..count * TURNS {
        first ^= first << 13;
        first ^= first >> 17;
        first ^= first << 5;
    }
    say!(out, "as on the CPU: {}", gpu.read(&buffer)[0] == first);
}
