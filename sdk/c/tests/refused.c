// What webgpu.h refuses of textures: an error, and not the end.
#include "textures.h"

static WGPUTextureDescriptor good_texture(void) {
    WGPUTextureDescriptor wanted = WGPU_TEXTURE_DESCRIPTOR_INIT;
    wanted.label = text("texture");
    wanted.usage = WGPUTextureUsage_StorageBinding | WGPUTextureUsage_CopyDst | WGPUTextureUsage_CopySrc;
    wanted.size = (WGPUExtent3D){16, 16, 2};
    wanted.format = WGPUTextureFormat_RGBA8Unorm;
    return wanted;
}

static bool texture_invalid(const Gpu *gpu, WGPUTextureDescriptor wanted, const char *says) {
    push_scope(gpu);
    WGPUTexture texture = wgpuDeviceCreateTexture(gpu->device, &wanted);
    bool said = was_invalid(gpu, says);
    // It still says what was asked for, and makes views that are errors.
    MUST(wgpuTextureGetUsage(texture) == wanted.usage && wgpuTextureGetFormat(texture) == wanted.format);
    MUST(wgpuTextureGetSampleCount(texture) == wanted.sampleCount);
    push_scope(gpu);
    WGPUTextureView view = wgpuTextureCreateView(texture, NULL);
    MUST(was_invalid(gpu, "is invalid"));
    push_scope(gpu);
    WGPUTexelCopyTextureInfo into = {texture, 0, {0, 0, 0}, WGPUTextureAspect_All};
    WGPUTexelCopyBufferLayout layout = WGPU_TEXEL_COPY_BUFFER_LAYOUT_INIT;
    wgpuQueueWriteTexture(gpu->queue, &into, "texels of the one", 16, &layout, &(WGPUExtent3D){1, 1, 1});
    MUST(pop_scope(gpu).type == WGPUErrorType_Validation);
    wgpuTextureDestroy(texture);
    wgpuTextureViewRelease(view);
    wgpuTextureRelease(texture);
    return said;
}

static void textures(const Gpu *gpu) {
    WGPUTextureDescriptor wanted = good_texture();
    wanted.usage |= WGPUTextureUsage_RenderAttachment;
    MUST(texture_invalid(gpu, wanted, "wgpuDeviceCreateTexture: usage 0x10 is not offered"));
    wanted.usage = 1ull << 40;
    MUST(texture_invalid(gpu, wanted, "usage 0x10000000000 is not offered"));
    wanted.usage = WGPUTextureUsage_None;
    MUST(texture_invalid(gpu, wanted, "usage 0x0"));
    wanted = good_texture(), wanted.sampleCount = 4;
    MUST(texture_invalid(gpu, wanted, "4 samples: this device has no multisampling"));
    WGPUTextureFormat formats[2] = {WGPUTextureFormat_RGBA8Unorm, WGPUTextureFormat_RGBA8UnormSrgb};
    wanted = good_texture(), wanted.viewFormatCount = 2, wanted.viewFormats = formats;
    MUST(texture_invalid(gpu, wanted, "views of the format 0x17"));
    wanted = good_texture(), wanted.format = WGPUTextureFormat_R8Unorm;
    MUST(texture_invalid(gpu, wanted, "format 0x1 is not offered"));
    wanted.format = WGPUTextureFormat_Undefined;
    MUST(texture_invalid(gpu, wanted, "is not offered"));
    wanted.format = WGPUTextureFormat_Depth32Float;
    MUST(texture_invalid(gpu, wanted, "none of WebGPU's for storage"));
    wanted = good_texture(), wanted.dimension = 4;
    MUST(texture_invalid(gpu, wanted, "dimension 4 is none"));
    WGPUChainedStruct unknown = {NULL, WGPUSType_ShaderSourceSPIRV};
    wanted = good_texture(), wanted.nextInChain = &unknown;
    MUST(texture_invalid(gpu, wanted, "chain"));
    wanted = good_texture(), wanted.size.width = 0;
    MUST(texture_invalid(gpu, wanted, "size 0 "));
    wanted.size.width = 8193;
    MUST(texture_invalid(gpu, wanted, "size 8193 "));
    wanted.size.width = 0xffffffff;
    MUST(texture_invalid(gpu, wanted, "size 4294967295 "));
    wanted = good_texture(), wanted.mipLevelCount = 6;
    MUST(texture_invalid(gpu, wanted, "6 mip levels"));
    wanted.mipLevelCount = 0;
    MUST(texture_invalid(gpu, wanted, "0 mip levels"));
    // More than the job may have.
    wanted = good_texture(), wanted.size = (WGPUExtent3D){8192, 8192, 256};
    wgpuDevicePushErrorScope(gpu->device, WGPUErrorFilter_OutOfMemory);
    wgpuTextureRelease(wgpuDeviceCreateTexture(gpu->device, &wanted));
    MUST(pop_scope(gpu).type == WGPUErrorType_OutOfMemory);
    // What the standard has a device of this kind not look at; and formats of views that are the texture's own.
    WGPUTextureBindingViewDimension extension = WGPU_TEXTURE_BINDING_VIEW_DIMENSION_INIT;
    extension.textureBindingViewDimension = WGPUTextureViewDimension_Cube;
    wanted = good_texture(), wanted.nextInChain = &extension.chain;
    wanted.viewFormatCount = 1, wanted.viewFormats = formats;
    WGPUTexture texture = wgpuDeviceCreateTexture(gpu->device, &wanted);
    MUST(wgpuTextureGetTextureBindingViewDimension(texture) == WGPUTextureViewDimension_Undefined);
    MUST(wgpuTextureGetDimension(texture) == WGPUTextureDimension_2D);
    wgpuTextureAddRef(texture);
    wgpuTextureRelease(texture);
    wgpuTextureRelease(texture);
}

