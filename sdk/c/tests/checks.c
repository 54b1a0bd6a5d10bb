// What webgpu.h promises, against a real device: the whole way, layouts, mapping, encoders, lifetimes, large data.
#include "checks.h"

static void limits(const Gpu *gpu) {
    WGPULimits adapter = WGPU_LIMITS_INIT, device = WGPU_LIMITS_INIT;
    MUST(wgpuAdapterGetLimits(gpu->adapter, &adapter) == WGPUStatus_Success);
    MUST(wgpuDeviceGetLimits(gpu->device, &device) == WGPUStatus_Success);
    MUST(memcmp(&adapter, &device, sizeof device) == 0);
    MUST(device.maxBufferSize == 256 << 20 && device.maxBindGroups == 4);
    MUST(device.maxComputeWorkgroupsPerDimension == 65535 && device.maxStorageBufferBindingSize == 128 << 20);
    WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
    MUST(wgpuAdapterGetInfo(gpu->adapter, &info) == WGPUStatus_Success);
    MUST(info.backendType == WGPUBackendType_WebGPU && info.device.length == 4);
    wgpuAdapterInfoFreeMembers(info);
    WGPUSupportedFeatures features = WGPU_SUPPORTED_FEATURES_INIT;
    wgpuDeviceGetFeatures(gpu->device, &features);
    MUST(features.featureCount == 1 && features.features[0] == WGPUFeatureName_CoreFeaturesAndLimits);
    MUST(!wgpuDeviceHasFeature(gpu->device, WGPUFeatureName_ShaderF16));
    wgpuSupportedFeaturesFreeMembers(features);
    WGPUChainedStruct unknown = {NULL, WGPUSType_ShaderSourceSPIRV};
    device.nextInChain = &unknown;
    MUST(wgpuDeviceGetLimits(gpu->device, &device) == WGPUStatus_Error);
}

static void the_whole_way(const Gpu *gpu) {
    uint32_t words[1000];
    for (uint32_t at = 0; at < 1000; at++) {
        words[at] = at;
    }
    WGPUBuffer data = make_buffer(gpu, STORAGE, sizeof words);
    MUST(wgpuBufferGetSize(data) == 4000 && wgpuBufferGetUsage(data) == STORAGE);
    wgpuQueueWriteBuffer(gpu->queue, data, 0, words, sizeof words);
    WGPUComputePipeline pipeline = make_pipeline(gpu, DOUBLE);
    WGPUBindGroup group = make_group(gpu, pipeline, 1, &data);
    dispatch(gpu, pipeline, group, 16);
    dispatch(gpu, pipeline, group, 16);
    read_words(gpu, data, 1000, words);
    for (uint32_t at = 0; at < 1000; at++) {
        MUST(words[at] == 4 * at);
    }
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(pipeline);
    wgpuBufferRelease(data);
}

