//! A device that is destroyed, one that asks for too much, and the next one.

use super::{Gpu, say};
use std::sync::{Arc, Mutex};

pub(super) fn run(gpu: &mut Gpu, out: &mut String) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    gpu.device.set_device_lost_callback(move |reason, _| {
        log.lock().expect("one thread").push(format!("{reason:?}"));
    });
    let survivor = gpu.storage("survivor", &[1, 2, 3]);
    gpu.device.destroy();
    gpu.device.poll(wgpu::PollType::Poll).expect("polling never fails");
    say!(out, "lost: {:?}", events.lock().expect("one thread"));

    // Nothing works any more, and nothing complains.
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    gpu.queue.write_buffer(&survivor, 0, &[0; 4]);
    gpu.queue.submit([]);
    drop(pollster::block_on(scope.pop()));

    say!(out, "too much: {}", Gpu::connect_with(&greedy()).is_err());
    *gpu = Gpu::connect().expect("there was a device before");
    say!(out, "again: {:?}", gpu.read(&gpu.storage("again", &[5, 6])));
}

/// A device that does not exist.
fn greedy() -> wgpu::DeviceDescriptor<'static> {
    wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits { max_bind_groups: 1000, ..Default::default() },
        ..Default::default()
    }
}
