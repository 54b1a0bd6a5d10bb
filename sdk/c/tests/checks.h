// What the test programs share: a device, and small functions around the futures.
#ifndef CHECKS_H_
#define CHECKS_H_

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webgpu/webgpu.h>

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

typedef struct Gpu {
    WGPUInstance instance;
    WGPUAdapter adapter;
    WGPUDevice device;
    WGPUQueue queue;
} Gpu;

// Errors that no scope caught, and the last one.
static int uncaught;
static WGPUErrorType uncaught_type;
static char uncaught_text[512];
// Called after each.
static void (*when_uncaught)(void);
static int lost;
static WGPUDeviceLostReason lost_reason;
static bool lost_device_is_null;

static inline WGPUStringView text(const char *text) {
    return (WGPUStringView){text, WGPU_STRLEN};
}

static inline void on_error(const WGPUDevice *device, WGPUErrorType type, WGPUStringView message, void *one, void *two) {
    (void)device, (void)one, (void)two;
    uncaught++;
    uncaught_type = type;
    snprintf(uncaught_text, sizeof uncaught_text, "%.*s", (int)message.length, message.data);
    if (when_uncaught) {
        when_uncaught();
    }
}

static inline void on_lost(const WGPUDevice *device, WGPUDeviceLostReason reason, WGPUStringView message, void *one,
    void *two) {
    (void)message, (void)one, (void)two;
    lost++;
    lost_reason = reason;
    lost_device_is_null = *device == NULL;
}

static inline void on_adapter(WGPURequestAdapterStatus status, WGPUAdapter adapter, WGPUStringView message, void *one,
    void *two) {
    (void)two;
    if (status != WGPURequestAdapterStatus_Success) {
        fprintf(stderr, "no adapter: %.*s\n", (int)message.length, message.data);
        exit(3);
    }
    *(WGPUAdapter *)one = adapter;
}

static inline void on_device(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message, void *one,
    void *two) {
    *(WGPUDevice *)one = device;
    if (two) {
        *(WGPURequestDeviceStatus *)two = status;
    } else if (status != WGPURequestDeviceStatus_Success) {
        fprintf(stderr, "no device: %.*s\n", (int)message.length, message.data);
        exit(3);
    }
}

static inline void wait_for(WGPUInstance instance, WGPUFuture future) {
    WGPUFutureWaitInfo info = {future, false};
    MUST(wgpuInstanceWaitAny(instance, 1, &info, 0) == WGPUWaitStatus_Success);
    MUST(info.completed);
}

// Asks for a device with these features.
static inline void connect_device_with(Gpu *gpu, size_t count, const WGPUFeatureName *features) {
    WGPUDeviceDescriptor wanted = WGPU_DEVICE_DESCRIPTOR_INIT;
    wanted.requiredFeatureCount = count;
    wanted.requiredFeatures = features;
    wanted.uncapturedErrorCallbackInfo.callback = on_error;
    wanted.deviceLostCallbackInfo.callback = on_lost;
    wanted.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowSpontaneous;
    WGPURequestDeviceCallbackInfo device = {NULL, WGPUCallbackMode_WaitAnyOnly, on_device, &gpu->device, NULL};
    wait_for(gpu->instance, wgpuAdapterRequestDevice(gpu->adapter, &wanted, device));
    gpu->queue = wgpuDeviceGetQueue(gpu->device);
}

static inline void connect_device(Gpu *gpu) {
    connect_device_with(gpu, 0, NULL);
}

static inline Gpu connect_gpu_with(size_t count, const WGPUFeatureName *features) {
    Gpu gpu = {0};
    gpu.instance = wgpuCreateInstance(NULL);
    WGPURequestAdapterCallbackInfo adapter = {NULL, WGPUCallbackMode_WaitAnyOnly, on_adapter, &gpu.adapter, NULL};
    wait_for(gpu.instance, wgpuInstanceRequestAdapter(gpu.instance, NULL, adapter));
    connect_device_with(&gpu, count, features);
    return gpu;
}

static inline Gpu connect_gpu(void) {
    return connect_gpu_with(0, NULL);
}

static inline void disconnect(Gpu *gpu) {
    wgpuQueueRelease(gpu->queue);
    wgpuDeviceRelease(gpu->device);
    wgpuAdapterRelease(gpu->adapter);
    wgpuInstanceRelease(gpu->instance);
}

static inline WGPUBuffer make_buffer(const Gpu *gpu, WGPUBufferUsage usage, uint64_t size) {
    WGPUBufferDescriptor wanted = WGPU_BUFFER_DESCRIPTOR_INIT;
    wanted.label = text("buffer");
    wanted.usage = usage;
    wanted.size = size;
    return wgpuDeviceCreateBuffer(gpu->device, &wanted);
}

static inline WGPUShaderModule make_shader(const Gpu *gpu, const char *wgsl) {
    WGPUShaderSourceWGSL source = WGPU_SHADER_SOURCE_WGSL_INIT;
    source.code = text(wgsl);
    WGPUShaderModuleDescriptor wanted = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
    wanted.nextInChain = &source.chain;
    wanted.label = text("shader");
    return wgpuDeviceCreateShaderModule(gpu->device, &wanted);
}

