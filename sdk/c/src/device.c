// The adapter, the device and its queue; error scopes.

#include "internal.h"
#include <stdio.h>
#include <stdlib.h>

// What there is, first what every device has.
static const WGPUFeatureName features_known[] = {WGPUFeatureName_CoreFeaturesAndLimits,
    WGPUFeatureName_TimestampQuery};

static void fill_features(WGPUSupportedFeatures *features, bool timestamps) {
    *features = (WGPUSupportedFeatures){timestamps ? 2 : 1, features_known};
}

static bool has_feature(WGPUFeatureName feature, bool timestamps) {
    return feature == features_known[0] || (timestamps && feature == features_known[1]);
}

static void fill_info(WGPUAdapterInfo *info) {
    // The device shows nothing of the host: results must not depend on which one it was.
    *info = (WGPUAdapterInfo){
        .vendor = text_of(""),
        .architecture = text_of(""),
        .device = text_of("Fizz"),
        .description = text_of("Fizz"),
        .backendType = WGPUBackendType_WebGPU,
        .adapterType = WGPUAdapterType_Unknown,
        .subgroupMinSize = 4,
        .subgroupMaxSize = 128,
    };
}

static WGPUStatus get_info(const char *function, WGPUAdapterInfo *info) {
    if (info->nextInChain) {
        note("%s: the chain has a structure that is not known here", function);
        return WGPUStatus_Error;
    }
    fill_info(info);
    return WGPUStatus_Success;
}

// WebGPU's defaults, with those that compute meets taken from the host.
static WGPULimits limits_offered(void) {
    const struct fizz_gpu_caps *caps = host_caps();
    return (WGPULimits){
        .maxTextureDimension1D = 8192,
        .maxTextureDimension2D = 8192,
        .maxTextureDimension3D = 2048,
        .maxTextureArrayLayers = 256,
        .maxBindGroups = caps->max_bind_groups,
        .maxBindGroupsPlusVertexBuffers = 24,
        .maxBindingsPerBindGroup = caps->max_bindings_per_bind_group,
        .maxDynamicUniformBuffersPerPipelineLayout = caps->max_dynamic_uniform_buffers_per_pipeline_layout,
        .maxDynamicStorageBuffersPerPipelineLayout = caps->max_dynamic_storage_buffers_per_pipeline_layout,
        .maxSampledTexturesPerShaderStage = 16,
        .maxSamplersPerShaderStage = 16,
        .maxStorageBuffersPerShaderStage = caps->max_storage_buffers_per_shader_stage,
        .maxStorageTexturesPerShaderStage = 4,
        .maxUniformBuffersPerShaderStage = caps->max_uniform_buffers_per_shader_stage,
        .maxUniformBufferBindingSize = caps->max_uniform_buffer_binding_size,
        .maxStorageBufferBindingSize = caps->max_storage_buffer_binding_size,
        .minUniformBufferOffsetAlignment = caps->min_uniform_buffer_offset_alignment,
        .minStorageBufferOffsetAlignment = caps->min_storage_buffer_offset_alignment,
        .maxVertexBuffers = 8,
        .maxBufferSize = caps->max_buffer_size,
        .maxVertexAttributes = 16,
        .maxVertexBufferArrayStride = 2048,
        .maxInterStageShaderVariables = 16,
        .maxColorAttachments = 8,
        .maxColorAttachmentBytesPerSample = 32,
        .maxComputeWorkgroupStorageSize = caps->max_compute_workgroup_storage_size,
        .maxComputeInvocationsPerWorkgroup = caps->max_compute_invocations_per_workgroup,
        .maxComputeWorkgroupSizeX = caps->max_compute_workgroup_size_x,
        .maxComputeWorkgroupSizeY = caps->max_compute_workgroup_size_y,
        .maxComputeWorkgroupSizeZ = caps->max_compute_workgroup_size_z,
        .maxComputeWorkgroupsPerDimension = caps->max_compute_workgroups_per_dimension,
        .maxImmediateSize = caps->max_immediate_size,
    };
}

static WGPUStatus get_limits(const char *function, WGPULimits *limits) {
    if (limits->nextInChain) {
        note("%s: the chain has a structure that is not known here", function);
        return WGPUStatus_Error;
    }
    *limits = limits_offered();
    return WGPUStatus_Success;
}

