//! Every way for bytes to go between the program and a buffer.

use super::{Gpu, say};
use std::sync::{Arc, Mutex};

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    at_creation(gpu, out);
    for_writing(gpu, out);
    for_reading(gpu, out);
    by_the_queue(gpu, out);
    on_submit(gpu, out);
}

fn at_creation(gpu: &Gpu, out: &mut String) {
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("mapped at creation"),
        size: 32,
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    {
        // Two windows that are open at once.
        let mut low = buffer.get_mapped_range_mut(0..8).expect("mapped");
        let mut high = buffer.get_mapped_range_mut(16..32).expect("mapped");
        low.copy_from_slice(bytemuck::cast_slice(&[1_u32, 2]));
        high.slice(..8).copy_from_slice(bytemuck::cast_slice(&[5_u32, 6]));
        high.slice(8..).copy_from_slice(bytemuck::cast_slice(&[7_u32, 8]));
        say!(out, "overlap: {}", buffer.get_mapped_range(0..16).is_err());
    }
    {
        let seen = buffer.get_mapped_range(0..8).expect("mapped");
        say!(out, "seen before unmap: {:?}", bytemuck::pod_collect_to_vec::<u8, u32>(&seen));
    }
    buffer.unmap();
    say!(out, "after unmap: {}", buffer.get_mapped_range(0..8).is_err());
    say!(out, "at creation: {:?}", gpu.read(&buffer));
}

/// Maps and waits.
fn map(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    mode: wgpu::MapMode,
    range: impl std::ops::RangeBounds<u64>,
) -> bool {
    let (sender, receiver) = std::sync::mpsc::channel();
    buffer.map_async(mode, range, move |result| {
        sender.send(result.is_ok()).expect("the receiver outlives the callback");
    });
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).expect("waiting failed");
    receiver.recv().expect("the callback ran")
}

fn for_writing(gpu: &Gpu, out: &mut String) {
    let upload = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("upload"),
        size: 32,
        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    upload.get_mapped_range_mut(..).expect("mapped").copy_from_slice(bytemuck::cast_slice(&[10_u32; 8]));
    upload.unmap();
    say!(out, "map for writing: {}", map(gpu, &upload, wgpu::MapMode::Write, 8..24));
    upload.get_mapped_range_mut(8..12).expect("mapped").copy_from_slice(&11_u32.to_le_bytes());
    upload.get_mapped_range_mut(16..20).expect("mapped").copy_from_slice(&12_u32.to_le_bytes());
    upload.unmap();
    say!(
        out,
        "unaligned view: {}",
        map(gpu, &upload, wgpu::MapMode::Write, ..) && upload.get_mapped_range(4..8).is_err()
    );
    upload.unmap();
    // What was not written keeps its bytes.
    say!(out, "for writing: {:?}", gpu.read(&upload));
}

fn for_reading(gpu: &Gpu, out: &mut String) {
    let source = gpu.storage("source", &[1, 2, 3, 4, 5, 6]);
    let download = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("download"),
        size: 24,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(&source, 0, &download, 0, 24);
    gpu.queue.submit([encoder.finish()]);
    say!(out, "map for reading: {}", map(gpu, &download, wgpu::MapMode::Read, 8..24));
    {
        let left = download.get_mapped_range(8..16).expect("mapped");
        let both = download.get_mapped_range(8..24).expect("mapped");
        say!(out, "left: {:?}", bytemuck::pod_collect_to_vec::<u8, u32>(&left));
        say!(out, "both: {:?}", bytemuck::pod_collect_to_vec::<u8, u32>(&both));
        say!(out, "outside: {}", download.get_mapped_range(0..8).is_err());
    }
    say!(out, "mapped twice: {}", map(gpu, &download, wgpu::MapMode::Read, 0..8));
    download.unmap();

    // A mapping that the buffer's usage forbids is a validation error, and its callback is told.
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let mapped = map(gpu, &download, wgpu::MapMode::Write, 0..8);
    let error = pollster::block_on(scope.pop());
    say!(out, "wrong mode: {mapped}, {}", matches!(error, Some(wgpu::Error::Validation { .. })));
    say!(out, "view of it: {}", download.get_mapped_range(0..8).is_err());
    download.unmap();
    say!(out, "and again: {}", map(gpu, &download, wgpu::MapMode::Read, 0..8));
    download.unmap();
}

fn by_the_queue(gpu: &Gpu, out: &mut String) {
    let target = gpu.storage("target", &[0; 6]);
    {
        let size = wgpu::BufferSize::new(8).expect("not zero");
        let mut view = gpu.queue.write_buffer_with(&target, 4, size).expect("room for eight bytes");
        say!(out, "view: {} bytes", view.len());
        view.slice(..).copy_from_slice(bytemuck::cast_slice(&[21_u32, 22]));
    }
    gpu.queue.write_buffer(&target, 16, bytemuck::cast_slice(&[23_u32, 24]));
    say!(out, "by the queue: {:?}", gpu.read(&target));

    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let size = wgpu::BufferSize::new(16).expect("not zero");
    let refused = gpu.queue.write_buffer_with(&target, 16, size).is_none();
    let error = pollster::block_on(scope.pop());
    say!(out, "past the end: {refused}, {}", matches!(error, Some(wgpu::Error::Validation { .. })));
}

fn on_submit(gpu: &Gpu, out: &mut String) {
    let source = gpu.storage("source", &[31, 32]);
    let download = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("download"),
        size: 8,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let events = Arc::new(Mutex::new(Vec::new()));
    let (mapped, done) = (Arc::clone(&events), Arc::clone(&events));
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(&source, 0, &download, 0, 8);
    encoder.map_buffer_on_submit(&download, wgpu::MapMode::Read, .., move |result| {
        mapped.lock().expect("one thread").push(if result.is_ok() { "mapped" } else { "not mapped" });
    });
    encoder.on_submitted_work_done(move || done.lock().expect("one thread").push("done"));
    let index = gpu.queue.submit([encoder.finish()]);
    let status = gpu
        .device
        .poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None })
        .expect("waiting failed");
    say!(out, "wait finished: {}", status.wait_finished());
    let mut events = events.lock().expect("one thread").clone();
    events.sort_unstable();
    say!(out, "events: {events:?}");
    let view = download.get_mapped_range(..).expect("mapped");
    say!(out, "on submit: {:?}", bytemuck::pod_collect_to_vec::<u8, u32>(&view));
    drop(view);
    download.destroy();
}
