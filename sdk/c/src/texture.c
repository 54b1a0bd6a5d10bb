// Textures and their views: storage textures, in WebGPU's formats for them. Copies are in copy.c and upload.c.

#include "internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char UNKNOWN_CHAIN[] = "the chain has a structure that is not known here";

// Room for the reason of an error.
enum { REASON = 160 };

uint32_t texture_format(WGPUTextureFormat format) {
    switch (format) {
    case WGPUTextureFormat_R32Uint: return FIZZ_GPU_FORMAT_R32UINT;
    case WGPUTextureFormat_R32Sint: return FIZZ_GPU_FORMAT_R32SINT;
    case WGPUTextureFormat_R32Float: return FIZZ_GPU_FORMAT_R32FLOAT;
    case WGPUTextureFormat_RGBA8Unorm: return FIZZ_GPU_FORMAT_RGBA8UNORM;
    case WGPUTextureFormat_RGBA8Snorm: return FIZZ_GPU_FORMAT_RGBA8SNORM;
    case WGPUTextureFormat_RGBA8Uint: return FIZZ_GPU_FORMAT_RGBA8UINT;
    case WGPUTextureFormat_RGBA8Sint: return FIZZ_GPU_FORMAT_RGBA8SINT;
    case WGPUTextureFormat_RG32Uint: return FIZZ_GPU_FORMAT_RG32UINT;
    case WGPUTextureFormat_RG32Sint: return FIZZ_GPU_FORMAT_RG32SINT;
    case WGPUTextureFormat_RG32Float: return FIZZ_GPU_FORMAT_RG32FLOAT;
    case WGPUTextureFormat_RGBA16Uint: return FIZZ_GPU_FORMAT_RGBA16UINT;
    case WGPUTextureFormat_RGBA16Sint: return FIZZ_GPU_FORMAT_RGBA16SINT;
    case WGPUTextureFormat_RGBA16Float: return FIZZ_GPU_FORMAT_RGBA16FLOAT;
    case WGPUTextureFormat_RGBA32Uint: return FIZZ_GPU_FORMAT_RGBA32UINT;
    case WGPUTextureFormat_RGBA32Sint: return FIZZ_GPU_FORMAT_RGBA32SINT;
    case WGPUTextureFormat_RGBA32Float: return FIZZ_GPU_FORMAT_RGBA32FLOAT;
    default: return 0;
    }
}

uint32_t texel_bytes(WGPUTextureFormat format) {
    uint32_t number = texture_format(format);
    return number < FIZZ_GPU_FORMAT_RG32UINT ? 4 : number < FIZZ_GPU_FORMAT_RGBA32UINT ? 8 : 16;
}

uint32_t view_dimension(WGPUTextureViewDimension dimension) {
    switch (dimension) {
    case WGPUTextureViewDimension_1D: return FIZZ_GPU_VIEW_D1;
    case WGPUTextureViewDimension_2D: return FIZZ_GPU_VIEW_D2;
    case WGPUTextureViewDimension_2DArray: return FIZZ_GPU_VIEW_D2ARRAY;
    case WGPUTextureViewDimension_3D: return FIZZ_GPU_VIEW_D3;
    default: return 0;
    }
}

const char *textures_missing(void) {
    return host_knows(TEXTURE) ? NULL : "this device has no textures";
}

const char *aspect_wrong(WGPUTextureAspect aspect) {
    switch (aspect) {
    case WGPUTextureAspect_Undefined:
    case WGPUTextureAspect_All: return NULL;
    case WGPUTextureAspect_StencilOnly: return "the texture has no aspect StencilOnly";
    case WGPUTextureAspect_DepthOnly: return "the texture has no aspect DepthOnly";
    default: return "the aspect is none";
    }
}

// Textures.

// What the standard has a core device take and not look at.
static bool chain_known(const WGPUChainedStruct *chain) {
    return !chain || (chain->sType == WGPUSType_TextureBindingViewDimension && !chain->next);
}

