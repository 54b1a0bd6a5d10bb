// Texels of a format, and one more on each side of what there is.
@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(2) var texels: KIND<FORMAT, write>;

@compute @workgroup_size(17, 9)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let index = id.x + 34u * (id.y + 18u * id.z);
    let at = vec3i(id) - 1;
    let x = bitcast<f32>(input[3u * index]);
    let y = bitcast<f32>(input[3u * index + 1u]);
    let z = bitcast<f32>(input[3u * index + 2u]);
    textureStore(texels, PLACE, vec4(x, y, z, f32(index) / 3060.0));
}
