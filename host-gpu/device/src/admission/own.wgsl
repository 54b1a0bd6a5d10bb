// Holds a device's own square roots against the library's, which stand above: TURNS numbers by each invocation, from `first` on.
@group(0) @binding(0) var<storage> first: u32;
// How many invocations found a root that differs, and the least number, as bits, whose root does.
@group(0) @binding(1) var<storage, read_write> differing: array<atomic<u32>, 2>;

fn own(x: f32) -> f32 {
    return sqrt(x);
}

@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    let begin = first + (id.x + id.y * ROWu) * TURNSu;
    var least = 0u;
    var found = false;
    for (var turn = TURNSu; turn > 0u; turn--) {
        let bits = begin + (turn - 1u);
        let x = bitcast<f32>(bits);
        // NaN as shaders show them.
        if bitcast<u32>(own(x)) != bitcast<u32>(fizz_sqrt(x)) {
            least = bits;
            found = true;
        }
    }
    if found {
        atomicAdd(&differing[0], 1u);
        atomicMin(&differing[1], least);
    }
}
