// wgpuQueueWriteTexture: texels go through a buffer, in pieces.

#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Bytes from a row to the next in the buffer, or a multiple of them.
enum { PITCH = 256 };
// Bytes of the buffer, unless one row takes more.
enum { PIECE = 1 << 20 };
// Room for the reason of an error.
enum { REASON = 160 };

static const char FUNCTION[] = "wgpuQueueWriteTexture";

// Where the rows of a write lie in its data. All sizes are in bytes.
typedef struct Rows {
    uint64_t offset;
    // Bytes of a row, and from a row to the next.
    uint64_t row;
    uint64_t stride;
    // Rows from an image to the next.
    uint64_t rows_per_image;
} Rows;

// Texels of a level in one direction.
static uint32_t level_size(uint32_t size, uint32_t level) {
    uint32_t smaller = level < 32 ? size >> level : 0;
    return smaller ? smaller : 1;
}

// WebGPU's rules for the target, which the host would name a copy's. The reason where one is broken.
static const char *place_wrong(const Texture *texture, const WGPUTexelCopyTextureInfo *info, const WGPUExtent3D *size,
    char reason[REASON]) {
    if (!texture->valid) {
        return "the texture is invalid";
    }
    if (!(texture->usage & WGPUTextureUsage_CopyDst)) {
        return "the texture's usage lacks CopyDst";
    }
    if (info->mipLevel >= texture->mip_levels) {
        snprintf(reason, REASON, "mip level %" PRIu32 " is not one of %" PRIu32, info->mipLevel, texture->mip_levels);
        return reason;
    }
    uint32_t depth = texture->size.depthOrArrayLayers;
    const uint64_t held[3] = {
        level_size(texture->size.width, info->mipLevel),
        level_size(texture->size.height, info->mipLevel),
        texture->dimension == WGPUTextureDimension_3D ? level_size(depth, info->mipLevel) : depth,
    };
    const WGPUOrigin3D *from = &info->origin;
    if ((uint64_t)from->x + size->width > held[0] || (uint64_t)from->y + size->height > held[1] ||
        (uint64_t)from->z + size->depthOrArrayLayers > held[2]) {
        snprintf(reason, REASON,
            "texels [%" PRIu32 ", %" PRIu32 ", %" PRIu32 "] from %" PRIu32 ", %" PRIu32 ", %" PRIu32
            " pass the end of [%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]",
            size->width, size->height, size->depthOrArrayLayers, from->x, from->y, from->z, held[0], held[1], held[2]);
        return reason;
    }
    return NULL;
}

// WebGPU's rules for the layout of the data. The reason where one is broken.
static const char *rows_wrong(const Texture *texture, size_t held, const WGPUTexelCopyBufferLayout *layout,
    const WGPUExtent3D *size, Rows *rows, char reason[REASON]) {
    uint32_t height = size->height, depth = size->depthOrArrayLayers;
    uint64_t row = (uint64_t)size->width * texel_bytes(texture->format), stride = layout->bytesPerRow;
    uint64_t rows_per_image = layout->rowsPerImage;
    if (layout->bytesPerRow == WGPU_COPY_STRIDE_UNDEFINED) {
        if (height > 1 || depth > 1) {
            return "bytes per row are not given";
        }
        stride = row;
    } else if (height && depth && stride < row) {
        snprintf(reason, REASON, "%" PRIu64 " bytes per row are less than the %" PRIu64 " of a row", stride, row);
        return reason;
    }
    if (layout->rowsPerImage == WGPU_COPY_STRIDE_UNDEFINED) {
        if (depth > 1) {
            return "rows per image are not given";
        }
        rows_per_image = height;
    } else if (depth && rows_per_image < height) {
        snprintf(reason, REASON, "%" PRIu64 " rows per image are less than %" PRIu32, rows_per_image, height);
        return reason;
    }
    *rows = (Rows){layout->offset, row, stride, rows_per_image};
    uint64_t needed = 0;
    if (height && depth) {
        // Two numbers under 2^32 times each other, and one more, are under 2^64; times a stride they need not be.
        uint64_t before = rows_per_image * (depth - 1) + (height - 1);
        needed = stride && before > (UINT64_MAX - row) / stride ? UINT64_MAX : before * stride + row;
    }
    if (layout->offset > held || needed > held - layout->offset) {
        snprintf(reason, REASON, "%" PRIu64 " bytes at offset %" PRIu64 " pass the end of %zu bytes", needed,
            layout->offset, held);
        return reason;
    }
    return NULL;
}

