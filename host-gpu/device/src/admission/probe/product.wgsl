// A product of two matrices in tiles: 64 x 64, through workgroup memory.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
const SIDE: u32 = 64u;
const TILE: u32 = 16u;
var<workgroup> left: array<array<f32, TILE>, TILE>;
var<workgroup> right: array<array<f32, TILE>, TILE>;

// Bits as a number from 0.5 to 2 with a sign: nothing that all the rest disappears in.
fn element(at: u32) -> f32 {
    return bitcast<f32>((input[at] & 0x80ffffffu) | 0x3f000000u);
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let row = (group.x / 4u) * TILE + local.y;
    let column = (group.x % 4u) * TILE + local.x;
    var sum = 0.0;
    for (var tile = 0u; tile < SIDE; tile += TILE) {
        left[local.y][local.x] = element(row * SIDE + tile + local.x);
        right[local.y][local.x] = element(4096u + (tile + local.y) * SIDE + column);
        workgroupBarrier();
        for (var k = 0u; k < TILE; k++) {
            sum += left[local.y][k] * right[k][local.x];
        }
        workgroupBarrier();
    }
    output[row * SIDE + column] = bitcast<u32>(sum);
}
