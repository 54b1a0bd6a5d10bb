// A · Bᵀ of signed bytes, four in a word, the first in the lowest byte. A has `rows` rows of `words` words; B has a row for each column of the product,
// also of `words` words: what is multiplied lies side by side in both.
//
// Sums are of i32 and wrap; integer sums do not depend on their order. Up to 2^17 bytes in a row none can wrap.
//
// A workgroup of 16 × 16 makes 64 × 64 elements, an invocation 4 × 4 of them, 16 apart. `put` stands in the other half of the shader.
struct Shape {
    rows: u32,
    columns: u32,
    words: u32,
}
@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<uniform> shape: Shape;

// 64 rows of 16; and 16 rows of 64, turned. A row of 65 keeps what one workgroup stores at a time in different banks.
var<workgroup> left: array<u32, 1024>;
var<workgroup> right: array<u32, 1040>;

fn put4(row: u32, column: u32, sums: vec4i) {
    if (row < shape.rows) {
        if (column < shape.columns) { put(row, column, sums.x); }
        if (column + 16u < shape.columns) { put(row, column + 16u, sums.y); }
        if (column + 32u < shape.columns) { put(row, column + 32u, sums.z); }
        if (column + 48u < shape.columns) { put(row, column + 48u, sums.w); }
    }
}

fn dots(one: u32, beside: vec4u) -> vec4i {
    return vec4i(
        dot4I8Packed(one, beside.x), dot4I8Packed(one, beside.y), dot4I8Packed(one, beside.z), dot4I8Packed(one, beside.w),
    );
}

@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
    let row = group.y * 64u + local.y;
    let column = group.x * 64u + local.x;
    let x = local.x;
    let y = local.y;
    var sum0 = vec4i();
    var sum1 = vec4i();
    var sum2 = vec4i();
    var sum3 = vec4i();
    for (var first = 0u; first < shape.words; first += 16u) {
        for (var part = 0u; part < 64u; part += 16u) {
            let place = (row + part) * shape.words + first + x;
            left[(y + part) * 16u + x] = select(0u, a[place], row + part < shape.rows && first + x < shape.words);
        }
        for (var part = 0u; part < 64u; part += 16u) {
            let which = group.x * 64u + y + part;
            let place = which * shape.words + first + x;
            right[x * 65u + y + part] = select(0u, b[place], which < shape.columns && first + x < shape.words);
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            let at = k * 65u + x;
            let beside = vec4u(right[at], right[at + 16u], right[at + 32u], right[at + 48u]);
            sum0 += dots(left[y * 16u + k], beside);
            sum1 += dots(left[(y + 16u) * 16u + k], beside);
            sum2 += dots(left[(y + 32u) * 16u + k], beside);
            sum3 += dots(left[(y + 48u) * 16u + k], beside);
        }
        workgroupBarrier();
    }
    put4(row, column, sum0);
    put4(row + 16u, column, sum1);
    put4(row + 32u, column, sum2);
    put4(row + 48u, column, sum3);
}
