// What webgpu.h promises of texels: every format, and copies and uploads of every shape.
#include "textures.h"

static const struct {
    WGPUTextureFormat format;
    const char *name;
    // u, i or f: what the shader stores, which is (1, 2, 3, 4), (-1, 2, -3, 4), or (1, 0, -1, 1).
    char type;
    uint32_t bytes;
    uint32_t texel[4];
} formats[] = {
    {WGPUTextureFormat_R32Uint, "r32uint", 'u', 4, {1}},
    {WGPUTextureFormat_R32Sint, "r32sint", 'i', 4, {-1}},
    {WGPUTextureFormat_R32Float, "r32float", 'f', 4, {0x3f800000}},
    {WGPUTextureFormat_RGBA8Unorm, "rgba8unorm", 'f', 4, {0xff0000ff}},
    {WGPUTextureFormat_RGBA8Snorm, "rgba8snorm", 'f', 4, {0x7f81007f}},
    {WGPUTextureFormat_RGBA8Uint, "rgba8uint", 'u', 4, {0x04030201}},
    {WGPUTextureFormat_RGBA8Sint, "rgba8sint", 'i', 4, {0x04fd02ff}},
    {WGPUTextureFormat_RG32Uint, "rg32uint", 'u', 8, {1, 2}},
    {WGPUTextureFormat_RG32Sint, "rg32sint", 'i', 8, {-1, 2}},
    {WGPUTextureFormat_RG32Float, "rg32float", 'f', 8, {0x3f800000, 0}},
    {WGPUTextureFormat_RGBA16Uint, "rgba16uint", 'u', 8, {0x00020001, 0x00040003}},
    {WGPUTextureFormat_RGBA16Sint, "rgba16sint", 'i', 8, {0x0002ffff, 0x0004fffd}},
    {WGPUTextureFormat_RGBA16Float, "rgba16float", 'f', 8, {0x00003c00, 0x3c00bc00}},
    {WGPUTextureFormat_RGBA32Uint, "rgba32uint", 'u', 16, {1, 2, 3, 4}},
    {WGPUTextureFormat_RGBA32Sint, "rgba32sint", 'i', 16, {-1, 2, -3, 4}},
    {WGPUTextureFormat_RGBA32Float, "rgba32float", 'f', 16, {0x3f800000, 0, 0xbf800000, 0x3f800000}},
};

// One texel of each is stored by a shader, beside those that were put there.
static void every_format(const Gpu *gpu) {
    for (size_t at = 0; at < sizeof formats / sizeof *formats; at++) {
        uint32_t bytes = formats[at].bytes;
        WGPUTexture made = make_texture(gpu, formats[at].format, WGPUTextureDimension_2D, 3, 2, 1, 1);
        MUST(wgpuTextureGetFormat(made) == formats[at].format);
        // No exponent of a float is all ones, so that there are no NaNs.
        uint8_t put[6 * 16], found[6 * 16];
        for (uint32_t byte = 0; byte < sizeof put; byte++) {
            put[byte] = (uint8_t)(byte * 7 % 96);
        }
        WGPUTexelCopyTextureInfo into = {made, 0, {0, 0, 0}, WGPUTextureAspect_All};
        WGPUTexelCopyBufferLayout layout = {0, 3 * bytes, 2};
        WGPUExtent3D size = {3, 2, 1};
        wgpuQueueWriteTexture(gpu->queue, &into, put, 6 * bytes, &layout, &size);
        char wgsl[400];
        const char *value = formats[at].type == 'u'   ? "vec4u(1, 2, 3, 4)"
                            : formats[at].type == 'i' ? "vec4i(-1, 2, -3, 4)"
                                                      : "vec4f(1, 0, -1, 1)";
        snprintf(wgsl, sizeof wgsl,
            "@group(0) @binding(0) var made: texture_storage_2d<%s, write>;\n"
            "@compute @workgroup_size(1) fn main() { textureStore(made, vec2u(1, 1), %s); }\n",
            formats[at].name, value);
        WGPUComputePipeline pipeline = make_pipeline(gpu, wgsl);
        WGPUBindGroupLayout layout_of = wgpuComputePipelineGetBindGroupLayout(pipeline, 0);
        WGPUTextureView view = wgpuTextureCreateView(made, NULL);
        WGPUBindGroup group = bind_views(gpu, layout_of, 1, &view);
        dispatch(gpu, pipeline, group, 1);
        memcpy(put + 4 * bytes, formats[at].texel, bytes);
        download(gpu, made, 0, bytes, found);
        MUST(memcmp(put, found, 6 * bytes) == 0);
        wgpuBindGroupRelease(group);
        wgpuTextureViewRelease(view);
        wgpuBindGroupLayoutRelease(layout_of);
        wgpuComputePipelineRelease(pipeline);
        wgpuTextureRelease(made);
    }
}

