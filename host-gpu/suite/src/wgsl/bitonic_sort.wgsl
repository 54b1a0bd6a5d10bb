// Sorts each 1,024 words in a workgroup.
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

var<workgroup> s: array<u32, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u) {
    let base = group.x * 1024u;
    for (var at = i; at < 1024u; at += 256u) {
        s[at] = x[base + at];
    }
    workgroupBarrier();
    for (var length = 2u; length <= 1024u; length <<= 1u) {
        for (var apart = length >> 1u; apart > 0u; apart >>= 1u) {
            for (var pair = i; pair < 512u; pair += 256u) {
                let j = pair & (apart - 1u);
                let low = (pair - j) * 2u + j;
                let a = s[low];
                let b = s[low + apart];
                if ((a > b) == ((low & length) == 0u)) {
                    s[low] = b;
                    s[low + apart] = a;
                }
            }
            workgroupBarrier();
        }
    }
    for (var at = i; at < 1024u; at += 256u) {
        y[base + at] = s[at];
    }
}