static bool view_invalid(const Gpu *gpu, WGPUTexture texture, WGPUTextureViewDescriptor wanted, const char *says) {
    push_scope(gpu);
    wgpuTextureViewRelease(wgpuTextureCreateView(texture, &wanted));
    return was_invalid(gpu, says);
}

static void views(const Gpu *gpu, WGPUTexture texture) {
    const WGPUTextureViewDescriptor good = WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT;
    WGPUTextureViewDescriptor wanted = good;
    wanted.format = WGPUTextureFormat_RGBA8Uint;
    MUST(view_invalid(gpu, texture, wanted, "wgpuTextureCreateView: format 0x19 is not the texture's, which is 0x16"));
    wanted = good, wanted.usage = WGPUTextureUsage_TextureBinding | WGPUTextureUsage_StorageBinding;
    MUST(view_invalid(gpu, texture, wanted, "usage 0xc is not all of the texture's, which is 0xb"));
    wanted = good, wanted.dimension = WGPUTextureViewDimension_Cube;
    MUST(view_invalid(gpu, texture, wanted, "view dimension 4 is none of a storage texture"));
    wanted.dimension = WGPUTextureViewDimension_3D;
    MUST(view_invalid(gpu, texture, wanted, "view dimension"));
    wanted.dimension = WGPUTextureViewDimension_2D, wanted.arrayLayerCount = 2;
    MUST(view_invalid(gpu, texture, wanted, "layer count 2"));
    wanted = good, wanted.aspect = WGPUTextureAspect_DepthOnly;
    MUST(view_invalid(gpu, texture, wanted, "no aspect DepthOnly"));
    wanted.aspect = 9;
    MUST(view_invalid(gpu, texture, wanted, "the aspect is none"));
    wanted = good, wanted.baseArrayLayer = 2;
    MUST(view_invalid(gpu, texture, wanted, "rray layer count is 0"));
    wanted = good, wanted.mipLevelCount = 2;
    MUST(view_invalid(gpu, texture, wanted, "spans 2 mip levels"));
    wanted = good, wanted.baseMipLevel = 0xfffffffe;
    MUST(view_invalid(gpu, texture, wanted, "ip level count is 0"));
    WGPUChainedStruct unknown = {NULL, WGPUSType_ShaderSourceSPIRV};
    wanted = good, wanted.nextInChain = &unknown;
    MUST(view_invalid(gpu, texture, wanted, "chain"));
}

static bool layout_invalid(const Gpu *gpu, WGPUBindGroupLayoutEntry entry, const char *says) {
    WGPUBindGroupLayoutDescriptor wanted = {.entryCount = 1, .entries = &entry};
    push_scope(gpu);
    wgpuBindGroupLayoutRelease(wgpuDeviceCreateBindGroupLayout(gpu->device, &wanted));
    return was_invalid(gpu, says);
}

