// The copies that a command encoder records, between buffers and textures.

#include "internal.h"

void wgpuCommandEncoderCopyBufferToBuffer(WGPUCommandEncoder commandEncoder, WGPUBuffer source, uint64_t sourceOffset,
    WGPUBuffer destination, uint64_t destinationOffset, uint64_t size) {
    const char *function = "wgpuCommandEncoderCopyBufferToBuffer";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *from = object_get(function, source, BUFFER), *into = object_get(function, destination, BUFFER);
    if (to && encoder_names(encoder, function, from) && encoder_names(encoder, function, into)) {
        command(to, FIZZ_GPU_COPY_BUFFER, "ulull", from->id, sourceOffset, into->id, destinationOffset, size);
    }
}

void wgpuCommandEncoderClearBuffer(WGPUCommandEncoder commandEncoder, WGPUBuffer buffer, uint64_t offset,
    uint64_t size) {
    const char *function = "wgpuCommandEncoderClearBuffer";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *object = object_get(function, buffer, BUFFER);
    if (to && encoder_names(encoder, function, object)) {
        command(to, FIZZ_GPU_CLEAR_BUFFER, "ull", object->id, offset, size);
    }
}

// The buffer of texels; ends the program unless there is one.
static Object *buffer_of(const char *function, const char *which, const WGPUTexelCopyBufferInfo *info) {
    if (!info) {
        fail("%s: the %s is NULL", function, which);
    }
    return object_get(function, info->buffer, BUFFER);
}

static Object *texture_of(const char *function, const char *which, const WGPUTexelCopyTextureInfo *info) {
    if (!info) {
        fail("%s: the %s is NULL", function, which);
    }
    return object_get(function, info->texture, TEXTURE);
}

static void check_size(const char *function, const WGPUExtent3D *size) {
    if (!size) {
        fail("%s: the size is NULL", function);
    }
}

// Notes the texture of a copy. False, and the command buffer is invalid, if it cannot be one.
static bool names_texture(Encoder *encoder, const char *function, const WGPUTexelCopyTextureInfo *info,
    Object *texture) {
    const char *wrong = aspect_wrong(info->aspect);
    if (!wrong) {
        wrong = textures_missing();
    }
    if (wrong) {
        encoder_invalidate(encoder, function, wrong);
        return false;
    }
    return encoder_names(encoder, function, texture);
}

// Strides that are not given are the same number in the standard and in the stream.
static void put_texels(Bytes *to, const Object *buffer, const WGPUTexelCopyBufferLayout *layout) {
    put_u32(to, buffer->id);
    put_u64(to, layout->offset);
    put_u32(to, layout->bytesPerRow);
    put_u32(to, layout->rowsPerImage);
}

static void put_place(Bytes *to, const Object *texture, const WGPUTexelCopyTextureInfo *info) {
    put_u32(to, texture->id);
    put_u32(to, info->mipLevel);
    put_u32(to, info->origin.x);
    put_u32(to, info->origin.y);
    put_u32(to, info->origin.z);
}

static void put_size(Bytes *to, const WGPUExtent3D *size) {
    put_u32(to, size->width);
    put_u32(to, size->height);
    put_u32(to, size->depthOrArrayLayers);
}

void wgpuCommandEncoderCopyBufferToTexture(WGPUCommandEncoder commandEncoder, const WGPUTexelCopyBufferInfo *source,
    const WGPUTexelCopyTextureInfo *destination, const WGPUExtent3D *copySize) {
    const char *function = "wgpuCommandEncoderCopyBufferToTexture";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *from = buffer_of(function, "source", source), *into = texture_of(function, "destination", destination);
    check_size(function, copySize);
    if (to && encoder_names(encoder, function, from) && names_texture(encoder, function, destination, into)) {
        size_t begin = command_begin(to, FIZZ_GPU_COPY_BUFFER_TO_TEXTURE);
        put_texels(to, from, &source->layout);
        put_place(to, into, destination);
        put_size(to, copySize);
        command_end(to, begin);
    }
}

void wgpuCommandEncoderCopyTextureToBuffer(WGPUCommandEncoder commandEncoder, const WGPUTexelCopyTextureInfo *source,
    const WGPUTexelCopyBufferInfo *destination, const WGPUExtent3D *copySize) {
    const char *function = "wgpuCommandEncoderCopyTextureToBuffer";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *from = texture_of(function, "source", source), *into = buffer_of(function, "destination", destination);
    check_size(function, copySize);
    if (to && names_texture(encoder, function, source, from) && encoder_names(encoder, function, into)) {
        size_t begin = command_begin(to, FIZZ_GPU_COPY_TEXTURE_TO_BUFFER);
        put_place(to, from, source);
        put_texels(to, into, &destination->layout);
        put_size(to, copySize);
        command_end(to, begin);
    }
}

void wgpuCommandEncoderCopyTextureToTexture(WGPUCommandEncoder commandEncoder, const WGPUTexelCopyTextureInfo *source,
    const WGPUTexelCopyTextureInfo *destination, const WGPUExtent3D *copySize) {
    const char *function = "wgpuCommandEncoderCopyTextureToTexture";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *from = texture_of(function, "source", source), *into = texture_of(function, "destination", destination);
    check_size(function, copySize);
    if (to && names_texture(encoder, function, source, from) && names_texture(encoder, function, destination, into)) {
        size_t begin = command_begin(to, FIZZ_GPU_COPY_TEXTURE);
        put_place(to, from, source);
        put_place(to, into, destination);
        put_size(to, copySize);
        command_end(to, begin);
    }
}
