// SHA-256 of 32 bytes, and of that digest, and so on: `rounds` times, for each invocation.
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
// Messages, rounds.
@group(0) @binding(2) var<uniform> size: vec4u;
@group(0) @binding(3) var<storage, read> constants: array<u32>;

fn turn(x: u32, by: u32) -> u32 {
    return (x >> by) | (x << (32u - by));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= size.x) {
        return;
    }
    var digest: array<u32, 8>;
    for (var n = 0u; n < 8u; n++) {
        digest[n] = x[id.x * 8u + n];
    }
    for (var round = 0u; round < size.y; round++) {
        var w: array<u32, 16>;
        for (var n = 0u; n < 8u; n++) {
            w[n] = digest[n];
            w[n + 8u] = 0u;
        }
        w[8] = 0x80000000u;
        w[15] = 256u;
        digest = array<u32, 8>(
            0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
        );
        var a = digest[0];
        var b = digest[1];
        var c = digest[2];
        var d = digest[3];
        var e = digest[4];
        var f = digest[5];
        var g = digest[6];
        var h = digest[7];
        for (var n = 0u; n < 64u; n++) {
            if (n >= 16u) {
                let one = w[(n + 1u) & 15u];
                let two = w[(n + 14u) & 15u];
                let s0 = turn(one, 7u) ^ turn(one, 18u) ^ (one >> 3u);
                let s1 = turn(two, 17u) ^ turn(two, 19u) ^ (two >> 10u);
                w[n & 15u] += s0 + w[(n + 9u) & 15u] + s1;
            }
            let t1 = h + (turn(e, 6u) ^ turn(e, 11u) ^ turn(e, 25u)) + ((e & f) ^ (~e & g)) + constants[n] + w[n & 15u];
            let t2 = (turn(a, 2u) ^ turn(a, 13u) ^ turn(a, 22u)) + ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
        digest[0] += a;
        digest[1] += b;
        digest[2] += c;
        digest[3] += d;
        digest[4] += e;
        digest[5] += f;
        digest[6] += g;
        digest[7] += h;
    }
    for (var n = 0u; n < 8u; n++) {
        y[id.x * 8u + n] = digest[n];
    }
}