static void bindings(const Gpu *gpu, WGPUTexture texture) {
    WGPUBindGroupLayoutEntry good = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    good.binding = 7;
    good.visibility = WGPUShaderStage_Compute;
    good.storageTexture.access = WGPUStorageTextureAccess_WriteOnly;
    good.storageTexture.format = WGPUTextureFormat_RGBA8Unorm;
    WGPUBindGroupLayoutEntry entry = good;
    entry.storageTexture.access = WGPUStorageTextureAccess_BindingNotUsed;
    entry.texture.sampleType = WGPUTextureSampleType_Float;
    MUST(layout_invalid(gpu, entry, "binding 7: this device binds only buffers and storage textures"));
    entry = good, entry.buffer.type = WGPUBufferBindingType_Storage;
    MUST(layout_invalid(gpu, entry, "both a buffer and a storage texture"));
    entry = good, entry.storageTexture.access = 9;
    MUST(layout_invalid(gpu, entry, "access"));
    entry = good, entry.storageTexture.format = WGPUTextureFormat_BGRA8Unorm;
    MUST(layout_invalid(gpu, entry, "format is not offered"));
    entry = good, entry.storageTexture.viewDimension = WGPUTextureViewDimension_CubeArray;
    MUST(layout_invalid(gpu, entry, "view dimension is none"));
    // Only single words are read and written.
    entry = good, entry.storageTexture.access = WGPUStorageTextureAccess_ReadWrite;
    MUST(layout_invalid(gpu, entry, "no shader both reads and writes"));
    WGPUChainedStruct unknown = {NULL, WGPUSType_ShaderSourceSPIRV};
    entry = good, entry.storageTexture.nextInChain = &unknown;
    MUST(layout_invalid(gpu, entry, "chain"));

    WGPUBindGroupLayoutDescriptor wanted_layout = {.entryCount = 1, .entries = &good};
    WGPUBindGroupLayout layout = wgpuDeviceCreateBindGroupLayout(gpu->device, &wanted_layout);
    WGPUTextureViewDescriptor flat = WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT;
    flat.dimension = WGPUTextureViewDimension_2D;
    WGPUTextureView view = wgpuTextureCreateView(texture, &flat), layers = wgpuTextureCreateView(texture, NULL);
    WGPUBuffer buffer = make_buffer(gpu, STORAGE, 64);
    const struct {
        WGPUBuffer buffer;
        WGPUTextureView view;
        const char *says;
    } groups[] = {{NULL, NULL, "binding 7: it is neither one buffer nor one texture view"}, {buffer, view, "neither"},
        {buffer, NULL, "binding 7 is a buffer"}, {NULL, layers, "D2Array"}, {NULL, view, NULL}};
    for (size_t at = 0; at < sizeof groups / sizeof *groups; at++) {
        WGPUBindGroupEntry bound = {.binding = 7, .buffer = groups[at].buffer, .size = WGPU_WHOLE_SIZE,
            .textureView = groups[at].view};
        WGPUBindGroupDescriptor wanted = {.layout = layout, .entryCount = 1, .entries = &bound};
        push_scope(gpu);
        wgpuBindGroupRelease(wgpuDeviceCreateBindGroup(gpu->device, &wanted));
        MUST(groups[at].says ? was_invalid(gpu, groups[at].says) : pop_scope(gpu).type == WGPUErrorType_NoError);
    }
    wgpuTextureViewAddRef(view);
    wgpuTextureViewRelease(view);
    wgpuTextureViewRelease(view);
    wgpuTextureViewRelease(layers);
    wgpuBufferRelease(buffer);
    wgpuBindGroupLayoutRelease(layout);
}