static uint32_t pattern(uint32_t x, uint32_t y, uint32_t z) {
    return (x * 2654435761u) ^ (y * 40503u) ^ (z << 28);
}

// A write of a part of a level: what is in it, and that nothing beside it changed.
static void write_part(const Gpu *gpu, WGPUTexture texture, uint32_t level, WGPUOrigin3D origin, WGPUExtent3D size,
    WGPUTexelCopyBufferLayout layout) {
    WGPUExtent3D held = level_size(texture, level);
    size_t texels = (size_t)held.width * held.height * held.depthOrArrayLayers;
    uint32_t *expected = malloc(texels * 4), *found = malloc(texels * 4);
    download(gpu, texture, level, 4, expected);
    uint64_t row = layout.bytesPerRow == WGPU_COPY_STRIDE_UNDEFINED ? 0 : layout.bytesPerRow;
    uint64_t rows = layout.rowsPerImage == WGPU_COPY_STRIDE_UNDEFINED ? 0 : layout.rowsPerImage;
    size_t bytes = layout.offset + (rows * (size.depthOrArrayLayers - 1) + size.height - 1) * row + size.width * 4;
    uint8_t *data = malloc(bytes);
    memset(data, 0xee, bytes);
    for (uint32_t z = 0; z < size.depthOrArrayLayers; z++) {
        for (uint32_t y = 0; y < size.height; y++) {
            for (uint32_t x = 0; x < size.width; x++) {
                uint32_t value = pattern(x, y, z) + level;
                memcpy(data + layout.offset + (z * rows + y) * row + x * 4, &value, 4);
                size_t line = (size_t)(origin.z + z) * held.height + origin.y + y;
                expected[line * held.width + origin.x + x] = value;
            }
        }
    }
    WGPUTexelCopyTextureInfo into = {texture, level, origin, WGPUTextureAspect_All};
    // The data needs no more than its last row.
    wgpuQueueWriteTexture(gpu->queue, &into, data, bytes, &layout, &size);
    memset(data, 0xdd, bytes);
    free(data);
    download(gpu, texture, level, 4, found);
    MUST(memcmp(expected, found, texels * 4) == 0);
    free(expected);
    free(found);
}

