//! A shader decides how many workgroups the next dispatch gets.

use super::{Gpu, say};

const DECIDE: &str = r"
@group(0) @binding(0) var<storage, read_write> sizes: array<u32>;

@compute @workgroup_size(1)
fn main() {
    sizes[1] = 3u;
    sizes[2] = 2u;
    sizes[3] = 1u;
}
";

const COUNT: &str = r"
@group(0) @binding(0) var<storage, read_write> seen: array<u32>;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    seen[id.y * groups.x + id.x] = 100u * groups.x + 10u * id.x + id.y;
}
";

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let sizes = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("sizes"),
        size: 16,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::INDIRECT | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let seen = gpu.storage("seen", &[0; 8]);
    let decide = gpu.pipeline("decide", DECIDE);
    let count = gpu.pipeline("count", COUNT);
    let decide_group = gpu.bind(&decide.get_bind_group_layout(0), &[&sizes]);
    let count_group = gpu.bind(&count.get_bind_group_layout(0), &[&seen]);
    gpu.pass(|pass| {
        pass.set_pipeline(&decide);
        pass.set_bind_group(0, &decide_group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    });
    gpu.pass(|pass| {
        pass.set_pipeline(&count);
        pass.set_bind_group(0, &count_group, &[]);
        pass.dispatch_workgroups_indirect(&sizes, 4);
    });
    say!(out, "sizes: {:?}", gpu.read(&sizes));
    say!(out, "seen: {:?}", gpu.read(&seen));
}
