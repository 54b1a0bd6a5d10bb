// Layer norm of each row: y[j] = ((x[j] − mean) · (1 / sqrt(variance + epsilon))) · scale[j] + shift[j].
//
// Order: mean = (sum of x[j]) / n; variance = (sum of d · d, d = x[j] − mean) / n, n = f32(columns). For both sums invocation i of 256 adds the elements
// i, i + 256, i + 512, … of its row, one after the other, to +0; then the 256 become 128, 64, …, 1: in each step, i takes s[i] + s[i + half].
// Every operation is rounded by itself, division and square root correctly.
struct Shape {
    rows: u32,
    columns: u32,
    epsilon: f32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read> shift: array<f32>;

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
    let n = f32(shape.columns);
    var sum = 0.0;
    for (var at = 0u; at < shape.columns; at += 256u) {
        if (at + i < shape.columns) {
            sum += x[base + at + i];
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
    let mean = s[0] / n;
    workgroupBarrier();
    var squares = 0.0;
    for (var at = 0u; at < shape.columns; at += 256u) {
        if (at + i < shape.columns) {
            let d = x[base + at + i] - mean;
            squares += d * d;
        }
    }
    s[i] = squares;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (i < half) {
            s[i] += s[i + half];
        }
        workgroupBarrier();
    }
    let variance = s[0] / n;
    let factor = 1.0 / sqrt(variance + shape.epsilon);
    for (var at = 0u; at < shape.columns; at += 256u) {
        let j = at + i;
        if (j < shape.columns) {
            y[base + j] = ((x[base + j] - mean) * factor) * scale[j] + shift[j];
        }
    }
}
