// What webgpu.h promises of textures: an image is blurred, every dimension, copies and uploads of every shape.
#include "textures.h"

// Odd, so that rows lie otherwise in textures, buffers and this program.
enum { WIDTH = 100, HEIGHT = 37 };

// A sum of three texels in a row or a column, in place of a mean, so that there is nothing to round.
static const char BLUR[] =
    "@group(0) @binding(0) var input: texture_storage_2d<r32uint, read>;\n"
    "@group(0) @binding(1) var output: texture_storage_2d<r32uint, write>;\n"
    "override step_x: i32; override step_y: i32;\n"
    "@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
    "    let size = textureDimensions(input);\n"
    "    if (any(id.xy >= size)) { return; }\n"
    "    var sum = vec4u();\n"
    "    for (var i = -1; i <= 1; i++) {\n"
    "        let at = vec2i(id.xy) + i * vec2i(step_x, step_y);\n"
    "        sum += textureLoad(input, clamp(at, vec2i(0), vec2i(size) - 1));\n"
    "    }\n"
    "    textureStore(output, id.xy, sum);\n"
    "}\n";

// The same on the processor.
static void blurred(const uint32_t *from, uint32_t *into, int step_x, int step_y) {
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            uint32_t sum = 0;
            for (int i = -1; i <= 1; i++) {
                int at_x = x + i * step_x, at_y = y + i * step_y;
                at_x = at_x < 0 ? 0 : at_x < WIDTH ? at_x : WIDTH - 1;
                at_y = at_y < 0 ? 0 : at_y < HEIGHT ? at_y : HEIGHT - 1;
                sum += from[at_y * WIDTH + at_x];
            }
            into[y * WIDTH + x] = sum;
        }
    }
}

// With explicit layouts, so that what they say of textures is looked at.
static void blur(const Gpu *gpu) {
    WGPUTexture textures[2];
    WGPUTextureView views[2];
    for (int at = 0; at < 2; at++) {
        textures[at] = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, WIDTH, HEIGHT, 1, 1);
        views[at] = wgpuTextureCreateView(textures[at], NULL);
    }
    static uint32_t image[WIDTH * HEIGHT], across[WIDTH * HEIGHT], expected[WIDTH * HEIGHT], found[WIDTH * HEIGHT];
    for (uint32_t at = 0; at < WIDTH * HEIGHT; at++) {
        image[at] = at * 2654435761u >> 24;
    }
    upload(gpu, textures[0], 0, image, WIDTH * 4, HEIGHT);
    WGPUBindGroupLayoutEntry entries[2] = {WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT, WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT};
    entries[0].visibility = entries[1].visibility = WGPUShaderStage_Compute;
    entries[0].storageTexture.access = WGPUStorageTextureAccess_ReadOnly;
    entries[0].storageTexture.format = WGPUTextureFormat_R32Uint;
    entries[0].storageTexture.viewDimension = WGPUTextureViewDimension_2D;
    // What is not said is that it is written, and flat.
    entries[1].binding = 1;
    entries[1].storageTexture = (WGPUStorageTextureBindingLayout)WGPU_STORAGE_TEXTURE_BINDING_LAYOUT_INIT;
    entries[1].storageTexture.format = WGPUTextureFormat_R32Uint;
    WGPUBindGroupLayoutDescriptor wanted_group = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
    wanted_group.entryCount = 2;
    wanted_group.entries = entries;
    WGPUBindGroupLayout group_layout = wgpuDeviceCreateBindGroupLayout(gpu->device, &wanted_group);
    WGPUPipelineLayoutDescriptor wanted_layout = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
    wanted_layout.bindGroupLayoutCount = 1;
    wanted_layout.bindGroupLayouts = &group_layout;
    WGPUPipelineLayout layout = wgpuDeviceCreatePipelineLayout(gpu->device, &wanted_layout);
    WGPUShaderModule shader = make_shader(gpu, BLUR);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    for (int step = 0; step < 2; step++) {
        WGPUConstantEntry constants[2] = {{NULL, text("step_x"), step == 0}, {NULL, text("step_y"), step == 1}};
        WGPUComputePipelineDescriptor wanted = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
        wanted.layout = layout;
        wanted.compute.module = shader;
        wanted.compute.constantCount = 2;
        wanted.compute.constants = constants;
        WGPUComputePipeline pipeline = wgpuDeviceCreateComputePipeline(gpu->device, &wanted);
        WGPUBindGroup group = bind_views(gpu, group_layout, 2, (WGPUTextureView[]){views[step], views[!step]});
        wgpuComputePassEncoderSetPipeline(pass, pipeline);
        wgpuComputePassEncoderSetBindGroup(pass, 0, group, 0, NULL);
        wgpuComputePassEncoderDispatchWorkgroups(pass, (WIDTH + 7) / 8, (HEIGHT + 7) / 8, 1);
        wgpuBindGroupRelease(group);
        wgpuComputePipelineRelease(pipeline);
    }
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    // Nothing that the commands use need be kept.
    for (int at = 0; at < 2; at++) {
        wgpuTextureViewRelease(views[at]);
    }
    wgpuTextureRelease(textures[1]);
    wgpuShaderModuleRelease(shader);
    wgpuPipelineLayoutRelease(layout);
    wgpuBindGroupLayoutRelease(group_layout);
    submit(gpu, encoder);
    download(gpu, textures[0], 0, 4, found);
    blurred(image, across, 1, 0);
    blurred(across, expected, 0, 1);
    MUST(memcmp(found, expected, sizeof found) == 0);
    wgpuTextureRelease(textures[0]);
}

