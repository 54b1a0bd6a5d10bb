// Invocations of a workgroup read each other's texels, between barriers.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;
@group(0) @binding(2) var texels: texture_storage_2d<r32float, read_write>;

@compute @workgroup_size(16, 8)
fn main(
    @builtin(local_invocation_id) id: vec3u,
    @builtin(local_invocation_index) index: u32,
    @builtin(workgroup_id) group: vec3u,
) {
    let first = vec2(16u * group.x, 8u * group.y);
    let place = index + 128u * (group.x + 2u * group.y);
    textureStore(texels, first + id.xy, vec4(bitcast<f32>(input[3u * place])));
    textureBarrier();
    let other = textureLoad(texels, first + (id.xy ^ vec2(5u, 3u)));
    textureBarrier();
    textureStore(texels, first + vec2(15u - id.x, id.y), other + f32(index));
    textureBarrier();
    output[place] = bitcast<vec4<u32>>(vec4(textureLoad(texels, first + id.xy).xw, other.xy));
}