// Explicit layouts, two groups, dynamic offsets, constants, a named entry point.
static void layouts(const Gpu *gpu) {
    WGPUBindGroupLayoutEntry first[2] = {WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT, WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT};
    first[0].visibility = first[1].visibility = WGPUShaderStage_Compute;
    first[0].buffer = (WGPUBufferBindingLayout){.type = WGPUBufferBindingType_Storage};
    first[1].binding = 1;
    first[1].buffer = (WGPUBufferBindingLayout){.type = WGPUBufferBindingType_ReadOnlyStorage, .minBindingSize = 4};
    WGPUBindGroupLayoutEntry second = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    second.visibility = WGPUShaderStage_Compute;
    second.buffer = (WGPUBufferBindingLayout){.type = WGPUBufferBindingType_Uniform, .hasDynamicOffset = true};
    WGPUBindGroupLayoutDescriptor wanted = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
    wanted.entryCount = 2;
    wanted.entries = first;
    WGPUBindGroupLayout layout[2];
    layout[0] = wgpuDeviceCreateBindGroupLayout(gpu->device, &wanted);
    wanted.entryCount = 1;
    wanted.entries = &second;
    layout[1] = wgpuDeviceCreateBindGroupLayout(gpu->device, &wanted);
    WGPUPipelineLayoutDescriptor wanted_layout = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
    wanted_layout.bindGroupLayoutCount = 2;
    wanted_layout.bindGroupLayouts = layout;
    WGPUPipelineLayout pipeline_layout = wgpuDeviceCreatePipelineLayout(gpu->device, &wanted_layout);
    WGPUShaderModule shader = make_shader(gpu,
        "@group(0) @binding(0) var<storage, read_write> sum: array<u32>;\n"
        "@group(0) @binding(1) var<storage, read> add: array<u32>;\n"
        "@group(1) @binding(0) var<uniform> more: u32;\n"
        "override factor: u32 = 1; @id(7) override shift: u32 = 0;\n"
        "@compute @workgroup_size(1) fn other() { sum[0] = 99; }\n"
        "@compute @workgroup_size(1) fn add_up(@builtin(workgroup_id) id: vec3u) {\n"
        "    sum[id.x] += add[id.x] * factor + more + shift;\n"
        "}\n");
    WGPUConstantEntry constants[2] = {{NULL, text("factor"), 10}, {NULL, text("7"), 100000}};
    WGPUComputePipelineDescriptor wanted_pipeline = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    wanted_pipeline.layout = pipeline_layout;
    wanted_pipeline.compute.module = shader;
    wanted_pipeline.compute.entryPoint = (WGPUStringView){"add_up and more", 6};
    wanted_pipeline.compute.constantCount = 2;
    wanted_pipeline.compute.constants = constants;
    WGPUComputePipeline pipeline = wgpuDeviceCreateComputePipeline(gpu->device, &wanted_pipeline);

    WGPUBuffer sum = make_buffer(gpu, STORAGE, 16), add = make_buffer(gpu, STORAGE, 16);
    WGPUBuffer more = make_buffer(gpu, WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst, 512);
    wgpuQueueWriteBuffer(gpu->queue, add, 0, (uint32_t[]){1, 2, 3, 4}, 16);
    wgpuQueueWriteBuffer(gpu->queue, more, 0, (uint32_t[]){1000}, 4);
    wgpuQueueWriteBuffer(gpu->queue, more, 256, (uint32_t[]){2000}, 4);
    WGPUBindGroupEntry entries[2] = {{.buffer = sum, .size = WGPU_WHOLE_SIZE}, {.binding = 1, .buffer = add, .size = 16}};
    WGPUBindGroupDescriptor wanted_group = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    wanted_group.layout = layout[0];
    wanted_group.entryCount = 2;
    wanted_group.entries = entries;
    WGPUBindGroup group[2];
    group[0] = wgpuDeviceCreateBindGroup(gpu->device, &wanted_group);
    WGPUBindGroupEntry uniform = {.buffer = more, .size = 4};
    wanted_group.layout = layout[1];
    wanted_group.entryCount = 1;
    wanted_group.entries = &uniform;
    group[1] = wgpuDeviceCreateBindGroup(gpu->device, &wanted_group);

    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetPipeline(pass, pipeline);
    wgpuComputePassEncoderSetBindGroup(pass, 0, group[0], 0, NULL);
    for (uint32_t offset = 0; offset <= 256; offset += 256) {
        wgpuComputePassEncoderSetBindGroup(pass, 1, group[1], 1, &offset);
        wgpuComputePassEncoderDispatchWorkgroups(pass, 4, 1, 1);
    }
    wgpuComputePassEncoderEnd(pass);
    // Nothing that the commands use need be kept.
    for (int at = 0; at < 2; at++) {
        wgpuBindGroupRelease(group[at]);
        wgpuBindGroupLayoutRelease(layout[at]);
    }
    wgpuComputePipelineRelease(pipeline);
    wgpuPipelineLayoutRelease(pipeline_layout);
    wgpuShaderModuleRelease(shader);
    wgpuBufferRelease(more);
    wgpuBufferRelease(add);
    wgpuComputePassEncoderRelease(pass);
    submit(gpu, encoder);
    uint32_t words[4];
    read_words(gpu, sum, 4, words);
    for (uint32_t at = 0; at < 4; at++) {
        MUST(words[at] == 2 * (at + 1) * 10 + 3000 + 200000);
    }
    wgpuBufferRelease(sum);
}