// The name of a limit that asks for more than there is, or NULL.
static const char *limit_beyond(const WGPULimits *asked) {
    WGPULimits most = limits_offered();
#define MOST(type, name) \
    if (asked->name != (type)-1 && asked->name > most.name) \
    return #name
#define LEAST(name) \
    if (asked->name != UINT32_MAX && (asked->name < most.name || asked->name & (asked->name - 1))) \
    return #name
    MOST(uint32_t, maxTextureDimension1D);
    MOST(uint32_t, maxTextureDimension2D);
    MOST(uint32_t, maxTextureDimension3D);
    MOST(uint32_t, maxTextureArrayLayers);
    MOST(uint32_t, maxBindGroups);
    MOST(uint32_t, maxBindGroupsPlusVertexBuffers);
    MOST(uint32_t, maxBindingsPerBindGroup);
    MOST(uint32_t, maxDynamicUniformBuffersPerPipelineLayout);
    MOST(uint32_t, maxDynamicStorageBuffersPerPipelineLayout);
    MOST(uint32_t, maxSampledTexturesPerShaderStage);
    MOST(uint32_t, maxSamplersPerShaderStage);
    MOST(uint32_t, maxStorageBuffersPerShaderStage);
    MOST(uint32_t, maxStorageTexturesPerShaderStage);
    MOST(uint32_t, maxUniformBuffersPerShaderStage);
    MOST(uint64_t, maxUniformBufferBindingSize);
    MOST(uint64_t, maxStorageBufferBindingSize);
    LEAST(minUniformBufferOffsetAlignment);
    LEAST(minStorageBufferOffsetAlignment);
    MOST(uint32_t, maxVertexBuffers);
    MOST(uint64_t, maxBufferSize);
    MOST(uint32_t, maxVertexAttributes);
    MOST(uint32_t, maxVertexBufferArrayStride);
    MOST(uint32_t, maxInterStageShaderVariables);
    MOST(uint32_t, maxColorAttachments);
    MOST(uint32_t, maxColorAttachmentBytesPerSample);
    MOST(uint32_t, maxComputeWorkgroupStorageSize);
    MOST(uint32_t, maxComputeInvocationsPerWorkgroup);
    MOST(uint32_t, maxComputeWorkgroupSizeX);
    MOST(uint32_t, maxComputeWorkgroupSizeY);
    MOST(uint32_t, maxComputeWorkgroupSizeZ);
    MOST(uint32_t, maxComputeWorkgroupsPerDimension);
    MOST(uint32_t, maxImmediateSize);
    return NULL;
}

// The adapter.

static const char *no_adapter(const WGPURequestAdapterOptions *options, struct fizz_gpu_caps *caps) {
    if (options && (options->nextInChain || options->compatibleSurface)) {
        return "there are no surfaces and no options beside the standard's here";
    }
    if (options && options->forceFallbackAdapter) {
        return "there is no fallback adapter";
    }
    if (options && options->backendType != WGPUBackendType_Undefined && options->backendType != WGPUBackendType_WebGPU) {
        return "the only backend is WebGPU";
    }
    return host_probe(caps) == 0 ? NULL : "the host offers no GPU";
}

WGPUFuture wgpuInstanceRequestAdapter(WGPUInstance instance, const WGPURequestAdapterOptions *options,
    WGPURequestAdapterCallbackInfo callbackInfo) {
    const char *function = "wgpuInstanceRequestAdapter";
    Instance *from = GET(Instance, function, instance, INSTANCE);
    Event *event = event_new(function, EVENT_ADAPTER, from, callbackInfo.mode, (AnyCallback)callbackInfo.callback,
        callbackInfo.userdata1, callbackInfo.userdata2);
    struct fizz_gpu_caps caps;
    const char *refused = no_adapter(options, &caps);
    if (refused) {
        return event_ready(event, WGPURequestAdapterStatus_Unavailable, refused);
    }
    Adapter *adapter = object_new(ADAPTER, NULL, sizeof *adapter);
    adapter->instance = from;
    object_hold(&from->object);
    event->object = &adapter->object;
    object_hold(event->object);
    return event_ready(event, WGPURequestAdapterStatus_Success, NULL);
}

void wgpuAdapterGetFeatures(WGPUAdapter adapter, WGPUSupportedFeatures *features) {
    object_get("wgpuAdapterGetFeatures", adapter, ADAPTER);
    fill_features(features, host_knows(QUERY_SET));
}

WGPUBool wgpuAdapterHasFeature(WGPUAdapter adapter, WGPUFeatureName feature) {
    object_get("wgpuAdapterHasFeature", adapter, ADAPTER);
    return has_feature(feature, host_knows(QUERY_SET));
}

WGPUStatus wgpuAdapterGetInfo(WGPUAdapter adapter, WGPUAdapterInfo *info) {
    object_get("wgpuAdapterGetInfo", adapter, ADAPTER);
    return get_info("wgpuAdapterGetInfo", info);
}