// Each texel of a level is the largest of four of the one above.
static const char HALVE[] =
    "@group(0) @binding(0) var input: texture_storage_2d<r32uint, read>;\n"
    "@group(0) @binding(1) var output: texture_storage_2d<r32uint, write>;\n"
    "@compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
    "    if (any(id.xy >= textureDimensions(output))) { return; }\n"
    "    var most = 0u;\n"
    "    for (var i = 0u; i < 4u; i++) {\n"
    "        most = max(most, textureLoad(input, 2 * id.xy + vec2u(i & 1u, i >> 1u)).x);\n"
    "    }\n"
    "    textureStore(output, id.xy, vec4u(most));\n"
    "}\n";

static void levels(const Gpu *gpu) {
    enum { LEVELS = 4 };
    WGPUTexture made = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, 64, 32, 1, LEVELS);
    uint32_t words[64 * 32];
    for (uint32_t at = 0; at < 64 * 32; at++) {
        words[at] = at;
    }
    upload(gpu, made, 0, words, 64 * 4, 32);
    WGPUComputePipeline pipeline = make_pipeline(gpu, HALVE);
    WGPUBindGroupLayout layout = wgpuComputePipelineGetBindGroupLayout(pipeline, 0);
    for (uint32_t level = 1; level < LEVELS; level++) {
        WGPUTextureView views[2];
        for (uint32_t at = 0; at < 2; at++) {
            WGPUTextureViewDescriptor wanted = WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT;
            wanted.label = text("level");
            wanted.baseMipLevel = level - 1 + at;
            wanted.mipLevelCount = 1;
            wanted.usage = WGPUTextureUsage_StorageBinding;
            wanted.format = WGPUTextureFormat_R32Uint;
            wanted.aspect = WGPUTextureAspect_All;
            views[at] = wgpuTextureCreateView(made, &wanted);
        }
        WGPUBindGroup group = bind_views(gpu, layout, 2, views);
        dispatch_xyz(gpu, pipeline, group, ((64u >> level) + 7) / 8, ((32u >> level) + 7) / 8, 1);
        wgpuBindGroupRelease(group);
        wgpuTextureViewRelease(views[0]);
        wgpuTextureViewRelease(views[1]);
    }
    for (uint32_t level = 1; level < LEVELS; level++) {
        uint32_t found[32 * 16], width = 64 >> level, size = 1 << level;
        download(gpu, made, level, 4, found);
        for (uint32_t y = 0; y < 32u >> level; y++) {
            for (uint32_t x = 0; x < width; x++) {
                MUST(found[y * width + x] == (size * y + size - 1) * 64 + size * x + size - 1);
            }
        }
    }
    // A part of one level, in the middle of a texture of its own that holds zeros elsewhere.
    WGPUTexture part = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, 8, 4, 1, 1);
    WGPUTexelCopyTextureInfo from = {made, 1, {8, 4, 0}, WGPUTextureAspect_All}, into = {part, 0, {2, 1, 0}, 0};
    WGPUExtent3D size = {5, 2, 1};
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderCopyTextureToTexture(encoder, &from, &into, &size);
    submit(gpu, encoder);
    uint32_t found[8 * 4];
    download(gpu, part, 0, 4, found);
    for (uint32_t y = 0; y < 4; y++) {
        for (uint32_t x = 0; x < 8; x++) {
            bool inside = x >= 2 && x < 7 && y >= 1 && y < 3;
            uint32_t at_x = 2 * (x - 2 + 8) + 1, at_y = 2 * (y - 1 + 4) + 1;
            MUST(found[y * 8 + x] == (inside ? at_y * 64 + at_x : 0));
        }
    }
    wgpuBindGroupLayoutRelease(layout);
    wgpuComputePipelineRelease(pipeline);
    wgpuTextureRelease(part);
    wgpuTextureRelease(made);
}

