// One number of many: a workgroup makes one of 4,096 numbers, `combine` and `absent` stand in the other half of the shader. More than 4,096 numbers
// take several rounds, each on what the one before left.
//
// Order: invocation i of 256 begins with x[i] of its 4,096 and combines x[i + 256], x[i + 512], …, x[i + 3840] into it, one after the other.
// Then the 256 become 128, 64, …, 1: in each step, i takes combine(s[i], s[i + half]). What is not there is absent(first of the 4,096).
// None of it depends on how many workgroups run, or when.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> count: vec4u;

var<workgroup> s: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3u) {
    let base = group.x * 4096u;
    let fill = absent(x[base]);
    var own = select(fill, x[base + i], base + i < count.x);
    for (var at = 256u; at < 4096u; at += 256u) {
        let place = base + at + i;
        own = combine(own, select(fill, x[place], place < count.x));
    }
    s[i] = own;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if (i < half) {
            s[i] = combine(s[i], s[i + half]);
        }
        workgroupBarrier();
    }
    if (i == 0u) {
        y[group.x] = s[0];
    }
}
