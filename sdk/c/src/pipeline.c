// Shaders, layouts, bind groups and pipelines: descriptors become commands, or error objects where they have no form.

#include "internal.h"
#include <math.h>
#include <stdlib.h>

static const char UNKNOWN_CHAIN[] = "the chain has a structure that is not known here";
static const char FOREIGN[] = "an object belongs to another device";

static Device *device_of(const char *function, WGPUDevice device, const void *descriptor) {
    Device *of = GET(Device, function, device, DEVICE);
    if (!descriptor) {
        fail("%s: the descriptor is NULL", function);
    }
    return of;
}

static void check_list(const char *function, size_t count, const void *list) {
    if (count && !list) {
        fail("%s: a list of %zu items is at NULL", function, count);
    }
}

// Shaders.

WGPUShaderModule wgpuDeviceCreateShaderModule(WGPUDevice device, const WGPUShaderModuleDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateShaderModule";
    Device *of = device_of(function, device, descriptor);
    WGPUStringView label = view_of(function, descriptor->label);
    Shader *shader = object_new(SHADER, of, sizeof *shader);
    const WGPUChainedStruct *chain = descriptor->nextInChain;
    if (!chain || chain->next || chain->sType != WGPUSType_ShaderSourceWGSL) {
        push_error(of, &shader->object, "%s: the chain is not one WGPUShaderSourceWGSL: this device takes only WGSL",
            function);
        return object_handle(&shader->object);
    }
    WGPUStringView code = view_of(function, ((const WGPUShaderSourceWGSL *)chain)->code);
    if (!is_utf8(code)) {
        push_error(of, &shader->object, "%s: the WGSL is not UTF-8", function);
    } else {
        push(of, FIZZ_GPU_CREATE_SHADER, "utx", shader->object.id, label, code);
    }
    return object_handle(&shader->object);
}

WGPUFuture wgpuShaderModuleGetCompilationInfo(WGPUShaderModule shaderModule,
    WGPUCompilationInfoCallbackInfo callbackInfo) {
    const char *function = "wgpuShaderModuleGetCompilationInfo";
    Shader *shader = GET(Shader, function, shaderModule, SHADER);
    Device *device = shader->object.device;
    Event *event = event_new(function, EVENT_MESSAGES, device->instance, callbackInfo.mode,
        (AnyCallback)callbackInfo.callback, callbackInfo.userdata1, callbackInfo.userdata2);
    event->object = &shader->object;
    object_hold(event->object);
    device_flush(device);
    return event_ready(event, WGPUCompilationInfoRequestStatus_Success, NULL);
}

void shader_gone(Object *object) {
    Shader *shader = (Shader *)object;
    for (size_t at = 0; at < shader->count; at++) {
        free((char *)shader->messages[at].message.data);
    }
    free(shader->messages);
}

// Bind group layouts.

static uint32_t binding_kind(WGPUBufferBindingType type) {
    switch (type) {
    case WGPUBufferBindingType_Undefined:
    case WGPUBufferBindingType_Uniform: return FIZZ_GPU_UNIFORM;
    case WGPUBufferBindingType_Storage: return FIZZ_GPU_STORAGE;
    case WGPUBufferBindingType_ReadOnlyStorage: return FIZZ_GPU_READ_ONLY_STORAGE;
    default: return 0;
    }
}

static uint32_t texture_kind(WGPUStorageTextureAccess access) {
    switch (access) {
    case WGPUStorageTextureAccess_Undefined:
    case WGPUStorageTextureAccess_WriteOnly: return FIZZ_GPU_WRITE_ONLY_TEXTURE;
    case WGPUStorageTextureAccess_ReadOnly: return FIZZ_GPU_READ_ONLY_TEXTURE;
    case WGPUStorageTextureAccess_ReadWrite: return FIZZ_GPU_READ_WRITE_TEXTURE;
    default: return 0;
    }
}

// The dimension of a view that a layout wants.
static WGPUTextureViewDimension wanted_dimension(const WGPUStorageTextureBindingLayout *layout) {
    return layout->viewDimension ? layout->viewDimension : WGPUTextureViewDimension_2D;
}

static const char *storage_texture_wrong(const WGPUStorageTextureBindingLayout *layout) {
    if (textures_missing()) {
        return textures_missing();
    }
    if (!texture_kind(layout->access)) {
        return "the access to the storage texture is none";
    }
    if (!texture_format(layout->format)) {
        return "its format is not offered: it is none of WebGPU's for storage";
    }
    return view_dimension(wanted_dimension(layout)) ? NULL : "its view dimension is none of a storage texture";
}