static void mapping(const Gpu *gpu) {
    WGPUBufferDescriptor wanted = WGPU_BUFFER_DESCRIPTOR_INIT;
    wanted.usage = WGPUBufferUsage_MapWrite | WGPUBufferUsage_CopySrc;
    wanted.size = 64;
    wanted.mappedAtCreation = true;
    WGPUBuffer buffer = wgpuDeviceCreateBuffer(gpu->device, &wanted);
    MUST(wgpuBufferGetMapState(buffer) == WGPUBufferMapState_Mapped);
    uint32_t *words = wgpuBufferGetMappedRange(buffer, 0, 32);
    MUST(words && ((uintptr_t)words & 15) == 0);
    for (uint32_t at = 0; at < 8; at++) {
        MUST(words[at] == 0);
        words[at] = at + 1;
    }
    // Overlaps, wrong alignments, ranges that reach out.
    MUST(!wgpuBufferGetMappedRange(buffer, 24, 8) && !wgpuBufferGetConstMappedRange(buffer, 0, 4));
    MUST(!wgpuBufferGetMappedRange(buffer, 36, 4) && !wgpuBufferGetMappedRange(buffer, 32, 6));
    MUST(!wgpuBufferGetMappedRange(buffer, 32, 36) && !wgpuBufferGetMappedRange(buffer, 72, 0));
    MUST(wgpuBufferWriteMappedRange(buffer, 56, (uint32_t[]){77, 78}, 8) == WGPUStatus_Success);
    MUST(wgpuBufferWriteMappedRange(buffer, 0, (uint32_t[]){1}, 4) == WGPUStatus_Error);
    wgpuBufferUnmap(buffer);
    wgpuBufferUnmap(buffer);
    MUST(wgpuBufferGetMapState(buffer) == WGPUBufferMapState_Unmapped && !wgpuBufferGetMappedRange(buffer, 0, 4));
    uint32_t seen[16];
    read_words(gpu, buffer, 16, seen);
    MUST(seen[0] == 1 && seen[7] == 8 && seen[8] == 0 && seen[13] == 0 && seen[14] == 77 && seen[15] == 78);

    // A part, for writing: what is not written stays.
    MUST(map_buffer(gpu, buffer, WGPUMapMode_Write, 8, 24) == WGPUMapAsyncStatus_Success);
    MUST(!wgpuBufferGetMappedRange(buffer, 0, 8) && !wgpuBufferGetMappedRange(buffer, 32, 8));
    words = wgpuBufferGetMappedRange(buffer, 16, 8);
    MUST(words && ((uintptr_t)words & 15) == 0 && words[0] == 5);
    words[0] = 50;
    uint32_t pair[2];
    MUST(wgpuBufferReadMappedRange(buffer, 8, pair, 8) == WGPUStatus_Success && pair[0] == 3 && pair[1] == 4);
    wgpuBufferUnmap(buffer);
    read_words(gpu, buffer, 16, seen);
    MUST(seen[3] == 4 && seen[4] == 50 && seen[5] == 6 && seen[15] == 78);

    // Refused mappings.
    push_scope(gpu);
    MUST(map_buffer(gpu, buffer, WGPUMapMode_Read, 0, 8) == WGPUMapAsyncStatus_Error);
    MUST(was_invalid(gpu, "MAP_READ"));
    push_scope(gpu);
    MUST(map_buffer(gpu, buffer, WGPUMapMode_Write, 4, 8) == WGPUMapAsyncStatus_Error);
    MUST(was_invalid(gpu, "multiple of 8"));
    push_scope(gpu);
    MUST(map_buffer(gpu, buffer, 0, 0, 8) == WGPUMapAsyncStatus_Error);
    MUST(was_invalid(gpu, "mode"));
    // A mapping that is not told yet: pending, and aborted by unmapping.
    WGPUMapAsyncStatus status = 0, other = 0;
    WGPUBufferMapCallbackInfo info = {NULL, WGPUCallbackMode_AllowProcessEvents, on_map, &status, NULL};
    wgpuBufferMapAsync(buffer, WGPUMapMode_Write, 0, 8, info);
    MUST(wgpuBufferGetMapState(buffer) == WGPUBufferMapState_Pending && !wgpuBufferGetMappedRange(buffer, 0, 8));
    info.userdata1 = &other;
    wgpuBufferMapAsync(buffer, WGPUMapMode_Write, 0, 8, info);
    wgpuBufferUnmap(buffer);
    MUST(status == 0);
    wgpuInstanceProcessEvents(gpu->instance);
    MUST(status == WGPUMapAsyncStatus_Aborted && other == WGPUMapAsyncStatus_Error);
    // Twice; and used while mapped.
    MUST(map_buffer(gpu, buffer, WGPUMapMode_Write, 0, WGPU_WHOLE_MAP_SIZE) == WGPUMapAsyncStatus_Success);
    push_scope(gpu);
    MUST(map_buffer(gpu, buffer, WGPUMapMode_Write, 0, 8) == WGPUMapAsyncStatus_Error);
    MUST(was_invalid(gpu, "mapped already"));
    WGPUBuffer target = make_buffer(gpu, WGPUBufferUsage_CopyDst, 64);
    push_scope(gpu);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderCopyBufferToBuffer(encoder, buffer, 0, target, 0, 64);
    submit(gpu, encoder);
    MUST(was_invalid(gpu, "is mapped"));
    wgpuBufferDestroy(buffer);
    MUST(wgpuBufferGetMapState(buffer) == WGPUBufferMapState_Unmapped);
    push_scope(gpu);
    MUST(map_buffer(gpu, buffer, WGPUMapMode_Write, 0, 8) == WGPUMapAsyncStatus_Error);
    MUST(was_invalid(gpu, "destroyed"));
    wgpuBufferRelease(buffer);
    wgpuBufferRelease(target);
    wanted.size = 6;
    MUST(!wgpuDeviceCreateBuffer(gpu->device, &wanted));
}