// Rows that go from the buffer, whole and of one image, into the texture.
static void copy(Device *device, uint32_t buffer, uint32_t pitch, const Texture *texture, uint32_t mip_level,
    const uint32_t origin[3], uint32_t width, uint32_t height) {
    Bytes *to = push_begin(device);
    if (to) {
        uint32_t commands = new_id();
        command(to, FIZZ_GPU_BEGIN_COMMANDS, "ut", commands, text_of(FUNCTION));
        command(to, FIZZ_GPU_COPY_BUFFER_TO_TEXTURE, "uluuuuuuuuuu", buffer, (uint64_t)0, pitch, FIZZ_GPU_NOT_GIVEN,
            texture->object.id, mip_level, origin[0], origin[1], origin[2], width, height, (uint32_t)1);
        command(to, FIZZ_GPU_END_COMMANDS, "");
        command(to, FIZZ_GPU_SUBMIT, "uu", (uint32_t)1, commands);
        push_end(device);
    }
}

// Copies the rows piece by piece through one buffer.
static void send(Device *device, const Texture *texture, const WGPUTexelCopyTextureInfo *to, const uint8_t *data,
    const Rows *from, const WGPUExtent3D *size) {
    uint64_t pitch = (from->row + PITCH - 1) / PITCH * PITCH;
    uint64_t most = pitch < PIECE ? PIECE / pitch : 1;
    most = most < size->height ? most : size->height;
    uint64_t bytes = pitch * most;
    uint8_t *piece = bytes < SIZE_MAX ? calloc(1, (size_t)bytes) : NULL;
    if (!piece) {
        report(device, FIZZ_GPU_OUT_OF_MEMORY, "%s: the job has no memory for the texels", FUNCTION);
        return;
    }
    uint32_t staging = new_id();
    push(device, FIZZ_GPU_CREATE_BUFFER, "uulut", staging,
        (uint32_t)(WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst), bytes, (uint32_t)0, text_of("texels"));
    for (uint32_t layer = 0; layer < size->depthOrArrayLayers; layer++) {
        for (uint32_t first = 0; first < size->height;) {
            uint32_t left = size->height - first, rows = left < most ? left : (uint32_t)most;
            for (uint32_t y = 0; y < rows; y++) {
                uint64_t line = layer * from->rows_per_image + first + y;
                // The data is in this memory, so its places are.
                memcpy(piece + (size_t)(y * pitch), data + (size_t)(from->offset + line * from->stride),
                    (size_t)from->row);
            }
            device_write(device, staging, 0, piece, (size_t)(rows * pitch));
            const uint32_t origin[3] = {to->origin.x, to->origin.y + first, to->origin.z + layer};
            copy(device, staging, (uint32_t)pitch, texture, to->mipLevel, origin, size->width, rows);
            first += rows;
        }
    }
    push(device, FIZZ_GPU_RELEASE, "uu", (uint32_t)FIZZ_GPU_BUFFER, staging);
    free(piece);
}

void wgpuQueueWriteTexture(WGPUQueue queue, const WGPUTexelCopyTextureInfo *destination, const void *data,
    size_t dataSize, const WGPUTexelCopyBufferLayout *dataLayout, const WGPUExtent3D *writeSize) {
    Device *device = GET(Object, FUNCTION, queue, QUEUE)->device;
    if (!destination || !dataLayout || !writeSize) {
        fail("%s: the %s is NULL", FUNCTION, !destination ? "destination" : !dataLayout ? "layout" : "size");
    }
    Texture *texture = GET(Texture, FUNCTION, destination->texture, TEXTURE);
    if (dataSize && !data) {
        fail("%s: %zu bytes are at NULL", FUNCTION, dataSize);
    }
    char reason[REASON];
    Rows rows;
    const char *wrong = aspect_wrong(destination->aspect);
    if (!wrong) {
        wrong = textures_missing();
    }
    if (!wrong && texture->object.device != device) {
        wrong = "an object belongs to another device";
    }
    if (!wrong) {
        wrong = place_wrong(texture, destination, writeSize, reason);
    }
    if (!wrong) {
        wrong = rows_wrong(texture, dataSize, dataLayout, writeSize, &rows, reason);
    }
    if (wrong) {
        report(device, FIZZ_GPU_VALIDATION, "%s: %s", FUNCTION, wrong);
    } else if (writeSize->width && writeSize->height && writeSize->depthOrArrayLayers) {
        // What the program does in a callback about an error takes neither from here.
        object_hold(&texture->object);
        send(device, texture, destination, data, &rows, writeSize);
        object_drop(&texture->object);
    }
}