static const char *entry_wrong(const WGPUBindGroupLayoutEntry *entry) {
    if (entry->nextInChain || entry->buffer.nextInChain || entry->sampler.nextInChain || entry->texture.nextInChain ||
        entry->storageTexture.nextInChain) {
        return UNKNOWN_CHAIN;
    }
    if (entry->sampler.type || entry->texture.sampleType) {
        return "this device binds only buffers and storage textures";
    }
    if (entry->bindingArraySize > 1) {
        return "this device has no binding arrays";
    }
    if (entry->buffer.type && entry->storageTexture.access) {
        return "it is both a buffer and a storage texture";
    }
    if (entry->storageTexture.access) {
        return storage_texture_wrong(&entry->storageTexture);
    }
    return binding_kind(entry->buffer.type) ? NULL : "it says nothing of what is bound";
}

static void put_entry(Bytes *to, const WGPUBindGroupLayoutEntry *entry) {
    const WGPUStorageTextureBindingLayout *texture = &entry->storageTexture;
    uint32_t visible = entry->visibility & WGPUShaderStage_Compute ? FIZZ_GPU_VISIBLE : 0;
    put_u32(to, entry->binding);
    if (texture->access) {
        put_u32(to, texture_kind(texture->access));
        put_u32(to, visible);
        put_u32(to, texture_format(texture->format));
        put_u32(to, view_dimension(wanted_dimension(texture)));
        put_u64(to, 0);
    } else {
        put_u32(to, binding_kind(entry->buffer.type));
        put_u32(to, visible | (entry->buffer.hasDynamicOffset ? FIZZ_GPU_DYNAMIC_OFFSET : 0));
        put_u32(to, 0);
        put_u32(to, 0);
        put_u64(to, entry->buffer.minBindingSize);
    }
}

WGPUBindGroupLayout wgpuDeviceCreateBindGroupLayout(WGPUDevice device,
    const WGPUBindGroupLayoutDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateBindGroupLayout";
    Device *of = device_of(function, device, descriptor);
    WGPUStringView label = view_of(function, descriptor->label);
    check_list(function, descriptor->entryCount, descriptor->entries);
    Object *layout = object_new(BIND_GROUP_LAYOUT, of, sizeof *layout);
    if (descriptor->nextInChain) {
        push_error(of, layout, "%s: %s", function, UNKNOWN_CHAIN);
        return object_handle(layout);
    }
    for (size_t at = 0; at < descriptor->entryCount; at++) {
        const char *wrong = entry_wrong(&descriptor->entries[at]);
        if (wrong) {
            push_error(of, layout, "%s: binding %u: %s", function, descriptor->entries[at].binding, wrong);
            return object_handle(layout);
        }
    }
    Bytes *to = push_begin(of);
    if (to) {
        size_t begin = command_begin(to, FIZZ_GPU_CREATE_BIND_GROUP_LAYOUT);
        put_u32(to, layout->id);
        put_label(to, label);
        put_u32(to, (uint32_t)descriptor->entryCount);
        for (size_t at = 0; at < descriptor->entryCount; at++) {
            put_entry(to, &descriptor->entries[at]);
        }
        command_end(to, begin);
        push_end(of);
    }
    return object_handle(layout);
}

// Pipeline layouts.

WGPUPipelineLayout wgpuDeviceCreatePipelineLayout(WGPUDevice device, const WGPUPipelineLayoutDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreatePipelineLayout";
    Device *of = device_of(function, device, descriptor);
    WGPUStringView label = view_of(function, descriptor->label);
    check_list(function, descriptor->bindGroupLayoutCount, descriptor->bindGroupLayouts);
    const char *wrong = descriptor->nextInChain ? UNKNOWN_CHAIN : NULL;
    for (size_t at = 0; at < descriptor->bindGroupLayoutCount; at++) {
        WGPUBindGroupLayout group = descriptor->bindGroupLayouts[at];
        if (group && GET(Object, function, group, BIND_GROUP_LAYOUT)->device != of) {
            wrong = FOREIGN;
        }
    }
    Object *layout = object_new(PIPELINE_LAYOUT, of, sizeof *layout);
    if (wrong) {
        push_error(of, layout, "%s: %s", function, wrong);
        return object_handle(layout);
    }
    Bytes *to = push_begin(of);
    if (to) {
        size_t begin = command_begin(to, FIZZ_GPU_CREATE_PIPELINE_LAYOUT);
        put_u32(to, layout->id);
        put_u32(to, descriptor->immediateSize);
        put_label(to, label);
        put_u32(to, (uint32_t)descriptor->bindGroupLayoutCount);
        for (size_t at = 0; at < descriptor->bindGroupLayoutCount; at++) {
            put_u32(to, (uint32_t)(uintptr_t)descriptor->bindGroupLayouts[at]);
        }
        command_end(to, begin);
        push_end(of);
    }
    return object_handle(layout);
}