// Why the stream has no form of a texture, or NULL.
static const char *texture_wrong(const WGPUTextureDescriptor *wanted, char reason[REASON]) {
    if (textures_missing()) {
        return textures_missing();
    }
    if (!chain_known(wanted->nextInChain)) {
        return UNKNOWN_CHAIN;
    }
    WGPUTextureUsage known = WGPUTextureUsage_CopySrc | WGPUTextureUsage_CopyDst | WGPUTextureUsage_TextureBinding |
                             WGPUTextureUsage_StorageBinding;
    if (wanted->usage & ~known) {
        snprintf(reason, REASON, "usage %#" PRIx64 " is not offered", wanted->usage & ~known);
        return reason;
    }
    if (wanted->sampleCount != 1) {
        snprintf(reason, REASON, "%" PRIu32 " samples: this device has no multisampling", wanted->sampleCount);
        return reason;
    }
    for (size_t at = 0; at < wanted->viewFormatCount; at++) {
        if (wanted->viewFormats[at] != wanted->format) {
            snprintf(reason, REASON, "views of the format %#x: this device shows a texture in its own format",
                (unsigned)wanted->viewFormats[at]);
            return reason;
        }
    }
    if (!texture_format(wanted->format)) {
        snprintf(reason, REASON, "format %#x is not offered: it is none of WebGPU's for storage",
            (unsigned)wanted->format);
        return reason;
    }
    if ((unsigned)wanted->dimension > WGPUTextureDimension_3D) {
        snprintf(reason, REASON, "dimension %d is none", (int)wanted->dimension);
        return reason;
    }
    return NULL;
}

WGPUTexture wgpuDeviceCreateTexture(WGPUDevice device, const WGPUTextureDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateTexture";
    Device *of = GET(Device, function, device, DEVICE);
    if (!descriptor) {
        fail("%s: the descriptor is NULL", function);
    }
    if (descriptor->viewFormatCount && !descriptor->viewFormats) {
        fail("%s: a list of %zu items is at NULL", function, descriptor->viewFormatCount);
    }
    WGPUStringView label = view_of(function, descriptor->label);
    Texture *texture = object_new(TEXTURE, of, sizeof *texture);
    texture->usage = descriptor->usage;
    texture->dimension = descriptor->dimension ? descriptor->dimension : WGPUTextureDimension_2D;
    texture->size = descriptor->size;
    texture->format = descriptor->format;
    texture->mip_levels = descriptor->mipLevelCount;
    texture->samples = descriptor->sampleCount;
    char reason[REASON];
    const char *wrong = texture_wrong(descriptor, reason);
    if (wrong) {
        push_error(of, &texture->object, "%s: %s", function, wrong);
    } else {
        texture->valid = true;
        // The stream's numbers of dimensions are the standard's.
        push(of, FIZZ_GPU_CREATE_TEXTURE, "uuuuuuuut", texture->object.id, (uint32_t)texture->usage,
            texture_format(texture->format), (uint32_t)texture->dimension, texture->size.width, texture->size.height,
            texture->size.depthOrArrayLayers, texture->mip_levels, label);
    }
    return object_handle(&texture->object);
}

void wgpuTextureDestroy(WGPUTexture texture) {
    Object *object = object_get("wgpuTextureDestroy", texture, TEXTURE);
    if (!textures_missing()) {
        push(object->device, FIZZ_GPU_DESTROY_TEXTURE, "u", object->id);
    }
}

// Views.

static const char *view_wrong(const Texture *texture, const WGPUTextureViewDescriptor *wanted, char reason[REASON]) {
    if (textures_missing()) {
        return textures_missing();
    }
    if (wanted->nextInChain) {
        return UNKNOWN_CHAIN;
    }
    if (wanted->format && wanted->format != texture->format) {
        snprintf(reason, REASON, "format %#x is not the texture's, which is %#x", (unsigned)wanted->format,
            (unsigned)texture->format);
        return reason;
    }
    if (wanted->usage & ~texture->usage) {
        snprintf(reason, REASON, "usage %#" PRIx64 " is not all of the texture's, which is %#" PRIx64, wanted->usage,
            texture->usage);
        return reason;
    }
    if (wanted->dimension && !view_dimension(wanted->dimension)) {
        snprintf(reason, REASON, "view dimension %d is none of a storage texture", (int)wanted->dimension);
        return reason;
    }
    return aspect_wrong(wanted->aspect);
}