// A copy from a buffer of 4096 bytes into the texture.
static bool copy_says(const Gpu *gpu, WGPUTexelCopyTextureInfo into, WGPUTexelCopyBufferLayout layout,
    WGPUExtent3D size, const char *says) {
    WGPUBuffer buffer = make_buffer(gpu, STORAGE, 4096);
    WGPUTexelCopyBufferInfo from = {layout, buffer};
    bool said = true;
    for (int back = 0; back < 2; back++) {
        WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
        if (back) {
            wgpuCommandEncoderCopyTextureToBuffer(encoder, &into, &from, &size);
        } else {
            wgpuCommandEncoderCopyBufferToTexture(encoder, &from, &into, &size);
        }
        push_scope(gpu);
        wgpuCommandBufferRelease(wgpuCommandEncoderFinish(encoder, NULL));
        said = (says ? was_invalid(gpu, says) : pop_scope(gpu).type == WGPUErrorType_NoError) && said;
        wgpuCommandEncoderRelease(encoder);
    }
    wgpuBufferRelease(buffer);
    return said;
}

static void copies(const Gpu *gpu, WGPUTexture texture) {
    const uint32_t none = WGPU_COPY_STRIDE_UNDEFINED;
    const WGPUTexelCopyTextureInfo good = {texture, 0, {0, 0, 0}, WGPUTextureAspect_All};
    typedef WGPUTexelCopyBufferLayout Layout;
    const Layout rows = {0, 256, none};
    const WGPUExtent3D size = {16, 16, 1};
    MUST(copy_says(gpu, good, rows, size, NULL));
    WGPUTexelCopyTextureInfo into = good;
    into.aspect = WGPUTextureAspect_StencilOnly;
    MUST(copy_says(gpu, into, rows, size, "no aspect StencilOnly"));
    into = good, into.mipLevel = 1;
    MUST(copy_says(gpu, into, rows, size, "mip level 1"));
    into = good, into.origin.x = 1;
    MUST(copy_says(gpu, into, rows, size, "X 1..17"));
    into = good, into.origin.z = 0xffffffff;
    MUST(copy_says(gpu, into, rows, size, "of Z size 2"));
    MUST(copy_says(gpu, good, (Layout){0, 64, none}, size, "COPY_BYTES_PER_ROW_ALIGNMENT"));
    MUST(copy_says(gpu, good, (Layout){0, none, none}, size, "bytes per row needs"));
    MUST(copy_says(gpu, good, (Layout){0, 256, none}, (WGPUExtent3D){16, 1, 2}, "rows per image needs"));
    MUST(copy_says(gpu, good, (Layout){2, 256, none}, (WGPUExtent3D){1, 1, 1}, "offset 2 is not aligned"));
    MUST(copy_says(gpu, good, (Layout){UINT64_MAX - 3, 256, none}, size, "18446744073709551612"));
    WGPUTextureDescriptor wanted = good_texture();
    wanted.format = WGPUTextureFormat_RGBA8Uint;
    WGPUTexelCopyTextureInfo other = {wgpuDeviceCreateTexture(gpu->device, &wanted), 0, {0, 0, 0}, 0};
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderCopyTextureToTexture(encoder, &good, &other, &size);
    push_scope(gpu);
    wgpuCommandBufferRelease(wgpuCommandEncoderFinish(encoder, NULL));
    MUST(was_invalid(gpu, "Rgba8Uint"));
    wgpuCommandEncoderRelease(encoder);
    wgpuTextureRelease(other.texture);
}

static bool write_says(const Gpu *gpu, WGPUTexelCopyTextureInfo into, WGPUTexelCopyBufferLayout layout,
    WGPUExtent3D size, size_t bytes, const char *says) {
    static const char data[2048];
    push_scope(gpu);
    wgpuQueueWriteTexture(gpu->queue, &into, data, bytes, &layout, &size);
    return says ? was_invalid(gpu, says) : pop_scope(gpu).type == WGPUErrorType_NoError;
}

