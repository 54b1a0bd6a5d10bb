// What does not hang on the order in which invocations come. OPERATION is one of those of integers.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) at: u32) {
    let word = input[id.x];
    OPERATION(&output[at], word);
    OPERATION(&output[256u + id.x / 3u], word ^ id.x);
    // Nothing is there.
    OPERATION(&output[word | 0x80000000u], word);
}
