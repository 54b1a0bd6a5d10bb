@group(0) @binding(0) var<storage> a: array<u32>;
@group(0) @binding(1) var<storage> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> c: array<i32>;
var<workgroup> ta: array<u32, 256>;
var<workgroup> tb: array<u32, 256>;
@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) l: vec3u, @builtin(workgroup_id) w: vec3u) {
    let n = 128u;
    let row = w.y * 16u + l.y;
    let column = w.x * 16u + l.x;
    var sum = 0i;
    for (var t = 0u; t < 8u; t++) {
        ta[l.y * 16u + l.x] = a[row * n + t * 16u + l.x];
        tb[l.y * 16u + l.x] = b[(t * 16u + l.y) * 512u + column];
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            sum += dot4I8Packed(ta[l.y * 16u + k], tb[k * 16u + l.x]);
        }
        workgroupBarrier();
    }
    c[row * 512u + column] = sum;
}
