// What webgpu.h promises of errors, futures and the loss of the device.
#include "checks.h"

static void scopes(const Gpu *gpu) {
    // The innermost scope with the right filter takes the error, and keeps the first.
    wgpuDevicePushErrorScope(gpu->device, WGPUErrorFilter_Validation);
    wgpuDevicePushErrorScope(gpu->device, WGPUErrorFilter_OutOfMemory);
    wgpuDevicePushErrorScope(gpu->device, WGPUErrorFilter_Internal);
    WGPUBuffer bad = make_buffer(gpu, 0, 16);
    WGPUBuffer other = make_buffer(gpu, WGPUBufferUsage_MapRead | WGPUBufferUsage_Storage, 16);
    WGPUBuffer unknown = make_buffer(gpu, 1ull << 40, 16);
    MUST(bad && other && unknown);
    MUST(pop_scope(gpu).type == WGPUErrorType_NoError);
    MUST(pop_scope(gpu).type == WGPUErrorType_NoError);
    MUST(was_invalid(gpu, "usage 0x0"));
    Popped none = pop_scope(gpu);
    MUST(none.status == WGPUPopErrorScopeStatus_Error && none.text[0]);
    // Without a scope, the callback.
    MUST(uncaught == 0);
    make_buffer(gpu, 0, 16);
    wgpuInstanceProcessEvents(gpu->instance);
    MUST(uncaught == 1 && uncaught_type == WGPUErrorType_Validation && strstr(uncaught_text, "usage 0x0"));
    // Errors are contagious: from the buffer to the group to the command buffer.
    WGPUComputePipeline pipeline = make_pipeline(gpu, DOUBLE);
    push_scope(gpu);
    WGPUBindGroup group = make_group(gpu, pipeline, 1, &bad);
    MUST(was_invalid(gpu, "is invalid"));
    push_scope(gpu);
    dispatch(gpu, pipeline, group, 1);
    MUST(was_invalid(gpu, "is invalid"));
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(pipeline);
    wgpuBufferRelease(bad);
    wgpuBufferRelease(other);
    wgpuBufferRelease(unknown);
}

static void on_messages(WGPUCompilationInfoRequestStatus status, const WGPUCompilationInfo *info, void *one, void *two) {
    (void)two;
    MUST(status == WGPUCompilationInfoRequestStatus_Success);
    *(size_t *)one = info->messageCount;
    if (info->messageCount) {
        const WGPUCompilationMessage *message = &info->messages[0];
        MUST(message->type == WGPUCompilationMessageType_Error && message->lineNum == 2 && message->message.length);
        MUST(message->linePos == 18 && message->length == 7);
    }
}

static void on_pipeline(WGPUCreatePipelineAsyncStatus status, WGPUComputePipeline pipeline, WGPUStringView message,
    void *one, void *two) {
    (void)two;
    MUST((status == WGPUCreatePipelineAsyncStatus_Success) == (pipeline != NULL && message.length == 0));
    *(WGPUCreatePipelineAsyncStatus *)one = status;
    if (pipeline) {
        wgpuComputePipelineRelease(pipeline);
    }
}

