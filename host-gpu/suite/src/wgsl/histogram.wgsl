// How often each of 256 values stands in the highest bytes of words.
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&x)) {
        atomicAdd(&bins[x[id.x] >> 24u], 1u);
    }
}