static void encoders(const Gpu *gpu) {
    WGPUBuffer data = make_buffer(gpu, STORAGE | WGPUBufferUsage_Indirect, 256);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    // The encoder is closed while a pass is open, and the pass after its end.
    push_scope(gpu);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuCommandEncoderClearBuffer(encoder, data, 0, WGPU_WHOLE_SIZE);
    wgpuComputePassEncoderEnd(pass);
    WGPUCommandBuffer commands = wgpuCommandEncoderFinish(encoder, NULL);
    MUST(was_invalid(gpu, "still open"));
    push_scope(gpu);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    MUST(was_invalid(gpu, "is invalid"));
    push_scope(gpu);
    wgpuComputePassEncoderDispatchWorkgroups(pass, 1, 1, 1);
    MUST(was_invalid(gpu, "the pass has ended"));
    push_scope(gpu);
    wgpuCommandEncoderClearBuffer(encoder, data, 0, 4);
    MUST(was_invalid(gpu, "finished"));
    push_scope(gpu);
    wgpuCommandBufferRelease(wgpuCommandEncoderFinish(encoder, NULL));
    MUST(was_invalid(gpu, "finished already"));
    wgpuCommandBufferRelease(commands);
    wgpuComputePassEncoderRelease(pass);
    wgpuCommandEncoderRelease(encoder);

    // A pass that is open at the end, whether the program still has it or not.
    for (int released = 0; released < 2; released++) {
        encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
        pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
        if (released) {
            wgpuComputePassEncoderRelease(pass);
        }
        push_scope(gpu);
        wgpuCommandBufferRelease(wgpuCommandEncoderFinish(encoder, NULL));
        MUST(was_invalid(gpu, "still open"));
        wgpuCommandEncoderRelease(encoder);
        if (!released) {
            push_scope(gpu);
            wgpuComputePassEncoderEnd(pass);
            MUST(was_invalid(gpu, "the pass has ended"));
            wgpuComputePassEncoderRelease(pass);
        }
    }

    // A command buffer goes once.
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderPushDebugGroup(encoder, text("group"));
    wgpuCommandEncoderInsertDebugMarker(encoder, text("marker"));
    wgpuCommandEncoderClearBuffer(encoder, data, 0, WGPU_WHOLE_SIZE);
    wgpuCommandEncoderPopDebugGroup(encoder);
    commands = wgpuCommandEncoderFinish(encoder, NULL);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    push_scope(gpu);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    MUST(was_invalid(gpu, "submitted before"));
    wgpuCommandBufferRelease(commands);
    wgpuCommandEncoderRelease(encoder);
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    commands = wgpuCommandEncoderFinish(encoder, NULL);
    push_scope(gpu);
    wgpuQueueSubmit(gpu->queue, 2, (WGPUCommandBuffer[]){commands, commands});
    MUST(was_invalid(gpu, "stands twice"));
    wgpuCommandBufferRelease(commands);
    wgpuCommandEncoderRelease(encoder);

    // Counts from a buffer, and a released one in a command buffer that is never sent.
    WGPUComputePipeline pipeline = make_pipeline(gpu,
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n"
        "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) { data[8 + id.x] = id.x + 1; }\n");
    WGPUBuffer counts = make_buffer(gpu, WGPUBufferUsage_Indirect | WGPUBufferUsage_CopyDst, 16);
    wgpuQueueWriteBuffer(gpu->queue, counts, 4, (uint32_t[]){3, 1, 1}, 12);
    WGPUBindGroup group = make_group(gpu, pipeline, 1, &data);
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetPipeline(pass, pipeline);
    wgpuComputePassEncoderSetBindGroup(pass, 0, group, 0, NULL);
    wgpuComputePassEncoderDispatchWorkgroupsIndirect(pass, counts, 4);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    wgpuBufferRelease(counts);
    submit(gpu, encoder);
    uint32_t words[16];
    read_words(gpu, data, 16, words);
    MUST(words[7] == 0 && words[8] == 1 && words[10] == 3 && words[11] == 0);
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetImmediates(pass, 0, words, 4);
    wgpuComputePassEncoderEnd(pass);
    push_scope(gpu);
    wgpuCommandBufferRelease(wgpuCommandEncoderFinish(encoder, NULL));
    MUST(was_invalid(gpu, "immediates"));
    wgpuComputePassEncoderRelease(pass);
    wgpuCommandEncoderRelease(encoder);
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(pipeline);
    wgpuBufferRelease(data);
}

