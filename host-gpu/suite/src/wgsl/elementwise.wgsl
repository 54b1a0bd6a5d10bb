// A few operations on each of many numbers, of every kind that there are.
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&c)) {
        let x = a[id.x];
        let y = b[id.x];
        c[id.x] = (x * 1.5 + y) - (y - x) * x;
    }
}
