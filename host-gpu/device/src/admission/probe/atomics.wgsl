// What does not hang on the order in which invocations come: sums, least and greatest, bits, and how often a value was exchanged.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<atomic<u32>>;
var<workgroup> local: array<atomic<i32>, 8>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) at: u32) {
    let word = input[id.x];
    atomicAdd(&output[at], word);
    atomicMax(&output[256u + at], word);
    atomicXor(&output[512u + at], word);
    atomicOr(&output[768u + at], word & 0xffu);
    atomicSub(&output[1024u + at % 3u], 1u);
    atomicMin(&local[at % 8u], bitcast<i32>(word));
    workgroupBarrier();
    atomicAdd(&output[1280u + id.x / 4u], bitcast<u32>(atomicLoad(&local[at % 8u])));
    // Nothing is there.
    atomicAdd(&output[word | 0x80000000u], 1u);
}