WGPUTextureView wgpuTextureCreateView(WGPUTexture texture, const WGPUTextureViewDescriptor *descriptor) {
    const char *function = "wgpuTextureCreateView";
    Texture *of = GET(Texture, function, texture, TEXTURE);
    Device *device = of->object.device;
    WGPUTextureViewDescriptor wanted = WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT;
    if (descriptor) {
        wanted = *descriptor;
    }
    WGPUStringView label = view_of(function, wanted.label);
    Object *view = object_new(TEXTURE_VIEW, device, sizeof *view);
    char reason[REASON];
    const char *wrong = view_wrong(of, &wanted, reason);
    if (wrong) {
        push_error(device, view, "%s: %s", function, wrong);
    } else {
        // What is not given is the same number in the standard and in the stream.
        push(device, FIZZ_GPU_CREATE_TEXTURE_VIEW, "uuuuuuut", view->id, of->object.id,
            view_dimension(wanted.dimension), wanted.baseMipLevel, wanted.mipLevelCount, wanted.baseArrayLayer,
            wanted.arrayLayerCount, label);
    }
    return object_handle(view);
}

// What a texture was asked for with, valid or not.

static const Texture *texture_of(const char *function, WGPUTexture texture) {
    return GET(Texture, function, texture, TEXTURE);
}

uint32_t wgpuTextureGetWidth(WGPUTexture texture) {
    return texture_of("wgpuTextureGetWidth", texture)->size.width;
}

uint32_t wgpuTextureGetHeight(WGPUTexture texture) {
    return texture_of("wgpuTextureGetHeight", texture)->size.height;
}

uint32_t wgpuTextureGetDepthOrArrayLayers(WGPUTexture texture) {
    return texture_of("wgpuTextureGetDepthOrArrayLayers", texture)->size.depthOrArrayLayers;
}

uint32_t wgpuTextureGetMipLevelCount(WGPUTexture texture) {
    return texture_of("wgpuTextureGetMipLevelCount", texture)->mip_levels;
}

uint32_t wgpuTextureGetSampleCount(WGPUTexture texture) {
    return texture_of("wgpuTextureGetSampleCount", texture)->samples;
}

WGPUTextureDimension wgpuTextureGetDimension(WGPUTexture texture) {
    return texture_of("wgpuTextureGetDimension", texture)->dimension;
}

WGPUTextureFormat wgpuTextureGetFormat(WGPUTexture texture) {
    return texture_of("wgpuTextureGetFormat", texture)->format;
}

WGPUTextureUsage wgpuTextureGetUsage(WGPUTexture texture) {
    return texture_of("wgpuTextureGetUsage", texture)->usage;
}

// A core device has none.
WGPUTextureViewDimension wgpuTextureGetTextureBindingViewDimension(WGPUTexture texture) {
    texture_of("wgpuTextureGetTextureBindingViewDimension", texture);
    return WGPUTextureViewDimension_Undefined;
}

void wgpuTextureAddRef(WGPUTexture texture) {
    object_add_ref("wgpuTextureAddRef", texture, TEXTURE);
}

void wgpuTextureRelease(WGPUTexture texture) {
    object_release("wgpuTextureRelease", texture, TEXTURE);
}

void wgpuTextureViewAddRef(WGPUTextureView textureView) {
    object_add_ref("wgpuTextureViewAddRef", textureView, TEXTURE_VIEW);
}

void wgpuTextureViewRelease(WGPUTextureView textureView) {
    object_release("wgpuTextureViewRelease", textureView, TEXTURE_VIEW);
}
