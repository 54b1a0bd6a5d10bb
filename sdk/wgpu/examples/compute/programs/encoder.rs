//! Copies, clears, debug markers, several command buffers in one submit.

use super::{Gpu, say};

const SHADER: &str = r"
@group(0) @binding(0) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    values[id.x] += 1u;
}
";

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let values = gpu.storage("values", &[1, 2, 3, 4, 5, 6, 7, 8]);
    let other = gpu.storage("other", &[0; 8]);
    let pipeline = gpu.pipeline("increment", SHADER);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&values]);

    let encoder =
        |label| gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) });
    let mut first = encoder("first");
    first.push_debug_group("outer");
    first.insert_debug_marker("copies");
    first.copy_buffer_to_buffer(&values, 8, &other, 0, 16);
    first.pop_debug_group();
    {
        let mut pass = first
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("pass"), timestamp_writes: None });
        pass.push_debug_group("in the pass");
        pass.insert_debug_marker("increment");
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(8, 1, 1);
        pass.dispatch_workgroups(0, 1, 1);
        pass.set_bind_group(0, None, &[]);
        pass.pop_debug_group();
    }
    let mut second = encoder("second");
    second.clear_buffer(&values, 4, Some(8));
    second.copy_buffer_to_buffer(&values, 0, &other, 16, 16);
    let mut third = encoder("third");
    third.clear_buffer(&other, 24, None);
    let dropped = encoder("dropped");
    drop(dropped);
    gpu.queue.submit([first.finish(), second.finish(), third.finish()]);

    let (sender, receiver) = std::sync::mpsc::channel();
    gpu.queue.on_submitted_work_done(move || sender.send(()).expect("the receiver outlives the callback"));
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).expect("waiting failed");
    say!(out, "work done: {}", receiver.recv().is_ok());
    say!(out, "values: {:?}", gpu.read(&values));
    say!(out, "other: {:?}", gpu.read(&other));

    // An encoder that was refused leaves no trace: none of its commands run.
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let mut refused = encoder("refused");
    refused.clear_buffer(&other, 0, None);
    refused.copy_buffer_to_buffer(&values, 0, &other, 2, 4);
    gpu.queue.submit([refused.finish()]);
    let error = pollster::block_on(scope.pop());
    say!(out, "unaligned copy: {}", matches!(error, Some(wgpu::Error::Validation { .. })));
    say!(out, "other: {:?}", gpu.read(&other));
}