static void writes(const Gpu *gpu, WGPUTexture texture) {
    const uint32_t none = WGPU_COPY_STRIDE_UNDEFINED, most = 0xfffffffe;
    const WGPUTexelCopyTextureInfo good = {texture, 0, {0, 0, 0}, WGPUTextureAspect_All};
    const WGPUExtent3D two = {16, 2, 1};
    typedef WGPUTexelCopyBufferLayout Layout;
    MUST(write_says(gpu, good, (Layout){0, 64, none}, two, 128, NULL));
    MUST(write_says(gpu, good, (Layout){0, 64, none}, two, 127,
        "wgpuQueueWriteTexture: 128 bytes at offset 0 pass the end of 127 bytes"));
    MUST(write_says(gpu, good, (Layout){UINT64_MAX, 64, none}, two, 128, "pass the end"));
    MUST(write_says(gpu, good, (Layout){0, 63, none}, two, 1000, "63 bytes per row are less than the 64 of a row"));
    MUST(write_says(gpu, good, (Layout){0, none, none}, two, 1000, "bytes per row are not given"));
    MUST(write_says(gpu, good, (Layout){0, 64, none}, (WGPUExtent3D){16, 2, 2}, 1000, "rows per image are not given"));
    MUST(write_says(gpu, good, (Layout){0, 64, 1}, two, 1000, "1 rows per image are less than 2"));
    MUST(write_says(gpu, good, (Layout){0, most, most}, (WGPUExtent3D){16, 2, 2}, 1000, "pass the end of 1000 bytes"));
    MUST(write_says(gpu, good, (Layout){0, most, none}, two, 1000, "4294967358 bytes at offset 0"));
    MUST(write_says(gpu, good, (Layout){0, 128, none}, (WGPUExtent3D){17, 2, 1}, 1000,
        "texels [17, 2, 1] from 0, 0, 0 pass the end of [16, 16, 2]"));
    WGPUTexelCopyTextureInfo into = good;
    into.origin = (WGPUOrigin3D){0xffffffff, 0, 0};
    MUST(write_says(gpu, into, (Layout){0, 64, none}, two, 128, "pass the end"));
    into = good, into.mipLevel = 1;
    MUST(write_says(gpu, into, (Layout){0, 64, none}, two, 128, "mip level 1 is not one of 1"));
    into.mipLevel = 0xffffffff;
    MUST(write_says(gpu, into, (Layout){0, 64, none}, two, 128, "mip level 4294967295 is not one of 1"));
    into = good, into.aspect = WGPUTextureAspect_StencilOnly;
    MUST(write_says(gpu, into, (Layout){0, 64, none}, two, 128, "no aspect StencilOnly"));
    WGPUTextureDescriptor wanted = good_texture();
    wanted.usage = WGPUTextureUsage_StorageBinding;
    into = good, into.texture = wgpuDeviceCreateTexture(gpu->device, &wanted);
    MUST(write_says(gpu, into, (Layout){0, 64, none}, two, 128, "lacks CopyDst"));
    wgpuTextureRelease(into.texture);
    // 2^33 rows of 2^31 bytes are 0 in 64 bits.
    wanted = good_texture(), wanted.size.depthOrArrayLayers = 3;
    into = good, into.texture = wgpuDeviceCreateTexture(gpu->device, &wanted);
    MUST(write_says(gpu, into, (Layout){0, 0x80000000, most}, (WGPUExtent3D){16, 5, 3}, 1000, "pass the end of 1000"));
    wgpuTextureRelease(into.texture);
    // More levels than a number has bits; only the host knows that the texture is none.
    wanted = good_texture(), wanted.mipLevelCount = 40;
    push_scope(gpu);
    into = good, into.texture = wgpuDeviceCreateTexture(gpu->device, &wanted), into.mipLevel = 32;
    MUST(was_invalid(gpu, "40 mip levels"));
    MUST(write_says(gpu, into, (Layout){0, 64, none}, two, 128, "pass the end of [1, 1, 2]"));
    wgpuTextureRelease(into.texture);
    // Nothing is written where nothing is asked for; where it would lie is still looked at.
    MUST(write_says(gpu, good, (Layout){0, none, none}, (WGPUExtent3D){0, 0, 0}, 0, NULL));
    MUST(write_says(gpu, good, (Layout){1, none, none}, (WGPUExtent3D){0, 0, 0}, 0, "pass the end"));
    wgpuTextureDestroy(texture);
    wgpuTextureDestroy(texture);
    MUST(write_says(gpu, good, (Layout){0, 64, none}, two, 128, "destroyed"));
}

static WGPUTexture to_release;

static void release_it(void) {
    if (to_release) {
        wgpuTextureRelease(to_release);
        to_release = NULL;
    }
}