static void descriptors(const Gpu *gpu) {
    size_t messages = 99;
    push_scope(gpu);
    WGPUShaderModule shader = make_shader(gpu, "// é\n@compute fn f() { missing(); }\n");
    WGPUCompilationInfoCallbackInfo info = {NULL, WGPUCallbackMode_AllowSpontaneous, on_messages, &messages, NULL};
    (void)info;
    wgpuShaderModuleRelease(shader);
    MUST(pop_scope(gpu).type == WGPUErrorType_Validation);
    push_scope(gpu);
    shader = make_shader(gpu, "@compute @workgroup_size(1)\nfn f() { let a = missing; }\n");
    wgpuShaderModuleGetCompilationInfo(shader, info);
    MUST(messages == 1);
    MUST(pop_scope(gpu).type == WGPUErrorType_Validation);
    // A pipeline with it, asked for in both ways.
    WGPUComputePipelineDescriptor wanted = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    wanted.compute.module = shader;
    push_scope(gpu);
    wgpuComputePipelineRelease(wgpuDeviceCreateComputePipeline(gpu->device, &wanted));
    MUST(was_invalid(gpu, "is invalid"));
    WGPUCreatePipelineAsyncStatus status = 0;
    WGPUCreateComputePipelineAsyncCallbackInfo async = {NULL, WGPUCallbackMode_AllowSpontaneous, on_pipeline, &status,
        NULL};
    wgpuDeviceCreateComputePipelineAsync(gpu->device, &wanted, async);
    MUST(status == WGPUCreatePipelineAsyncStatus_ValidationError);
    wgpuShaderModuleRelease(shader);
    wanted.compute.module = make_shader(gpu, DOUBLE);
    wgpuShaderModuleGetCompilationInfo(wanted.compute.module, info);
    MUST(messages == 0);
    wgpuDeviceCreateComputePipelineAsync(gpu->device, &wanted, async);
    MUST(status == WGPUCreatePipelineAsyncStatus_Success);
    // Names that the stream cannot carry.
    push_scope(gpu);
    wanted.compute.entryPoint = (WGPUStringView){"", 0};
    wgpuComputePipelineRelease(wgpuDeviceCreateComputePipeline(gpu->device, &wanted));
    MUST(was_invalid(gpu, "without a name"));
    push_scope(gpu);
    wanted.compute.entryPoint = text("\xff");
    wgpuComputePipelineRelease(wgpuDeviceCreateComputePipeline(gpu->device, &wanted));
    MUST(was_invalid(gpu, "UTF-8"));
    wanted.compute.entryPoint = (WGPUStringView){NULL, WGPU_STRLEN};
    push_scope(gpu);
    WGPUConstantEntry constant = {NULL, text("a"), 1.0 / 0.0};
    wanted.compute.constantCount = 1;
    wanted.compute.constants = &constant;
    wgpuComputePipelineRelease(wgpuDeviceCreateComputePipeline(gpu->device, &wanted));
    MUST(was_invalid(gpu, "finite"));
    wgpuShaderModuleRelease(wanted.compute.module);
    push_scope(gpu);
    wgpuShaderModuleRelease(make_shader(gpu, "// \xed\xa0\x80"));
    MUST(was_invalid(gpu, "UTF-8"));
    push_scope(gpu);
    WGPUShaderSourceSPIRV spirv = WGPU_SHADER_SOURCE_SPIRV_INIT;
    WGPUShaderModuleDescriptor shader_wanted = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
    shader_wanted.nextInChain = &spirv.chain;
    wgpuShaderModuleRelease(wgpuDeviceCreateShaderModule(gpu->device, &shader_wanted));
    MUST(was_invalid(gpu, "only WGSL"));
    // A label that is neither short nor UTF-8 is still a label.
    char label[3000];
    memset(label, 0xc3, sizeof label);
    WGPUBufferDescriptor buffer = {.label = {label, sizeof label}, .usage = 0, .size = 4};
    push_scope(gpu);
    wgpuBufferRelease(wgpuDeviceCreateBuffer(gpu->device, &buffer));
    MUST(was_invalid(gpu, "'????"));
    // Bindings that there are not.
    WGPUBindGroupLayoutEntry entry = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    WGPUBindGroupLayoutDescriptor layout = {.entryCount = 1, .entries = &entry};
    push_scope(gpu);
    wgpuBindGroupLayoutRelease(wgpuDeviceCreateBindGroupLayout(gpu->device, &layout));
    MUST(was_invalid(gpu, "says nothing"));
    entry.sampler.type = WGPUSamplerBindingType_Filtering;
    push_scope(gpu);
    wgpuBindGroupLayoutRelease(wgpuDeviceCreateBindGroupLayout(gpu->device, &layout));
    MUST(was_invalid(gpu, "only buffers"));
    // More than the job may have: every buffer but the last fits.
    WGPUBuffer buffers[5];
    wgpuDevicePushErrorScope(gpu->device, WGPUErrorFilter_OutOfMemory);
    for (int at = 0; at < 5; at++) {
        buffers[at] = make_buffer(gpu, WGPUBufferUsage_CopyDst, 256 << 20);
    }
    Popped popped = pop_scope(gpu);
    MUST(popped.type == WGPUErrorType_OutOfMemory && strstr(popped.text, "quota"));
    for (int at = 0; at < 5; at++) {
        wgpuBufferDestroy(buffers[at]);
        wgpuBufferRelease(buffers[at]);
    }
}

static void on_done(WGPUQueueWorkDoneStatus status, WGPUStringView message, void *one, void *two) {
    (void)message, (void)two;
    *(int *)one = (int)status;
}