// More than one write holds, more than one stream holds.
static void large(const Gpu *gpu) {
    enum { WORDS = 1 << 20 };
    uint32_t *words = malloc(WORDS * 4);
    for (uint32_t at = 0; at < WORDS; at++) {
        words[at] = at * 2654435761u;
    }
    WGPUBuffer data = make_buffer(gpu, STORAGE, WORDS * 4);
    wgpuQueueWriteBuffer(gpu->queue, data, 0, words, WORDS * 4);
    for (uint32_t at = 0; at < 100; at++) {
        wgpuQueueWriteBuffer(gpu->queue, data, 40000 * at, words + 10000 * at, 40000);
    }
    WGPUComputePipeline pipeline = make_pipeline(gpu, DOUBLE);
    WGPUBindGroup group = make_group(gpu, pipeline, 1, &data);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    for (uint32_t at = 0; at < 20000; at++) {
        wgpuCommandEncoderInsertDebugMarker(encoder, text("a marker that takes some room in the stream"));
    }
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetPipeline(pass, pipeline);
    wgpuComputePassEncoderSetBindGroup(pass, 0, group, 0, NULL);
    wgpuComputePassEncoderDispatchWorkgroups(pass, WORDS / 64, 1, 1);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    submit(gpu, encoder);
    uint32_t *seen = malloc(WORDS * 4);
    read_words(gpu, data, WORDS, seen);
    for (uint32_t at = 0; at < WORDS; at++) {
        MUST(seen[at] == words[at] * 2);
    }
    free(seen);
    free(words);
    // Many objects, in no order.
    WGPUBuffer many[500];
    for (int at = 0; at < 500; at++) {
        many[at] = make_buffer(gpu, WGPUBufferUsage_CopyDst, 4);
    }
    for (int at = 0; at < 500; at++) {
        wgpuBufferRelease(many[at * 7 % 500]);
    }
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    char label[1200];
    memset(label, 'x', sizeof label);
    for (uint32_t at = 0; at < 5000; at++) {
        wgpuCommandEncoderInsertDebugMarker(encoder, (WGPUStringView){label, sizeof label});
    }
    push_scope(gpu);
    wgpuCommandBufferRelease(wgpuCommandEncoderFinish(encoder, NULL));
    MUST(was_invalid(gpu, "use several command buffers"));
    wgpuCommandEncoderRelease(encoder);
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(pipeline);
    wgpuBufferRelease(data);
}

int main(void) {
    Gpu gpu = connect_gpu();
    limits(&gpu);
    the_whole_way(&gpu);
    layouts(&gpu);
    mapping(&gpu);
    encoders(&gpu);
    large(&gpu);
    MUST(uncaught == 0);
    wgpuQueueRelease(gpu.queue);
    wgpuDeviceRelease(gpu.device);
    MUST(lost == 1 && lost_reason == WGPUDeviceLostReason_Destroyed && lost_device_is_null);
    wgpuAdapterRelease(gpu.adapter);
    wgpuInstanceRelease(gpu.instance);
    puts("all as promised");
    return 0;
}
