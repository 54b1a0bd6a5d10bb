// An image with a filter of 5 × 5; beyond an edge stands what stands at it.
@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<uniform> size: vec4i;

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let x = i32(id.x);
    let y = i32(id.y);
    if (x >= size.x || y >= size.y) {
        return;
    }
    var sum = 0.0;
    for (var v = 0; v < 5; v++) {
        let row = clamp(y + v - 2, 0, size.y - 1);
        for (var u = 0; u < 5; u++) {
            let column = clamp(x + u - 2, 0, size.x - 1);
            sum += image[row * size.x + column] * weights[v * 5 + u];
        }
    }
    result[y * size.x + x] = sum;
}