// Each texel says where it is, in textures of every dimension.
static void dimensions(const Gpu *gpu) {
    static const struct {
        WGPUTextureDimension dimension;
        WGPUExtent3D size;
        WGPUTextureViewDimension view;
        const char *shader;
    } all[] = {
        {WGPUTextureDimension_1D, {23, 1, 1}, WGPUTextureViewDimension_1D,
            "@group(0) @binding(0) var made: texture_storage_1d<rg32uint, write>;\n"
            "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {\n"
            "    textureStore(made, id.x, vec4u(id.x + 1000 * id.y, id.z, 0, 0));\n"
            "}\n"},
        {WGPUTextureDimension_2D, {9, 5, 1}, WGPUTextureViewDimension_2D,
            "@group(0) @binding(0) var made: texture_storage_2d<rg32uint, write>;\n"
            "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {\n"
            "    textureStore(made, id.xy, vec4u(id.x + 1000 * id.y, id.z, 0, 0));\n"
            "}\n"},
        {WGPUTextureDimension_2D, {6, 5, 4}, WGPUTextureViewDimension_2DArray,
            "@group(0) @binding(0) var made: texture_storage_2d_array<rg32uint, write>;\n"
            "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {\n"
            "    textureStore(made, id.xy, id.z, vec4u(id.x + 1000 * id.y, id.z, 0, 0));\n"
            "}\n"},
        {WGPUTextureDimension_3D, {5, 6, 7}, WGPUTextureViewDimension_3D,
            "@group(0) @binding(0) var made: texture_storage_3d<rg32uint, write>;\n"
            "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {\n"
            "    textureStore(made, id, vec4u(id.x + 1000 * id.y, id.z, 0, 0));\n"
            "}\n"},
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++) {
        WGPUExtent3D size = all[at].size;
        WGPUTexture made = make_texture(gpu, WGPUTextureFormat_RG32Uint, all[at].dimension, size.width, size.height,
            size.depthOrArrayLayers, 1);
        MUST(wgpuTextureGetDimension(made) == all[at].dimension && wgpuTextureGetWidth(made) == size.width);
        MUST(wgpuTextureGetHeight(made) == size.height);
        MUST(wgpuTextureGetDepthOrArrayLayers(made) == size.depthOrArrayLayers);
        WGPUComputePipeline pipeline = make_pipeline(gpu, all[at].shader);
        WGPUBindGroupLayout layout = wgpuComputePipelineGetBindGroupLayout(pipeline, 0);
        // The view's dimension is the texture's where none is given.
        WGPUTextureViewDescriptor wanted = WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT;
        for (int given = 0; given < 2; given++) {
            wanted.dimension = given ? all[at].view : WGPUTextureViewDimension_Undefined;
            WGPUTextureView view = wgpuTextureCreateView(made, &wanted);
            WGPUBindGroup group = bind_views(gpu, layout, 1, &view);
            dispatch_xyz(gpu, pipeline, group, size.width, size.height, size.depthOrArrayLayers);
            wgpuBindGroupRelease(group);
            wgpuTextureViewRelease(view);
        }
        uint32_t found[512], *word = found;
        download(gpu, made, 0, 8, found);
        for (uint32_t z = 0; z < size.depthOrArrayLayers; z++) {
            for (uint32_t y = 0; y < size.height; y++) {
                for (uint32_t x = 0; x < size.width; x++, word += 2) {
                    MUST(word[0] == x + 1000 * y && word[1] == z);
                }
            }
        }
        wgpuBindGroupLayoutRelease(layout);
        wgpuComputePipelineRelease(pipeline);
        wgpuTextureRelease(made);
    }
}