WGPUStatus wgpuAdapterGetLimits(WGPUAdapter adapter, WGPULimits *limits) {
    object_get("wgpuAdapterGetLimits", adapter, ADAPTER);
    return get_limits("wgpuAdapterGetLimits", limits);
}

// What is given out is constant: nothing of it is to be freed.
void wgpuAdapterInfoFreeMembers(WGPUAdapterInfo adapterInfo) {
    (void)adapterInfo;
}

void wgpuSupportedFeaturesFreeMembers(WGPUSupportedFeatures supportedFeatures) {
    (void)supportedFeatures;
}

void wgpuAdapterAddRef(WGPUAdapter adapter) {
    object_add_ref("wgpuAdapterAddRef", adapter, ADAPTER);
}

void wgpuAdapterRelease(WGPUAdapter adapter) {
    object_release("wgpuAdapterRelease", adapter, ADAPTER);
}

// The device.

static const char *no_device(const WGPUDeviceDescriptor *wanted) {
    if (wanted->nextInChain || (wanted->requiredLimits && wanted->requiredLimits->nextInChain)) {
        return "the descriptor's chain has a structure that is not known here";
    }
    struct fizz_gpu_caps caps;
    if (host_in_use()) {
        return "a job has one GPU device at a time: keep using it, or destroy it first";
    }
    if (host_probe(&caps) != 0) {
        return "the host offers no GPU";
    }
    for (size_t at = 0; at < wanted->requiredFeatureCount; at++) {
        if (!has_feature(wanted->requiredFeatures[at], host_knows(QUERY_SET))) {
            return "a required feature is not offered";
        }
    }
    const char *limit = wanted->requiredLimits ? limit_beyond(wanted->requiredLimits) : NULL;
    if (limit) {
        static char text[96];
        snprintf(text, sizeof text, "the limit %s is asked for beyond what is offered", limit);
        return text;
    }
    return NULL;
}

WGPUFuture wgpuAdapterRequestDevice(WGPUAdapter adapter, const WGPUDeviceDescriptor *descriptor,
    WGPURequestDeviceCallbackInfo callbackInfo) {
    const char *function = "wgpuAdapterRequestDevice";
    Instance *instance = GET(Adapter, function, adapter, ADAPTER)->instance;
    WGPUDeviceDescriptor wanted = WGPU_DEVICE_DESCRIPTOR_INIT;
    if (descriptor) {
        wanted = *descriptor;
    }
    if (wanted.requiredFeatureCount && !wanted.requiredFeatures) {
        fail("%s: a list of %zu items is at NULL", function, wanted.requiredFeatureCount);
    }
    WGPUDeviceLostCallbackInfo lost = wanted.deviceLostCallbackInfo;
    if (!lost.callback) {
        lost.mode = WGPUCallbackMode_AllowSpontaneous;
    }
    Event *event = event_new(function, EVENT_DEVICE, instance, callbackInfo.mode,
        (AnyCallback)callbackInfo.callback, callbackInfo.userdata1, callbackInfo.userdata2);
    Event *lost_event = event_new(function, EVENT_LOST, instance, lost.mode, (AnyCallback)lost.callback,
        lost.userdata1, lost.userdata2);
    const char *refused = no_device(&wanted);
    if (refused) {
        event_ready(lost_event, WGPUDeviceLostReason_FailedCreation, refused);
        return event_ready(event, WGPURequestDeviceStatus_Error, refused);
    }
    Device *device = object_new(DEVICE, NULL, sizeof *device);
    device->instance = instance;
    object_hold(&instance->object);
    for (size_t at = 0; at < wanted.requiredFeatureCount; at++) {
        device->timestamps |= wanted.requiredFeatures[at] == WGPUFeatureName_TimestampQuery;
    }
    device->uncaptured = wanted.uncapturedErrorCallbackInfo;
    device->lost_event = lost_event;
    device->lost_future = (WGPUFuture){lost_event->future};
    lost_event->object = &device->object;
    object_hold(lost_event->object);
    host_begin(device);
    event->object = &device->object;
    object_hold(event->object);
    return event_ready(event, WGPURequestDeviceStatus_Success, NULL);
}

void device_lose(Device *device) {
    if (device->lost) {
        return;
    }
    device_flush(device);
    device->lost = true;
    device->scopes = 0;
    device->stream.len = 0;
    host_end(device);
    objects_each(BUFFER, buffer_lose, device);
    Event *event = device->lost_event;
    device->lost_event = NULL;
    event_ready(event, WGPUDeviceLostReason_Destroyed, "the device was destroyed");
}

void device_gone(Device *device) {
    free(device->stream.data);
    free(device->answer_text);
    object_drop(&device->instance->object);
}