// Bind groups.

static const char *group_entry_wrong(const char *function, Device *of, const WGPUBindGroupEntry *entry) {
    if (entry->nextInChain) {
        return UNKNOWN_CHAIN;
    }
    if (entry->sampler || !entry->buffer == !entry->textureView) {
        return "it is neither one buffer nor one texture view: this device binds nothing else";
    }
    if (entry->textureView && textures_missing()) {
        return textures_missing();
    }
    Object *bound = entry->buffer ? GET(Object, function, entry->buffer, BUFFER)
                                  : GET(Object, function, entry->textureView, TEXTURE_VIEW);
    return bound->device == of ? NULL : FOREIGN;
}

WGPUBindGroup wgpuDeviceCreateBindGroup(WGPUDevice device, const WGPUBindGroupDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateBindGroup";
    Device *of = device_of(function, device, descriptor);
    WGPUStringView label = view_of(function, descriptor->label);
    check_list(function, descriptor->entryCount, descriptor->entries);
    Object *layout = GET(Object, function, descriptor->layout, BIND_GROUP_LAYOUT);
    Object *group = object_new(BIND_GROUP, of, sizeof *group);
    if (descriptor->nextInChain || layout->device != of) {
        push_error(of, group, "%s: %s", function, descriptor->nextInChain ? UNKNOWN_CHAIN : FOREIGN);
        return object_handle(group);
    }
    for (size_t at = 0; at < descriptor->entryCount; at++) {
        const char *wrong = group_entry_wrong(function, of, &descriptor->entries[at]);
        if (wrong) {
            push_error(of, group, "%s: binding %u: %s", function, descriptor->entries[at].binding, wrong);
            return object_handle(group);
        }
    }
    Bytes *to = push_begin(of);
    if (to) {
        size_t begin = command_begin(to, FIZZ_GPU_CREATE_BIND_GROUP);
        put_u32(to, group->id);
        put_u32(to, layout->id);
        put_label(to, label);
        put_u32(to, (uint32_t)descriptor->entryCount);
        for (size_t at = 0; at < descriptor->entryCount; at++) {
            const WGPUBindGroupEntry *entry = &descriptor->entries[at];
            put_u32(to, entry->binding);
            put_u32(to, (uint32_t)(entry->buffer ? (uintptr_t)entry->buffer : (uintptr_t)entry->textureView));
            // A view is bound whole.
            put_u64(to, entry->buffer ? entry->offset : 0);
            put_u64(to, entry->buffer ? entry->size : 0);
        }
        command_end(to, begin);
        push_end(of);
    }
    return object_handle(group);
}

// Pipelines.

static const char *state_wrong(const WGPUComputeState *state, WGPUStringView entry_point) {
    if (state->nextInChain) {
        return UNKNOWN_CHAIN;
    }
    if (entry_point.data && entry_point.length == 0) {
        return "the shader has no entry point without a name";
    }
    if (!is_utf8(entry_point)) {
        return "the entry point's name is not UTF-8";
    }
    for (size_t at = 0; at < state->constantCount; at++) {
        const WGPUConstantEntry *constant = &state->constants[at];
        if (constant->nextInChain || !isfinite(constant->value)) {
            return "a constant is not a finite number";
        }
        if (!is_utf8(view_of("WGPUConstantEntry", constant->key))) {
            return "a constant's name is not UTF-8";
        }
    }
    return NULL;
}

