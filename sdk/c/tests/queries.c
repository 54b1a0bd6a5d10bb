// What webgpu.h promises of queries: timestamps, which are gas. What they count is printed, for it is the same on every
// device.
#include "checks.h"
#include <inttypes.h>

// Invocations turn differently often, so that only the device knows how much work it was.
static const char WORK[] =
    "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n"
    "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
    "    var n = data[id.x];\n"
    "    for (var i = 0u; i < id.x; i++) { n = n * 1664525u + 1013904223u; }\n"
    "    data[id.x] = n;\n"
    "}\n";

// Where in the set which timestamp is: before and after everything, around each pass, and one that is not written.
enum { FIRST = 0, LAST = 1, NOT_WRITTEN = 8, COUNT = 9, PASSES = 3 };
static const uint32_t passes[PASSES][3] = {{2, 3, 4}, {4, 5, 16}, {6, 7, 4}};

static WGPUQuerySet make_set(const Gpu *gpu, WGPUQueryType type, uint32_t count) {
    WGPUQuerySetDescriptor wanted = WGPU_QUERY_SET_DESCRIPTOR_INIT;
    wanted.label = text("stamps");
    wanted.type = type;
    wanted.count = count;
    return wgpuDeviceCreateQuerySet(gpu->device, &wanted);
}

static WGPUComputePassEncoder begin_timed(WGPUCommandEncoder encoder, WGPUQuerySet set, uint32_t begin, uint32_t end) {
    WGPUPassTimestampWrites writes = {NULL, set, begin, end};
    WGPUComputePassDescriptor wanted = WGPU_COMPUTE_PASS_DESCRIPTOR_INIT;
    wanted.label = text("timed");
    wanted.timestampWrites = &writes;
    return wgpuCommandEncoderBeginComputePass(encoder, &wanted);
}

// The timestamps of the same work, done again.
static void stamps(const Gpu *gpu, uint64_t at[COUNT]) {
    WGPUQuerySet set = make_set(gpu, WGPUQueryType_Timestamp, COUNT);
    MUST(wgpuQuerySetGetCount(set) == COUNT && wgpuQuerySetGetType(set) == WGPUQueryType_Timestamp);
    WGPUBuffer data = make_buffer(gpu, STORAGE, 16 * 64 * 4);
    WGPUBuffer results = make_buffer(gpu, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc, 512);
    WGPUComputePipeline pipeline = make_pipeline(gpu, WORK);
    WGPUBindGroup group = make_group(gpu, pipeline, 1, &data);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderWriteTimestamp(encoder, set, FIRST);
    for (int which = 0; which < PASSES; which++) {
        WGPUComputePassEncoder pass = begin_timed(encoder, set, passes[which][0], passes[which][1]);
        wgpuComputePassEncoderSetPipeline(pass, pipeline);
        wgpuComputePassEncoderSetBindGroup(pass, 0, group, 0, NULL);
        wgpuComputePassEncoderDispatchWorkgroups(pass, passes[which][2], 1, 1);
        wgpuComputePassEncoderEnd(pass);
        wgpuComputePassEncoderRelease(pass);
    }
    wgpuCommandEncoderWriteTimestamp(encoder, set, LAST);
    wgpuCommandEncoderResolveQuerySet(encoder, set, 0, COUNT, results, 0);
    // A part, elsewhere.
    wgpuCommandEncoderResolveQuerySet(encoder, set, LAST, 2, results, 256);
    // Nothing that the commands use need be kept.
    wgpuQuerySetRelease(set);
    wgpuBindGroupRelease(group);
    wgpuComputePipelineRelease(pipeline);
    wgpuBufferRelease(data);
    submit(gpu, encoder);
    uint32_t words[128];
    read_words(gpu, results, 128, words);
    memcpy(at, words, COUNT * sizeof *at);
    MUST(memcmp(words + 64, &at[LAST], 2 * sizeof *at) == 0);
    wgpuBufferRelease(results);
}

