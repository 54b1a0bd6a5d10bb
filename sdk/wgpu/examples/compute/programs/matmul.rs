//! A product of two matrices by tiles in workgroup memory, over a two-dimensional grid.

use super::{Gpu, say};

const SHADER: &str = r"
override TILE: u32 = 4u;
const MOST: u32 = 256u;

struct Size { n: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(1) @binding(0) var<uniform> size: Size;

var<workgroup> left: array<f32, MOST>;
var<workgroup> right: array<f32, MOST>;

@compute @workgroup_size(TILE, TILE)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = size.n;
    let here = local.y * TILE + local.x;
    var sum = 0.0;
    for (var tile = 0u; tile < n; tile += TILE) {
        left[here] = a[id.y * n + tile + local.x];
        right[here] = b[(tile + local.y) * n + id.x];
        workgroupBarrier();
        for (var k = 0u; k < TILE; k++) {
            sum += left[local.y * TILE + k] * right[k * TILE + local.x];
        }
        workgroupBarrier();
    }
    c[id.y * n + id.x] = sum;
}
";

/// Rows and columns.
const N: usize = 64;
/// Side of a tile, by which the shader's own default is overridden.
const TILE: usize = 16;

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    // Small whole numbers: every sum is exact, whatever the order and the fusing.
    let a: Vec<f32> = (0..N * N).map(|index| ((index * 7 + index / N) % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..N * N).map(|index| ((index * 5 + index / N) % 11) as f32 - 5.0).collect();
    let words = |matrix: &[f32]| matrix.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let (left, right) = (gpu.storage("a", &words(&a)), gpu.storage("b", &words(&b)));
    let product = gpu.storage("c", &vec![0; N * N]);
    let size = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("size"),
        size: 4,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&size, 0, &(N as u32).to_le_bytes());

    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("matmul"),
        layout: None,
        module: &gpu.shader("matmul", SHADER),
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[("TILE", TILE as f64)],
            ..Default::default()
        },
        cache: None,
    });
    let matrices = gpu.bind(&pipeline.get_bind_group_layout(0), &[&left, &right, &product]);
    let sizes = gpu.bind(&pipeline.get_bind_group_layout(1), &[&size]);
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &matrices, &[]);
        pass.set_bind_group(1, &sizes, &[]);
        pass.dispatch_workgroups((N / TILE) as u32, (N / TILE) as u32, 1);
    });
    let product: Vec<f32> = gpu.read(&product).into_iter().map(f32::from_bits).collect();

    let exact = (0..N * N).all(|index| {
        let (row, column) = (index / N, index % N);
        let sum: f32 = (0..N).map(|k| a[row * N + k] * b[k * N + column]).sum();
        sum == product[index]
    });
    say!(out, "corner: {:?}", &product[..4]);
    say!(out, "equal to the product on the CPU: {exact}");
}
