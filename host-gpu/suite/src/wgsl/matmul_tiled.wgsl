// The textbook's product of two matrices by tiles of 16 × 16 in workgroup memory; the sides are multiples of 16.
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> size: vec4u;

var<workgroup> left: array<f32, 256>;
var<workgroup> right: array<f32, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
    let n = size.x;
    let row = group.y * 16u + local.y;
    let column = group.x * 16u + local.x;
    var sum = 0.0;
    for (var t = 0u; t < n / 16u; t++) {
        left[local.y * 16u + local.x] = a[row * n + t * 16u + local.x];
        right[local.y * 16u + local.x] = b[(t * 16u + local.y) * n + column];
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            sum += left[local.y * 16u + k] * right[k * 16u + local.x];
        }
        workgroupBarrier();
    }
    c[row * n + column] = sum;
}