static Device *device_of(const char *function, WGPUDevice device) {
    return GET(Device, function, device, DEVICE);
}

void wgpuDeviceDestroy(WGPUDevice device) {
    device_lose(device_of("wgpuDeviceDestroy", device));
}

WGPUStatus wgpuDeviceGetAdapterInfo(WGPUDevice device, WGPUAdapterInfo *adapterInfo) {
    device_of("wgpuDeviceGetAdapterInfo", device);
    return get_info("wgpuDeviceGetAdapterInfo", adapterInfo);
}

void wgpuDeviceGetFeatures(WGPUDevice device, WGPUSupportedFeatures *features) {
    fill_features(features, device_of("wgpuDeviceGetFeatures", device)->timestamps);
}

WGPUBool wgpuDeviceHasFeature(WGPUDevice device, WGPUFeatureName feature) {
    return has_feature(feature, device_of("wgpuDeviceHasFeature", device)->timestamps);
}

WGPUStatus wgpuDeviceGetLimits(WGPUDevice device, WGPULimits *limits) {
    device_of("wgpuDeviceGetLimits", device);
    return get_limits("wgpuDeviceGetLimits", limits);
}

WGPUFuture wgpuDeviceGetLostFuture(WGPUDevice device) {
    return device_of("wgpuDeviceGetLostFuture", device)->lost_future;
}

void wgpuDeviceAddRef(WGPUDevice device) {
    object_add_ref("wgpuDeviceAddRef", device, DEVICE);
}

void wgpuDeviceRelease(WGPUDevice device) {
    object_release("wgpuDeviceRelease", device, DEVICE);
}

// Error scopes. Their filters have the numbers of the host's classes.

void wgpuDevicePushErrorScope(WGPUDevice device, WGPUErrorFilter filter) {
    const char *function = "wgpuDevicePushErrorScope";
    Device *to = device_of(function, device);
    if (filter < WGPUErrorFilter_Validation || filter > WGPUErrorFilter_Internal) {
        fail("%s: the filter %d is none", function, (int)filter);
    }
    // A few are kept for the library's own questions.
    if (to->scopes >= FIZZ_GPU_MAX_SCOPES - 8) {
        fail("%s: more than %u error scopes are open", function, to->scopes);
    }
    if (!to->lost) {
        to->scopes++;
        device_push_scope(to, filter);
    }
}

WGPUFuture wgpuDevicePopErrorScope(WGPUDevice device, WGPUPopErrorScopeCallbackInfo callbackInfo) {
    const char *function = "wgpuDevicePopErrorScope";
    Device *from = device_of(function, device);
    Event *event = event_new(function, EVENT_SCOPE, from->instance, callbackInfo.mode,
        (AnyCallback)callbackInfo.callback, callbackInfo.userdata1, callbackInfo.userdata2);
    if (from->lost) {
        return event_ready(event, WGPUPopErrorScopeStatus_Success, NULL);
    }
    if (from->scopes == 0) {
        return event_ready(event, WGPUPopErrorScopeStatus_Error, "no error scope is open");
    }
    from->scopes--;
    device_pop_scope(from);
    event->error = (WGPUErrorType)(from->answer + 1);
    return event_ready(event, WGPUPopErrorScopeStatus_Success, from->answer ? from->answer_text : NULL);
}

// The queue.

WGPUQueue wgpuDeviceGetQueue(WGPUDevice device) {
    Device *of = device_of("wgpuDeviceGetQueue", device);
    if (of->queue && of->queue->refs) {
        of->queue->refs++;
    } else {
        of->queue = object_new(QUEUE, of, sizeof(Object));
    }
    return object_handle(of->queue);
}

WGPUFuture wgpuQueueOnSubmittedWorkDone(WGPUQueue queue, WGPUQueueWorkDoneCallbackInfo callbackInfo) {
    const char *function = "wgpuQueueOnSubmittedWorkDone";
    Device *device = GET(Object, function, queue, QUEUE)->device;
    Event *event = event_new(function, EVENT_WORK_DONE, device->instance, callbackInfo.mode,
        (AnyCallback)callbackInfo.callback, callbackInfo.userdata1, callbackInfo.userdata2);
    device_flush(device);
    if (!device->lost) {
        fizz_gpu_wait(-1, -1);
    }
    return event_ready(event, WGPUQueueWorkDoneStatus_Success, NULL);
}

void wgpuQueueAddRef(WGPUQueue queue) {
    object_add_ref("wgpuQueueAddRef", queue, QUEUE);
}

void wgpuQueueRelease(WGPUQueue queue) {
    object_release("wgpuQueueRelease", queue, QUEUE);
}
