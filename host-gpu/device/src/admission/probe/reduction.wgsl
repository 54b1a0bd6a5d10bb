// Sums in the order of a tree, of subnormals too; workgroup memory begins with zeros.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
var<workgroup> sums: array<f32, 256>;
var<workgroup> untouched: array<u32, 16>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) at: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let word = input[group.x * 256u + at];
    sums[at] = bitcast<f32>(select(word & 0x80ffffffu, (word & 0x80ffffffu) | 0x3f000000u, group.x % 2u == 0u));
    workgroupBarrier();
    for (var step = 128u; step > 0u; step /= 2u) {
        if (at < step) {
            sums[at] += sums[at + step];
        }
        workgroupBarrier();
    }
    output[group.x * 256u + at] = bitcast<u32>(sums[at]) ^ untouched[at % 16u] ^ groups.x;
}
