// Softmax of each row: y[j] = exp(x[j] − m) / s, where m is the row's greatest element and s the sum of all exp(x[j] − m).
//
// Order: invocation i of 256 takes the elements i, i + 256, i + 512, … of its row, one after the other, into its own maximum, and then into its
// own sum, which begins as +0. The 256 become 128, 64, …, 1: in each step, i takes s[i] max s[i + half], or s[i] + s[i + half].
// `exp` is that of the exact class. A row that holds +∞ or nothing but −∞ becomes NaN where exp or the division say so.
struct Shape {
    rows: u32,
    columns: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> shape: Shape;

var<workgroup> s: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
    let row = group.y * groups.x + group.x;
    if (row >= shape.rows) {
        return;
    }
    let base = row * shape.columns;
    var greatest = x[base];
    for (var at = 0u; at < shape.columns; at += 256u) {
        if (at + i < shape.columns) {
            greatest = max(greatest, x[base + at + i]);
        }
    }
    s[i] = greatest;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (i < half) {
            s[i] = max(s[i], s[i + half]);
        }
        workgroupBarrier();
    }
    let m = s[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var at = 0u; at < shape.columns; at += 256u) {
        if (at + i < shape.columns) {
            let e = exp(x[base + at + i] - m);
            y[base + at + i] = e;
            sum += e;
        }
    }
    s[i] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (i < half) {
            s[i] += s[i + half];
        }
        workgroupBarrier();
    }
    let total = s[0];
    for (var at = 0u; at < shape.columns; at += 256u) {
        if (at + i < shape.columns) {
            y[base + at + i] = y[base + at + i] / total;
        }
    }
}