static void futures(const Gpu *gpu) {
    int done[3] = {0};
    WGPUQueueWorkDoneCallbackInfo info = {NULL, WGPUCallbackMode_WaitAnyOnly, on_done, &done[0], NULL};
    WGPUFuture first = wgpuQueueOnSubmittedWorkDone(gpu->queue, info);
    info.mode = WGPUCallbackMode_AllowProcessEvents, info.userdata1 = &done[1];
    WGPUFuture second = wgpuQueueOnSubmittedWorkDone(gpu->queue, info);
    info.mode = WGPUCallbackMode_AllowSpontaneous, info.userdata1 = &done[2];
    WGPUFuture third = wgpuQueueOnSubmittedWorkDone(gpu->queue, info);
    MUST(done[0] == 0 && done[1] == 0 && done[2] == WGPUQueueWorkDoneStatus_Success);
    wgpuInstanceProcessEvents(gpu->instance);
    MUST(done[0] == 0 && done[1] == WGPUQueueWorkDoneStatus_Success);
    done[1] = done[2] = 0;
    WGPUFutureWaitInfo waits[4] = {{first, 0}, {second, 0}, {third, 0}, {first, 0}};
    MUST(wgpuInstanceWaitAny(gpu->instance, 4, waits, 0) == WGPUWaitStatus_Success);
    MUST(waits[0].completed && waits[1].completed && waits[2].completed && waits[3].completed);
    MUST(done[0] == WGPUQueueWorkDoneStatus_Success && done[1] == 0 && done[2] == 0);
    // Not yet complete; never given; with a time, which this instance does not offer.
    WGPUFutureWaitInfo wait = {wgpuDeviceGetLostFuture(gpu->device), 1};
    MUST(wgpuInstanceWaitAny(gpu->instance, 1, &wait, 0) == WGPUWaitStatus_TimedOut && !wait.completed);
    MUST(wgpuInstanceWaitAny(gpu->instance, 1, &wait, 1) == WGPUWaitStatus_Error);
    wait.future.id = 1u << 30;
    MUST(wgpuInstanceWaitAny(gpu->instance, 1, &wait, 0) == WGPUWaitStatus_Error);
    MUST(wgpuInstanceWaitAny(gpu->instance, 0, NULL, 0) == WGPUWaitStatus_Success);
    // Another instance: time is allowed there; what waits when it goes is cancelled.
    MUST(wgpuHasInstanceFeature(WGPUInstanceFeatureName_TimedWaitAny));
    WGPUInstanceFeatureName timed = WGPUInstanceFeatureName_TimedWaitAny, unknown = 0x50001;
    WGPUInstanceDescriptor wanted = {.requiredFeatureCount = 1, .requiredFeatures = &unknown};
    MUST(!wgpuCreateInstance(&wanted));
    wanted.requiredFeatures = &timed;
    WGPUInstance instance = wgpuCreateInstance(&wanted);
    WGPUAdapter adapter = NULL;
    WGPURequestAdapterCallbackInfo request = {NULL, WGPUCallbackMode_WaitAnyOnly, on_adapter, &adapter, NULL};
    wait.future = wgpuInstanceRequestAdapter(instance, NULL, request);
    MUST(wgpuInstanceWaitAny(gpu->instance, 1, &wait, 0) == WGPUWaitStatus_Error);
    MUST(wgpuInstanceWaitAny(instance, 1, &wait, UINT64_MAX) == WGPUWaitStatus_Success && adapter);
    // A second device at the same time is refused, and the loss of what never was is told.
    WGPUDevice device = gpu->device;
    WGPURequestDeviceStatus status = 0;
    WGPUDeviceDescriptor wanted_device = WGPU_DEVICE_DESCRIPTOR_INIT;
    wanted_device.deviceLostCallbackInfo.callback = on_lost;
    wanted_device.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowSpontaneous;
    WGPURequestDeviceCallbackInfo second_device = {NULL, WGPUCallbackMode_AllowProcessEvents, on_device, &device, &status};
    wgpuAdapterRequestDevice(adapter, &wanted_device, second_device);
    MUST(lost == 1 && lost_reason == WGPUDeviceLostReason_FailedCreation && lost_device_is_null);
    lost = 0;
    MUST(device == gpu->device);
    wgpuAdapterRelease(adapter);
    wgpuInstanceRelease(instance);
    MUST(device == NULL && status == WGPURequestDeviceStatus_CallbackCancelled);
}