static void passes_take_gas(const Gpu *gpu) {
    uint64_t first[COUNT], second[COUNT], took[PASSES];
    stamps(gpu, first);
    stamps(gpu, second);
    for (int which = 0; which < PASSES; which++) {
        uint64_t begin = first[passes[which][0]], end = first[passes[which][1]];
        MUST(first[FIRST] <= begin && begin < end && end <= first[LAST]);
        took[which] = end - begin;
        MUST(second[passes[which][1]] - second[passes[which][0]] == took[which]);
        printf("pass %d: %" PRIu64 "\n", which, took[which]);
    }
    // The pass of 16 workgroups did more than the others, which did the same.
    MUST(took[0] == took[2] && took[1] > 4 * took[0]);
    MUST(first[LAST] <= second[FIRST] && first[NOT_WRITTEN] == 0);
    printf("all: %" PRIu64 " and %" PRIu64 "\n", first[LAST] - first[FIRST], second[LAST] - second[FIRST]);
    // One end of a pass alone.
    WGPUQuerySet set = make_set(gpu, WGPUQueryType_Timestamp, 2);
    WGPUBuffer results = make_buffer(gpu, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc, 16);
    for (uint32_t end = 0; end < 2; end++) {
        const uint32_t none = WGPU_QUERY_SET_INDEX_UNDEFINED;
        WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
        WGPUComputePassEncoder pass = begin_timed(encoder, set, end ? none : 0, end ? 1 : none);
        wgpuComputePassEncoderEnd(pass);
        wgpuComputePassEncoderRelease(pass);
        wgpuCommandEncoderResolveQuerySet(encoder, set, 0, 2, results, 0);
        submit(gpu, encoder);
        uint32_t words[4];
        read_words(gpu, results, 4, words);
        uint64_t values[2];
        memcpy(values, words, sizeof values);
        MUST(end ? values[0] <= values[1] : values[0] >= second[LAST] && values[1] == 0);
    }
    wgpuBufferRelease(results);
    // More sets at once than a job may have, were they not let go.
    for (int at = 0; at < 5000; at++) {
        wgpuQuerySetRelease(make_set(gpu, WGPUQueryType_Timestamp, 1));
    }
    wgpuQuerySetAddRef(set);
    wgpuQuerySetRelease(set);
    wgpuQuerySetRelease(set);
}

// Whether a command makes its command buffer an error that says this.
static bool commands_invalid(const Gpu *gpu, WGPUCommandEncoder encoder, const char *says) {
    push_scope(gpu);
    WGPUCommandBuffer commands = wgpuCommandEncoderFinish(encoder, NULL);
    bool said = was_invalid(gpu, says);
    push_scope(gpu);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    said = was_invalid(gpu, "is invalid") && said;
    wgpuCommandBufferRelease(commands);
    wgpuCommandEncoderRelease(encoder);
    return said;
}

static bool timed_invalid(const Gpu *gpu, WGPUQuerySet set, uint32_t begin, uint32_t end, const char *says) {
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = begin_timed(encoder, set, begin, end);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    return commands_invalid(gpu, encoder, says);
}

static bool set_invalid(const Gpu *gpu, WGPUQueryType type, uint32_t count, const char *says) {
    push_scope(gpu);
    WGPUQuerySet set = make_set(gpu, type, count);
    MUST(set && wgpuQuerySetGetCount(set) == count && wgpuQuerySetGetType(set) == type);
    bool said = was_invalid(gpu, says);
    wgpuQuerySetDestroy(set);
    wgpuQuerySetRelease(set);
    return said;
}

