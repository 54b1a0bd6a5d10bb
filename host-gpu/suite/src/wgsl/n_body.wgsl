// Gravity on each of many bodies (place and mass), 256 of them at a time in workgroup memory.
@group(0) @binding(0) var<storage, read> bodies: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> pull: array<vec4f>;
@group(0) @binding(2) var<uniform> size: vec4u;

var<workgroup> near: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) i: u32,
) {
    let own = bodies[id.x];
    var sum = vec3f();
    for (var first = 0u; first < size.x; first += 256u) {
        near[i] = bodies[first + i];
        workgroupBarrier();
        for (var k = 0u; k < 256u; k++) {
            let other = near[k];
            let d = other.xyz - own.xyz;
            let square = d.x * d.x + d.y * d.y + d.z * d.z + 0.01;
            let force = other.w / (square * sqrt(square));
            sum += d * force;
        }
        workgroupBarrier();
    }
    pull[id.x] = vec4f(sum, own.w);
}