static void writes(const Gpu *gpu) {
    typedef WGPUOrigin3D At;
    typedef WGPUExtent3D Size;
    typedef WGPUTexelCopyBufferLayout Layout;
    const uint32_t none = WGPU_COPY_STRIDE_UNDEFINED;
    WGPUTexture flat = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, 130, 21, 3, 5);
    MUST(wgpuTextureGetMipLevelCount(flat) == 5 && wgpuTextureGetSampleCount(flat) == 1);
    write_part(gpu, flat, 0, (At){0, 0, 0}, (Size){130, 21, 3}, (Layout){0, 520, 21});
    write_part(gpu, flat, 0, (At){7, 3, 1}, (Size){65, 5, 2}, (Layout){13, 301, 9});
    write_part(gpu, flat, 0, (At){129, 20, 2}, (Size){1, 1, 1}, (Layout){5, none, none});
    write_part(gpu, flat, 2, (At){1, 2, 0}, (Size){31, 3, 3}, (Layout){0, 124, 3});
    write_part(gpu, flat, 4, (At){0, 0, 2}, (Size){8, 1, 1}, (Layout){0, 32, 1});
    // Nothing at all, wherever it lies in the data.
    WGPUTexelCopyTextureInfo into = {flat, 0, {130, 0, 0}, WGPUTextureAspect_Undefined};
    WGPUTexelCopyBufferLayout layout = {0, none, none};
    wgpuQueueWriteTexture(gpu->queue, &into, NULL, 0, &layout, &(Size){0, 1, 1});
    wgpuTextureRelease(flat);
    WGPUTexture deep = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_3D, 10, 9, 8, 3);
    write_part(gpu, deep, 0, (At){1, 2, 3}, (Size){9, 4, 5}, (Layout){8, 40, 11});
    write_part(gpu, deep, 1, (At){0, 1, 1}, (Size){5, 3, 3}, (Layout){0, 20, 3});
    wgpuTextureRelease(deep);
    // In more than one piece, the last of which is smaller.
    WGPUTexture large = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, 700, 900, 1, 1);
    write_part(gpu, large, 0, (At){0, 0, 0}, (Size){700, 900, 1}, (Layout){3, 2801, none});
    wgpuTextureRelease(large);
    WGPUTexture line = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_1D, 8192, 1, 1, 1);
    write_part(gpu, line, 0, (At){1, 0, 0}, (Size){8191, 1, 1}, (Layout){0, none, none});
    wgpuTextureRelease(line);
}

// From a buffer into slices, from there into layers, and from them into a buffer again, each time at another place.
static void copies(const Gpu *gpu) {
    enum { ROW = 64, ROWS = 5, WORDS = 3 + ROW * ROWS * 3 };
    static uint32_t words[WORDS], found[WORDS];
    for (uint32_t at = 0; at < WORDS; at++) {
        words[at] = at + 1;
    }
    WGPUBuffer from = make_buffer(gpu, STORAGE, sizeof words), to = make_buffer(gpu, STORAGE, sizeof words);
    wgpuQueueWriteBuffer(gpu->queue, from, 0, words, sizeof words);
    WGPUTexture deep = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_3D, 20, 10, 6, 1);
    WGPUTexture layered = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, 30, 8, 5, 1);
    WGPUExtent3D size = {17, 4, 3};
    WGPUTexelCopyBufferInfo source = {{12, ROW * 4, ROWS}, from}, target = {{8, ROW * 4, ROWS}, to};
    WGPUTexelCopyTextureInfo slices = {deep, 0, {2, 5, 1}, WGPUTextureAspect_All};
    WGPUTexelCopyTextureInfo layers = {layered, 0, {11, 3, 2}, WGPUTextureAspect_All};
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderCopyBufferToTexture(encoder, &source, &slices, &size);
    wgpuCommandEncoderCopyTextureToTexture(encoder, &slices, &layers, &size);
    wgpuCommandEncoderCopyTextureToBuffer(encoder, &layers, &target, &size);
    // One row needs no strides.
    WGPUExtent3D one = {5, 1, 1};
    WGPUTexelCopyBufferInfo last = {WGPU_TEXEL_COPY_BUFFER_LAYOUT_INIT, to};
    last.layout.offset = (WORDS - 5) * 4;
    wgpuCommandEncoderCopyTextureToBuffer(encoder, &slices, &last, &one);
    wgpuTextureRelease(deep);
    wgpuBufferRelease(from);
    submit(gpu, encoder);
    read_words(gpu, to, WORDS, found);
    for (uint32_t at = 0; at < WORDS; at++) {
        uint32_t texel = at - 2, x = texel % ROW, y = texel / ROW % ROWS;
        uint32_t expected = at >= 2 && x < 17 && y < 4 && texel / ROW / ROWS < 3 ? words[at + 1] : 0;
        MUST(found[at] == (at >= WORDS - 5 ? words[3 + at - (WORDS - 5)] : expected));
    }
    wgpuTextureRelease(layered);
    wgpuBufferRelease(to);
}

int main(void) {
    Gpu gpu = connect_gpu();
    every_format(&gpu);
    writes(&gpu);
    copies(&gpu);
    MUST(uncaught == 0);
    disconnect(&gpu);
    puts("all as promised");
    return 0;
}
