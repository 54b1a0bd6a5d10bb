// What the test programs of textures share.
#ifndef TEXTURES_H_
#define TEXTURES_H_

#include "checks.h"

static inline WGPUTexture make_texture(const Gpu *gpu, WGPUTextureFormat format, WGPUTextureDimension dimension,
    uint32_t width, uint32_t height, uint32_t depth, uint32_t mip_levels) {
    WGPUTextureDescriptor wanted = WGPU_TEXTURE_DESCRIPTOR_INIT;
    wanted.label = text("texture");
    wanted.usage = WGPUTextureUsage_StorageBinding | WGPUTextureUsage_CopySrc | WGPUTextureUsage_CopyDst;
    wanted.dimension = dimension;
    wanted.size = (WGPUExtent3D){width, height, depth};
    wanted.format = format;
    wanted.mipLevelCount = mip_levels;
    return wgpuDeviceCreateTexture(gpu->device, &wanted);
}

static inline WGPUExtent3D level_size(WGPUTexture texture, uint32_t level) {
    WGPUExtent3D size = {wgpuTextureGetWidth(texture) >> level, wgpuTextureGetHeight(texture) >> level,
        wgpuTextureGetDepthOrArrayLayers(texture)};
    if (wgpuTextureGetDimension(texture) == WGPUTextureDimension_3D) {
        size.depthOrArrayLayers >>= level;
    }
    size.width += size.width == 0;
    size.height += size.height == 0;
    size.depthOrArrayLayers += size.depthOrArrayLayers == 0;
    return size;
}

// Brings bytes into a level of a texture of 4 bytes for each texel.
static inline void upload(const Gpu *gpu, WGPUTexture texture, uint32_t level, const void *data, uint32_t row,
    uint32_t rows) {
    WGPUTexelCopyTextureInfo into = WGPU_TEXEL_COPY_TEXTURE_INFO_INIT;
    into.texture = texture;
    into.mipLevel = level;
    WGPUTexelCopyBufferLayout layout = {0, row, rows};
    WGPUExtent3D size = level_size(texture, level);
    size_t bytes = (size_t)size.width * size.height * size.depthOrArrayLayers * 4;
    wgpuQueueWriteTexture(gpu->queue, &into, data, bytes, &layout, &size);
}

// The bytes of a level, row after row, layer after layer, without gaps.
static inline void download(const Gpu *gpu, WGPUTexture texture, uint32_t level, uint32_t texel, void *bytes) {
    WGPUExtent3D size = level_size(texture, level);
    uint32_t row = size.width * texel, pitch = (row + 255) / 256 * 256, rows = size.height * size.depthOrArrayLayers;
    size_t held = (size_t)pitch * rows;
    WGPUBuffer copy = make_buffer(gpu, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, held);
    WGPUTexelCopyTextureInfo from = {texture, level, {0, 0, 0}, WGPUTextureAspect_Undefined};
    WGPUTexelCopyBufferInfo into = {{0, pitch, size.height}, copy};
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderCopyTextureToBuffer(encoder, &from, &into, &size);
    submit(gpu, encoder);
    MUST(map_buffer(gpu, copy, WGPUMapMode_Read, 0, WGPU_WHOLE_MAP_SIZE) == WGPUMapAsyncStatus_Success);
    const uint8_t *mapped = wgpuBufferGetConstMappedRange(copy, 0, held);
    for (uint32_t y = 0; y < rows; y++) {
        memcpy((uint8_t *)bytes + (size_t)y * row, mapped + (size_t)y * pitch, row);
    }
    wgpuBufferUnmap(copy);
    wgpuBufferRelease(copy);
}

static inline WGPUBindGroup bind_views(const Gpu *gpu, WGPUBindGroupLayout layout, size_t count,
    const WGPUTextureView *views) {
    WGPUBindGroupEntry entries[4];
    for (size_t at = 0; at < count; at++) {
        entries[at] = (WGPUBindGroupEntry)WGPU_BIND_GROUP_ENTRY_INIT;
        entries[at].binding = (uint32_t)at;
        entries[at].textureView = views[at];
    }
    WGPUBindGroupDescriptor wanted = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    wanted.layout = layout;
    wanted.entryCount = count;
    wanted.entries = entries;
    return wgpuDeviceCreateBindGroup(gpu->device, &wanted);
}

static inline void dispatch_xyz(const Gpu *gpu, WGPUComputePipeline pipeline, WGPUBindGroup group, uint32_t x,
    uint32_t y, uint32_t z) {
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetPipeline(pass, pipeline);
    wgpuComputePassEncoderSetBindGroup(pass, 0, group, 0, NULL);
    wgpuComputePassEncoderDispatchWorkgroups(pass, x, y, z);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    submit(gpu, encoder);
}

#endif
