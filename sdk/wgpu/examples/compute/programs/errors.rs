//! Error scopes, compilation messages with their line, and errors that nobody caught.

use super::{Gpu, say};
use std::sync::{Arc, Mutex};

/// The word for an error's kind, since its text is the backend's own.
fn kind(error: Option<&wgpu::Error>) -> &'static str {
    match error {
        None => "none",
        Some(wgpu::Error::Validation { .. }) => "validation",
        Some(wgpu::Error::OutOfMemory { .. }) => "out of memory",
        Some(wgpu::Error::Internal { .. }) => "internal",
    }
}

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    scopes(gpu, out);
    compilation(gpu, out);
    submission(gpu, out);
    uncaptured(gpu, out);
    // The device still works after all of that.
    let words = gpu.storage("after", &[1, 2, 3]);
    say!(out, "after: {:?}", gpu.read(&words));
}

/// An error that no scope and no handler takes: wgpu's default is to panic.
pub(super) fn uncaught(gpu: &Gpu) {
    let _refused = refused_buffer(gpu);
    gpu.queue.submit([]);
}

/// A buffer that WebGPU refuses: it cannot be mapped for reading and be storage too.
fn refused_buffer(gpu: &Gpu) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("refused"),
        size: 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

fn scopes(gpu: &Gpu, out: &mut String) {
    let outer = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let inner = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let buffer = refused_buffer(gpu);
    let caught = pollster::block_on(inner.pop());
    say!(out, "inner scope: {}", kind(caught.as_ref()));
    say!(out, "memory scope: {}", kind(pollster::block_on(memory.pop()).as_ref()));
    say!(out, "outer scope: {}", kind(pollster::block_on(outer.pop()).as_ref()));
    let named = caught.is_some_and(|error| error.to_string().contains("refused"));
    say!(out, "names the buffer: {named}");

    // What is made of a refused object is refused too.
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    gpu.queue.write_buffer(&buffer, 0, &[0; 16]);
    say!(out, "write to a refused buffer: {}", kind(pollster::block_on(scope.pop()).as_ref()));

    let empty = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let words = gpu.storage("fine", &[7; 4]);
    say!(out, "nothing wrong: {} {:?}", kind(pollster::block_on(empty.pop()).as_ref()), gpu.read(&words));
}

fn compilation(gpu: &Gpu, out: &mut String) {
    for (what, wgsl) in [
        ("syntax", "@compute @workgroup_size(1)\nfn main() {\n    let x = ;\n}\n"),
        ("names", "\n\nfn f() -> u32 { return missing; }\n"),
    ] {
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = gpu.shader(what, wgsl);
        let info = pollster::block_on(module.get_compilation_info());
        let error = pollster::block_on(scope.pop());
        say!(out, "{what}: {}, {} message", kind(error.as_ref()), info.messages.len());
        for message in &info.messages {
            let place = message.location.map(|place| (place.line_number, place.line_position));
            say!(out, "  {:?} at {place:?}", message.message_type);
        }
        let line = wgsl.lines().nth(2).unwrap_or_default();
        let shown = error.is_some_and(|error| error.to_string().contains(line));
        say!(out, "  the error shows the line: {shown}");
    }
    // What parses and is wrong all the same; how exactly its place is known is the validator's affair.
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = gpu.shader("types", "fn half(x: f32) -> f32 {\n    return x * 2u;\n}\n");
    let info = pollster::block_on(module.get_compilation_info());
    say!(out, "types: {}, {} message", kind(pollster::block_on(scope.pop()).as_ref()), info.messages.len());
    let module = gpu.shader("good", "@compute @workgroup_size(1)\nfn main() {}\n");
    let info = pollster::block_on(module.get_compilation_info());
    say!(out, "good: {} messages", info.messages.len());
}

fn submission(gpu: &Gpu, out: &mut String) {
    let pipeline = gpu.pipeline(
        "binds",
        "@group(0) @binding(0) var<storage, read_write> v: array<u32>;
        @compute @workgroup_size(1) fn main() { v[0] = 1u; }",
    );
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        pass.dispatch_workgroups(1, 1, 1);
    });
    say!(out, "dispatch without its bind group: {}", kind(pollster::block_on(scope.pop()).as_ref()));

    let mapped = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("still mapped"),
        size: 16,
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    let target = gpu.storage("target", &[9; 4]);
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(&mapped, 0, &target, 0, 16);
    gpu.queue.submit([encoder.finish()]);
    say!(out, "submit of a mapped buffer: {}", kind(pollster::block_on(scope.pop()).as_ref()));
    say!(out, "its target is untouched: {:?}", gpu.read(&target));
}

fn uncaptured(gpu: &Gpu, out: &mut String) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    gpu.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        log.lock().expect("one thread").push(kind(Some(&error)));
    }));
    let _refused = refused_buffer(gpu);
    gpu.queue.submit([]);
    say!(out, "uncaptured: {:?}", seen.lock().expect("one thread"));
}
