// More turns than some drivers let a loop have, whose number no compiler can know.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) at: u32) {
    var turns = 0u;
    while (turns != 70000u) {
        turns += 1u + input[0];
    }
    output[at] = turns;
}