// The device goes: what was made with it is ignored, and the next one is another.
static void loss(Gpu *gpu) {
    Gpu before = *gpu;
    WGPUBuffer old = make_buffer(gpu, STORAGE, 16);
    WGPUBuffer mapped = make_buffer(gpu, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, 16);
    WGPUMapAsyncStatus pending = 0;
    WGPUBufferMapCallbackInfo info = {NULL, WGPUCallbackMode_AllowProcessEvents, on_map, &pending, NULL};
    wgpuBufferMapAsync(mapped, WGPUMapMode_Read, 0, 16, info);
    push_scope(gpu);
    wgpuDeviceDestroy(gpu->device);
    MUST(lost == 1 && lost_reason == WGPUDeviceLostReason_Destroyed && !lost_device_is_null);
    wgpuDeviceDestroy(gpu->device);
    MUST(lost == 1);
    wgpuInstanceProcessEvents(gpu->instance);
    MUST(pending == WGPUMapAsyncStatus_Aborted);
    MUST(wgpuBufferGetMapState(mapped) == WGPUBufferMapState_Unmapped);
    MUST(map_buffer(gpu, mapped, WGPUMapMode_Read, 0, 16) == WGPUMapAsyncStatus_Aborted);
    MUST(pop_scope(gpu).type == WGPUErrorType_NoError);
    WGPUComputePipeline nothing = make_pipeline(gpu, "no shader at all");
    WGPUBindGroup group = make_group(gpu, nothing, 1, &old);
    dispatch(gpu, nothing, group, 1);
    wgpuQueueWriteBuffer(gpu->queue, old, 0, "1234", 4);
    WGPUFutureWaitInfo wait = {wgpuDeviceGetLostFuture(gpu->device), 0};
    MUST(wgpuInstanceWaitAny(gpu->instance, 1, &wait, 0) == WGPUWaitStatus_Success && wait.completed);

    connect_device(gpu);
    MUST(gpu->device != before.device);
    push_scope(gpu);
    wgpuQueueWriteBuffer(gpu->queue, old, 0, "1234", 4);
    MUST(was_invalid(gpu, "another device"));
    WGPUComputePipeline pipeline = make_pipeline(gpu, DOUBLE);
    push_scope(gpu);
    WGPUBindGroup mixed = make_group(gpu, pipeline, 1, &old);
    MUST(was_invalid(gpu, "another device"));
    push_scope(gpu);
    dispatch(gpu, pipeline, group, 1);
    MUST(was_invalid(gpu, "another device"));
    WGPUBuffer fresh = make_buffer(gpu, STORAGE, 16);
    wgpuQueueWriteBuffer(gpu->queue, fresh, 0, (uint32_t[]){1, 2, 3, 4}, 16);
    WGPUBindGroup good = make_group(gpu, pipeline, 1, &fresh);
    dispatch(gpu, pipeline, good, 1);
    uint32_t words[4];
    read_words(gpu, fresh, 4, words);
    MUST(words[0] == 2 && words[3] == 8);
    wgpuBindGroupRelease(good);
    wgpuBindGroupRelease(mixed);
    wgpuBufferRelease(fresh);
    wgpuComputePipelineRelease(pipeline);
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(nothing);
    wgpuBufferRelease(mapped);
    wgpuBufferRelease(old);
    wgpuQueueRelease(before.queue);
    wgpuDeviceRelease(before.device);
}

static Gpu *to_replace;

static void replace_it(void) {
    when_uncaught = NULL;
    wgpuDeviceDestroy(to_replace->device);
    connect_device(to_replace);
}

// The callback about an error puts another device in the place of the one that is being written to.
static void replaced(Gpu *gpu) {
    enum { BYTES = 1 << 20 };
    Gpu before = *gpu;
    WGPUBuffer buffer = make_buffer(gpu, STORAGE, BYTES), bad = make_buffer(gpu, 0, 16);
    void *bytes = calloc(1, BYTES);
    to_replace = gpu;
    when_uncaught = replace_it;
    wgpuQueueWriteBuffer(before.queue, buffer, 0, bytes, BYTES);
    MUST(gpu->device != before.device && !when_uncaught);
    wgpuQueueWriteBuffer(before.queue, buffer, 0, bytes, BYTES);
    free(bytes);
    wgpuBufferRelease(buffer);
    wgpuBufferRelease(bad);
    wgpuQueueRelease(before.queue);
    wgpuDeviceRelease(before.device);
}

int main(void) {
    Gpu gpu = connect_gpu();
    scopes(&gpu);
    descriptors(&gpu);
    futures(&gpu);
    loss(&gpu);
    MUST(uncaught == 1 && lost == 1);
    replaced(&gpu);
    MUST(uncaught == 2 && lost == 2);
    wgpuQueueRelease(gpu.queue);
    wgpuDeviceRelease(gpu.device);
    wgpuAdapterRelease(gpu.adapter);
    wgpuInstanceRelease(gpu.instance);
    puts("all as promised");
    return 0;
}