WGPUComputePipeline wgpuDeviceCreateComputePipeline(WGPUDevice device,
    const WGPUComputePipelineDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateComputePipeline";
    Device *of = device_of(function, device, descriptor);
    const WGPUComputeState *state = &descriptor->compute;
    WGPUStringView label = view_of(function, descriptor->label);
    WGPUStringView entry_point = view_of(function, state->entryPoint);
    check_list(function, state->constantCount, state->constants);
    Object *shader = GET(Object, function, state->module, SHADER);
    Object *layout = descriptor->layout ? GET(Object, function, descriptor->layout, PIPELINE_LAYOUT) : NULL;
    const char *wrong = descriptor->nextInChain ? UNKNOWN_CHAIN : state_wrong(state, entry_point);
    if (shader->device != of || (layout && layout->device != of)) {
        wrong = FOREIGN;
    }
    Object *pipeline = object_new(COMPUTE_PIPELINE, of, sizeof *pipeline);
    if (wrong) {
        push_error(of, pipeline, "%s: %s", function, wrong);
        return object_handle(pipeline);
    }
    Bytes *to = push_begin(of);
    if (to) {
        size_t begin = command_begin(to, FIZZ_GPU_CREATE_COMPUTE_PIPELINE);
        put_u32(to, pipeline->id);
        put_u32(to, layout ? layout->id : 0);
        put_u32(to, shader->id);
        put_u32(to, 1);
        put_label(to, label);
        put_text(to, entry_point);
        put_u32(to, (uint32_t)state->constantCount);
        for (size_t at = 0; at < state->constantCount; at++) {
            put_text(to, view_of(function, state->constants[at].key));
            put_raw(to, &state->constants[at].value, sizeof(double));
        }
        command_end(to, begin);
        push_end(of);
    }
    return object_handle(pipeline);
}

WGPUFuture wgpuDeviceCreateComputePipelineAsync(WGPUDevice device, const WGPUComputePipelineDescriptor *descriptor,
    WGPUCreateComputePipelineAsyncCallbackInfo callbackInfo) {
    const char *function = "wgpuDeviceCreateComputePipelineAsync";
    Device *of = device_of(function, device, descriptor);
    Event *event = event_new(function, EVENT_PIPELINE, of->instance, callbackInfo.mode,
        (AnyCallback)callbackInfo.callback, callbackInfo.userdata1, callbackInfo.userdata2);
    // Its errors go to the callback and nowhere else.
    device_push_scope(of, FIZZ_GPU_INTERNAL);
    device_push_scope(of, FIZZ_GPU_VALIDATION);
    WGPUComputePipeline pipeline = wgpuDeviceCreateComputePipeline(device, descriptor);
    int status = WGPUCreatePipelineAsyncStatus_Success;
    char *message = NULL;
    for (int scope = 0; scope < 2; scope++) {
        device_pop_scope(of);
        if (of->answer && !message) {
            status = of->answer == FIZZ_GPU_VALIDATION ? WGPUCreatePipelineAsyncStatus_ValidationError
                                                       : WGPUCreatePipelineAsyncStatus_InternalError;
            message = copy_text(text_of(of->answer_text));
        }
    }
    if (message) {
        object_release(function, pipeline, COMPUTE_PIPELINE);
    } else {
        event->object = object_find((uint32_t)(uintptr_t)pipeline);
        object_hold(event->object);
    }
    WGPUFuture future = event_ready(event, status, message);
    free(message);
    return future;
}

WGPUBindGroupLayout wgpuComputePipelineGetBindGroupLayout(WGPUComputePipeline computePipeline, uint32_t groupIndex) {
    Object *pipeline = object_get("wgpuComputePipelineGetBindGroupLayout", computePipeline, COMPUTE_PIPELINE);
    Object *layout = object_new(BIND_GROUP_LAYOUT, pipeline->device, sizeof *layout);
    push(pipeline->device, FIZZ_GPU_GET_BIND_GROUP_LAYOUT, "uuu", layout->id, pipeline->id, groupIndex);
    return object_handle(layout);
}

#define COUNTED(Type, KIND) \
    void wgpu##Type##AddRef(WGPU##Type object) { object_add_ref("wgpu" #Type "AddRef", object, KIND); } \
    void wgpu##Type##Release(WGPU##Type object) { object_release("wgpu" #Type "Release", object, KIND); }

COUNTED(ShaderModule, SHADER)
COUNTED(BindGroupLayout, BIND_GROUP_LAYOUT)
COUNTED(BindGroup, BIND_GROUP)
COUNTED(PipelineLayout, PIPELINE_LAYOUT)
COUNTED(ComputePipeline, COMPUTE_PIPELINE)