// The program lets the texture go while it is written, which ends in an error for each piece.
static void released_while_written(const Gpu *gpu) {
    WGPUTexture texture = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_2D, 1024, 1024, 1, 1);
    static const uint32_t words[1024 * 1024];
    wgpuTextureDestroy(texture);
    to_release = texture;
    when_uncaught = release_it;
    uncaught = 0;
    upload(gpu, texture, 0, words, 4096, 1024);
    wgpuInstanceProcessEvents(gpu->instance);
    MUST(uncaught == 4 && !to_release && strstr(uncaught_text, "destroyed"));
    uncaught = 0;
    when_uncaught = NULL;
}

static void another_device(Gpu *gpu, WGPUTexture texture) {
    WGPUTextureView view = wgpuTextureCreateView(texture, NULL);
    WGPUDevice device = gpu->device;
    WGPUQueue queue = gpu->queue;
    wgpuDeviceDestroy(device);
    // Everything is ignored.
    MUST(wgpuTextureGetWidth(texture) == 16);
    wgpuTextureViewRelease(wgpuTextureCreateView(texture, NULL));
    MUST(write_says(gpu, (WGPUTexelCopyTextureInfo){texture, 0, {0, 0, 0}, 0}, (WGPUTexelCopyBufferLayout){0, 64, 2},
        (WGPUExtent3D){16, 2, 1}, 128, NULL));
    connect_device(gpu);
    MUST(write_says(gpu, (WGPUTexelCopyTextureInfo){texture, 0, {0, 0, 0}, 0}, (WGPUTexelCopyBufferLayout){0, 64, 2},
        (WGPUExtent3D){16, 2, 1}, 128, "another device"));
    MUST(copy_says(gpu, (WGPUTexelCopyTextureInfo){texture, 0, {0, 0, 0}, 0}, (WGPUTexelCopyBufferLayout){0, 256, 2},
        (WGPUExtent3D){16, 2, 1}, "another device"));
    WGPUBindGroupLayoutEntry entry = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    entry.storageTexture.access = WGPUStorageTextureAccess_Undefined;
    entry.storageTexture.format = WGPUTextureFormat_RGBA8Unorm;
    entry.storageTexture.viewDimension = WGPUTextureViewDimension_2DArray;
    WGPUBindGroupLayoutDescriptor wanted = {.entryCount = 1, .entries = &entry};
    WGPUBindGroupLayout layout = wgpuDeviceCreateBindGroupLayout(gpu->device, &wanted);
    push_scope(gpu);
    wgpuBindGroupRelease(bind_views(gpu, layout, 1, &view));
    MUST(was_invalid(gpu, "another device"));
    wgpuBindGroupLayoutRelease(layout);
    wgpuTextureViewRelease(view);
    wgpuQueueRelease(queue);
    wgpuDeviceRelease(device);
}

// Pages of the program's memory, where it has pages.
static size_t memory_pages(void) {
#ifdef __wasm__
    return __builtin_wasm_memory_size(0);
#else
    return 0;
#endif
}

// More objects at once than a job may have, were they not let go; and what is let go leaves no memory behind.
static void all_are_let_go(const Gpu *gpu) {
    size_t pages = 0;
    for (int at = 0; at < 5000; at++) {
        WGPUTexture texture = make_texture(gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_1D, 1, 1, 1, 1);
        WGPUTextureView view = wgpuTextureCreateView(texture, NULL);
        uint32_t word = 1;
        upload(gpu, texture, 0, &word, WGPU_COPY_STRIDE_UNDEFINED, WGPU_COPY_STRIDE_UNDEFINED);
        wgpuTextureRelease(texture);
        wgpuTextureViewRelease(view);
        pages = at == 1000 ? memory_pages() : pages;
    }
    MUST(memory_pages() == pages);
}

int main(void) {
    Gpu gpu = connect_gpu();
    textures(&gpu);
    WGPUTextureDescriptor wanted = good_texture();
    WGPUTexture texture = wgpuDeviceCreateTexture(gpu.device, &wanted);
    views(&gpu, texture);
    bindings(&gpu, texture);
    copies(&gpu, texture);
    writes(&gpu, texture);
    wgpuTextureRelease(texture);
    MUST(uncaught == 0);
    released_while_written(&gpu);
    all_are_let_go(&gpu);
    texture = wgpuDeviceCreateTexture(gpu.device, &wanted);
    another_device(&gpu, texture);
    wgpuTextureRelease(texture);
    MUST(uncaught == 0);
    disconnect(&gpu);
    puts("all as promised");
    return 0;
}