static void refused(const Gpu *gpu) {
    MUST(set_invalid(gpu, WGPUQueryType_Occlusion, 1, "wgpuDeviceCreateQuerySet: this device draws nothing"));
    MUST(set_invalid(gpu, 0, 1, "is none"));
    MUST(set_invalid(gpu, WGPUQueryType_Timestamp, 0, "0 queries"));
    MUST(set_invalid(gpu, WGPUQueryType_Timestamp, 4097, "4097 queries"));
    WGPUChainedStruct unknown = {NULL, WGPUSType_ShaderSourceSPIRV};
    WGPUQuerySetDescriptor wanted = {&unknown, text("set"), WGPUQueryType_Timestamp, 1};
    push_scope(gpu);
    wgpuQuerySetRelease(wgpuDeviceCreateQuerySet(gpu->device, &wanted));
    MUST(was_invalid(gpu, "chain"));

    WGPUQuerySet set = make_set(gpu, WGPUQueryType_Timestamp, 4);
    WGPUPassTimestampWrites writes = {&unknown, set, 0, 1};
    WGPUComputePassDescriptor timed = {NULL, text("timed"), &writes};
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, &timed);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    MUST(commands_invalid(gpu, encoder, "chain"));
    WGPUBuffer results = make_buffer(gpu, WGPUBufferUsage_QueryResolve, 512), other = make_buffer(gpu, STORAGE, 512);
    const uint32_t none = WGPU_QUERY_SET_INDEX_UNDEFINED;
    MUST(timed_invalid(gpu, set, 1, 1, "begins and ends with one query"));
    MUST(timed_invalid(gpu, set, 4, none, "query 4 is not one of the 4"));
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderWriteTimestamp(encoder, set, none);
    MUST(commands_invalid(gpu, encoder, "query 4294967295 is not one of the 4"));
    const struct {
        uint32_t first, count;
        WGPUBuffer into;
        uint64_t offset;
        const char *says;
    } resolves[] = {{0, 5, results, 0, "5 queries from 0"}, {3, 0xffffffff, results, 0, "4294967295 queries from 3"},
        {0, 4, results, 8, "multiple of 256"}, {0, 4, other, 0, "QUERY_RESOLVE"},
        {0, 1, results, 512, "do not fit"}, {0, 1, results, UINT64_MAX - 255, "do not fit"}};
    for (size_t at = 0; at < sizeof resolves / sizeof *resolves; at++) {
        encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
        wgpuCommandEncoderResolveQuerySet(encoder, set, resolves[at].first, resolves[at].count, resolves[at].into,
            resolves[at].offset);
        MUST(commands_invalid(gpu, encoder, resolves[at].says));
    }
    // While a pass is open; and what is destroyed, when it is submitted.
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuCommandEncoderWriteTimestamp(encoder, set, 0);
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    MUST(commands_invalid(gpu, encoder, "still open"));
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderWriteTimestamp(encoder, set, 0);
    WGPUCommandBuffer commands = wgpuCommandEncoderFinish(encoder, NULL);
    wgpuQuerySetDestroy(set);
    wgpuQuerySetDestroy(set);
    push_scope(gpu);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    MUST(was_invalid(gpu, "destroyed"));
    wgpuCommandBufferRelease(commands);
    wgpuCommandEncoderRelease(encoder);
    wgpuQuerySetRelease(set);
    wgpuBufferRelease(results);
    wgpuBufferRelease(other);
}

// A device that was made without the feature has no timestamps.
static void without(Gpu *gpu) {
    MUST(!wgpuDeviceHasFeature(gpu->device, WGPUFeatureName_TimestampQuery));
    MUST(set_invalid(gpu, WGPUQueryType_Timestamp, 1, "without the feature TimestampQuery"));
    push_scope(gpu);
    WGPUQuerySet set = make_set(gpu, WGPUQueryType_Timestamp, 1);
    MUST(was_invalid(gpu, "without"));
    MUST(timed_invalid(gpu, set, 0, WGPU_QUERY_SET_INDEX_UNDEFINED, "without the feature TimestampQuery"));
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderWriteTimestamp(encoder, set, 0);
    MUST(commands_invalid(gpu, encoder, "wgpuCommandEncoderWriteTimestamp: the device was made without"));
    WGPUBuffer results = make_buffer(gpu, WGPUBufferUsage_QueryResolve, 8);
    encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    wgpuCommandEncoderResolveQuerySet(encoder, set, 0, 1, results, 0);
    MUST(commands_invalid(gpu, encoder, "wgpuCommandEncoderResolveQuerySet: the device was made without"));
    // The set belongs to a device that goes.
    wgpuQueueRelease(gpu->queue);
    wgpuDeviceRelease(gpu->device);
    WGPUFeatureName feature = WGPUFeatureName_TimestampQuery;
    connect_device_with(gpu, 1, &feature);
    MUST(timed_invalid(gpu, set, 0, WGPU_QUERY_SET_INDEX_UNDEFINED, "another device"));
    wgpuBufferRelease(results);
    wgpuQuerySetRelease(set);
}

int main(void) {
    WGPUFeatureName core = WGPUFeatureName_CoreFeaturesAndLimits;
    Gpu gpu = connect_gpu_with(1, &core);
    MUST(wgpuAdapterHasFeature(gpu.adapter, WGPUFeatureName_TimestampQuery));
    WGPUSupportedFeatures features = WGPU_SUPPORTED_FEATURES_INIT;
    wgpuAdapterGetFeatures(gpu.adapter, &features);
    MUST(features.featureCount == 2 && features.features[1] == WGPUFeatureName_TimestampQuery);
    wgpuSupportedFeaturesFreeMembers(features);
    without(&gpu);
    MUST(wgpuDeviceHasFeature(gpu.device, WGPUFeatureName_TimestampQuery));
    wgpuDeviceGetFeatures(gpu.device, &features);
    MUST(features.featureCount == 2);
    wgpuSupportedFeaturesFreeMembers(features);
    passes_take_gas(&gpu);
    refused(&gpu);
    MUST(uncaught == 0);
    disconnect(&gpu);
    puts("all as promised");
    return 0;
}
