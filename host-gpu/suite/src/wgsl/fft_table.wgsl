// Fourier transforms of 1,024 points, one in each workgroup, by halves; the turns come from a table.
@group(0) @binding(0) var<storage, read> x: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec2f>;
@group(0) @binding(2) var<storage, read> turns: array<vec2f>;

// exp(−πi · j / half), from the 512 of half = 512.
fn turn(j: u32, half: u32) -> vec2f {
    return turns[j * (512u / half)];
}

var<workgroup> s: array<vec2f, 1024>;

fn times(a: vec2f, b: vec2f) -> vec2f {
    return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u) {
    let base = group.x * 1024u;
    for (var at = i; at < 1024u; at += 256u) {
        s[reverseBits(at) >> 22u] = x[base + at];
    }
    workgroupBarrier();
    for (var half = 1u; half < 1024u; half <<= 1u) {
        for (var b = i; b < 512u; b += 256u) {
            let j = b & (half - 1u);
            let low = (b - j) * 2u + j;
            let left = s[low];
            let right = times(turn(j, half), s[low + half]);
            s[low] = left + right;
            s[low + half] = left - right;
        }
        workgroupBarrier();
    }
    for (var at = i; at < 1024u; at += 256u) {
        y[base + at] = s[at];
    }
}
