// What is where `stores.wgsl` put something, and how large the texture is.
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;
@group(0) @binding(2) var texels: KIND<FORMAT, read>;

@compute @workgroup_size(17, 9)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let index = id.x + 34u * (id.y + 18u * id.z);
    let at = vec3i(id) - 1;
    let size = textureDimensions(texels);
    output[index] = bitcast<vec4<u32>>(textureLoad(texels, PLACE)) ^ vec4(size.x << 8u, size.y << 16u, index, 0u);
}
