// C = A · B, row by row in memory: A has `rows` × `inner` elements, B `inner` × `columns`.
//
// Order: c[i][j] begins as +0 and adds the rounded products a[i][k] · b[k][j] for k = 0, 1, …, inner − 1, each sum rounded. Tiles do not show:
// what stands outside of the matrices adds +0, which changes no sum that began as +0.
//
// A workgroup of 16 × 16 makes 64 × 64 elements of C, an invocation 4 × 4 of them, 16 apart: so neighbours read neighbours.
struct Shape {
    rows: u32,
    columns: u32,
    inner: u32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;

// 64 rows of 16, and 16 rows of 64.
var<workgroup> left: array<f32, 1024>;
var<workgroup> right: array<f32, 1024>;

fn put(row: u32, column: u32, sums: vec4f) {
    if (row < shape.rows) {
        let to = row * shape.columns + column;
        if (column < shape.columns) { c[to] = sums.x; }
        if (column + 16u < shape.columns) { c[to + 16u] = sums.y; }
        if (column + 32u < shape.columns) { c[to + 32u] = sums.z; }
        if (column + 48u < shape.columns) { c[to + 48u] = sums.w; }
    }
}

@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
    let row = group.y * 64u + local.y;
    let column = group.x * 64u + local.x;
    let x = local.x;
    let y = local.y;
    var sum0 = vec4f();
    var sum1 = vec4f();
    var sum2 = vec4f();
    var sum3 = vec4f();
    for (var first = 0u; first < shape.inner; first += 16u) {
        for (var part = 0u; part < 64u; part += 16u) {
            let place = (row + part) * shape.inner + first + x;
            left[(y + part) * 16u + x] = select(0.0, a[place], row + part < shape.rows && first + x < shape.inner);
        }
        for (var part = 0u; part < 64u; part += 16u) {
            let place = (first + y) * shape.columns + column + part;
            right[y * 64u + x + part] = select(0.0, b[place], column + part < shape.columns && first + y < shape.inner);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            let at = k * 64u + x;
            let beside = vec4f(right[at], right[at + 16u], right[at + 32u], right[at + 48u]);
            sum0 += left[y * 16u + k] * beside;
            sum1 += left[(y + 16u) * 16u + k] * beside;
            sum2 += left[(y + 32u) * 16u + k] * beside;
            sum3 += left[(y + 48u) * 16u + k] * beside;
        }
        workgroupBarrier();
    }
    put(row, column, sum0);
    put(row + 16u, column, sum1);
    put(row + 32u, column, sum2);
    put(row + 48u, column, sum3);
}