static inline WGPUComputePipeline make_pipeline(const Gpu *gpu, const char *wgsl) {
    WGPUComputePipelineDescriptor wanted = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    wanted.compute.module = make_shader(gpu, wgsl);
    WGPUComputePipeline pipeline = wgpuDeviceCreateComputePipeline(gpu->device, &wanted);
    wgpuShaderModuleRelease(wanted.compute.module);
    return pipeline;
}

// A bind group of whole buffers for the first group of a pipeline with an automatic layout.
static inline WGPUBindGroup make_group(const Gpu *gpu, WGPUComputePipeline pipeline, size_t count,
    const WGPUBuffer *buffers) {
    WGPUBindGroupEntry entries[4];
    for (size_t at = 0; at < count; at++) {
        entries[at] = (WGPUBindGroupEntry){.binding = (uint32_t)at, .buffer = buffers[at], .size = WGPU_WHOLE_SIZE};
    }
    WGPUBindGroupDescriptor wanted = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    wanted.layout = wgpuComputePipelineGetBindGroupLayout(pipeline, 0);
    wanted.entryCount = count;
    wanted.entries = entries;
    WGPUBindGroup group = wgpuDeviceCreateBindGroup(gpu->device, &wanted);
    wgpuBindGroupLayoutRelease(wanted.layout);
    return group;
}

static inline void submit(const Gpu *gpu, WGPUCommandEncoder encoder) {
    WGPUCommandBuffer commands = wgpuCommandEncoderFinish(encoder, NULL);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    wgpuCommandBufferRelease(commands);
    wgpuCommandEncoderRelease(encoder);
}

static inline void dispatch(const Gpu *gpu, WGPUComputePipeline pipeline, WGPUBindGroup group, uint32_t count) {
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetPipeline(pass, pipeline);
    wgpuComputePassEncoderSetBindGroup(pass, 0, group, 0, NULL);
    wgpuComputePassEncoderDispatchWorkgroups(pass, count, 1, 1);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    submit(gpu, encoder);
}

static inline void on_map(WGPUMapAsyncStatus status, WGPUStringView message, void *one, void *two) {
    (void)message, (void)two;
    *(WGPUMapAsyncStatus *)one = status;
}

static inline WGPUMapAsyncStatus map_buffer(const Gpu *gpu, WGPUBuffer buffer, WGPUMapMode mode, size_t offset,
    size_t size) {
    WGPUMapAsyncStatus status = 0;
    WGPUBufferMapCallbackInfo info = {NULL, WGPUCallbackMode_WaitAnyOnly, on_map, &status, NULL};
    wait_for(gpu->instance, wgpuBufferMapAsync(buffer, mode, offset, size, info));
    return status;
}

// Copies a buffer's words out through a buffer that can be mapped.
static inline void read_words(const Gpu *gpu, WGPUBuffer buffer, size_t count, uint32_t *words) {
    WGPUBuffer copy = make_buffer(gpu, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, count * 4);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderCopyBufferToBuffer(encoder, buffer, 0, copy, 0, count * 4);
    submit(gpu, encoder);
    MUST(map_buffer(gpu, copy, WGPUMapMode_Read, 0, WGPU_WHOLE_MAP_SIZE) == WGPUMapAsyncStatus_Success);
    memcpy(words, wgpuBufferGetConstMappedRange(copy, 0, count * 4), count * 4);
    wgpuBufferUnmap(copy);
    wgpuBufferRelease(copy);
}

typedef struct Popped {
    WGPUPopErrorScopeStatus status;
    WGPUErrorType type;
    char text[512];
} Popped;

static inline void on_pop(WGPUPopErrorScopeStatus status, WGPUErrorType type, WGPUStringView message, void *one,
    void *two) {
    (void)two;
    Popped *popped = one;
    popped->status = status;
    popped->type = type;
    snprintf(popped->text, sizeof popped->text, "%.*s", (int)message.length, message.data);
}

static inline Popped pop_scope(const Gpu *gpu) {
    Popped popped = {0};
    WGPUPopErrorScopeCallbackInfo info = {NULL, WGPUCallbackMode_AllowProcessEvents, on_pop, &popped, NULL};
    wgpuDevicePopErrorScope(gpu->device, info);
    wgpuInstanceProcessEvents(gpu->instance);
    MUST(popped.status != 0);
    return popped;
}

// Whether what was done since the scope was pushed made a validation error that says this.
static inline bool was_invalid(const Gpu *gpu, const char *says) {
    Popped popped = pop_scope(gpu);
    if (popped.type != WGPUErrorType_Validation || !strstr(popped.text, says)) {
        fprintf(stderr, "type %d: %s\n", popped.type, popped.text);
        return false;
    }
    return true;
}

static inline void push_scope(const Gpu *gpu) {
    wgpuDevicePushErrorScope(gpu->device, WGPUErrorFilter_Validation);
}

static const char DOUBLE[] =
    "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n"
    "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
    "    if (id.x < arrayLength(&data)) { data[id.x] *= 2u; }\n"
    "}\n";

enum { STORAGE = 0x80 | 0x8 | 0x4 };

#endif