// Colours are exact where they are 0 or 1. One layer of three is shown alone, and one is never written.
static void layers(const Gpu *gpu) {
    WGPUTexture board = make_texture(gpu, WGPUTextureFormat_RGBA8Unorm, WGPUTextureDimension_2D, 4, 4, 3, 1);
    WGPUComputePipeline pipeline = make_pipeline(gpu,
        "@group(0) @binding(0) var board: texture_storage_2d<rgba8unorm, write>;\n"
        "@compute @workgroup_size(4, 4) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
        "    let dark = f32((id.x + id.y) & 1u);\n"
        "    textureStore(board, id.xy, vec4f(dark, 0.0, 1.0 - dark, 1.0));\n"
        "}\n");
    WGPUBindGroupLayout layout = wgpuComputePipelineGetBindGroupLayout(pipeline, 0);
    WGPUTextureViewDescriptor wanted = WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT;
    wanted.dimension = WGPUTextureViewDimension_2D;
    wanted.baseArrayLayer = 1;
    WGPUTextureView view = wgpuTextureCreateView(board, &wanted);
    WGPUBindGroup group = bind_views(gpu, layout, 1, &view);
    dispatch(gpu, pipeline, group, 1);
    uint32_t found[3 * 16];
    download(gpu, board, 0, 4, found);
    for (uint32_t at = 0; at < 16; at++) {
        MUST(found[at] == 0 && found[32 + at] == 0);
        MUST(found[16 + at] == ((at + at / 4) % 2 ? 0xff0000ffu : 0xffff0000u));
    }
    wgpuBindGroupRelease(group);
    wgpuTextureViewRelease(view);
    wgpuBindGroupLayoutRelease(layout);
    wgpuComputePipelineRelease(pipeline);
    wgpuTextureRelease(board);
}

// Read and written in one shader, beside a buffer.
static void beside_a_buffer(const Gpu *gpu) {
    WGPUTexture cells = make_texture(gpu, WGPUTextureFormat_R32Sint, WGPUTextureDimension_1D, 16, 1, 1, 1);
    int32_t words[16];
    for (int32_t at = 0; at < 16; at++) {
        words[at] = 5 - at;
    }
    upload(gpu, cells, 0, words, WGPU_COPY_STRIDE_UNDEFINED, WGPU_COPY_STRIDE_UNDEFINED);
    WGPUComputePipeline pipeline = make_pipeline(gpu,
        "@group(0) @binding(0) var cells: texture_storage_1d<r32sint, read_write>;\n"
        "@group(0) @binding(1) var<storage, read_write> sum: array<i32>;\n"
        "@compute @workgroup_size(16) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
        "    let cell = textureLoad(cells, id.x).x;\n"
        "    sum[id.x] = cell * 3;\n"
        "    textureStore(cells, id.x, vec4i(-cell));\n"
        "}\n");
    WGPUBuffer sum = make_buffer(gpu, STORAGE, 64);
    WGPUBindGroupEntry entries[2] = {WGPU_BIND_GROUP_ENTRY_INIT, WGPU_BIND_GROUP_ENTRY_INIT};
    entries[0].textureView = wgpuTextureCreateView(cells, NULL);
    entries[1].binding = 1;
    entries[1].buffer = sum;
    WGPUBindGroupDescriptor wanted = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    wanted.layout = wgpuComputePipelineGetBindGroupLayout(pipeline, 0);
    wanted.entryCount = 2;
    wanted.entries = entries;
    WGPUBindGroup group = wgpuDeviceCreateBindGroup(gpu->device, &wanted);
    wgpuBindGroupLayoutRelease(wanted.layout);
    wgpuTextureViewRelease(entries[0].textureView);
    dispatch(gpu, pipeline, group, 1);
    int32_t found[16], sums[16];
    download(gpu, cells, 0, 4, found);
    read_words(gpu, sum, 16, (uint32_t *)sums);
    for (int32_t at = 0; at < 16; at++) {
        MUST(found[at] == at - 5 && sums[at] == 3 * (5 - at));
    }
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(pipeline);
    wgpuBufferRelease(sum);
    wgpuTextureRelease(cells);
}

int main(void) {
    Gpu gpu = connect_gpu();
    blur(&gpu);
    levels(&gpu);
    dimensions(&gpu);
    layers(&gpu);
    beside_a_buffer(&gpu);
    MUST(uncaught == 0);
    disconnect(&gpu);
    puts("all as promised");
    return 0;
}
