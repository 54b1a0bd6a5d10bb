// Two galaxies meet: stars that attract each other, moved on the GPU through webgpu.h, and a picture of where they end.
//
//     galaxy [STARS [STEPS [PICTURE]]]
//
// Nothing here is Fizz's own: the same source builds against any webgpu.h. Without a GPU the processor does the work.
// The first step is always computed by both and compared.
#include "stars.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <webgpu/webgpu.h>

static const char SHADER[] =
    "@group(0) @binding(0) var<storage, read_write> places: array<vec4f>;\n" // x, y, z, mass
    "@group(0) @binding(1) var<storage, read_write> speeds: array<vec4f>;\n"
    "override time: f32;\n"
    "override softening: f32;\n"
    "var<workgroup> tile: array<vec4f, 64>;\n"
    "\n"
    // Every star pulls at every other. A workgroup looks at them in tiles, which it loads together.
    "@compute @workgroup_size(64)\n"
    "fn kick(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32,\n"
    "        @builtin(num_workgroups) tiles: vec3u) {\n"
    "    let here = places[id.x].xyz;\n"
    "    var pull = vec3f();\n"
    "    for (var at = 0u; at < tiles.x; at++) {\n"
    "        tile[local] = places[at * 64u + local];\n"
    "        workgroupBarrier();\n"
    "        for (var other = 0u; other < 64u; other++) {\n"
    "            let way = tile[other].xyz - here;\n"
    "            let square = dot(way, way) + softening;\n"
    "            pull += way * (tile[other].w * inverseSqrt(square * square * square));\n"
    "        }\n"
    "        workgroupBarrier();\n"
    "    }\n"
    "    speeds[id.x] += vec4f(pull * time, 0.0);\n"
    "}\n"
    "\n"
    "@compute @workgroup_size(64)\n"
    "fn drift(@builtin(global_invocation_id) id: vec3u) {\n"
    "    places[id.x] += vec4f(speeds[id.x].xyz * time, 0.0);\n"
    "}\n";

// Steps that go to the GPU at once: a node gives no submission more than some seconds.
enum { BATCH = 50 };

typedef struct Gpu {
    WGPUInstance instance;
    WGPUDevice device;
    WGPUQueue queue;
    WGPUBuffer places;
    WGPUBuffer speeds;
    WGPUBuffer copy;
    WGPUBindGroup group;
    WGPUComputePipeline kick;
    WGPUComputePipeline drift;
} Gpu;

static WGPUStringView text(const char *text) {
    return (WGPUStringView){text, WGPU_STRLEN};
}

static void give_up(const char *what, WGPUStringView why) {
    fprintf(stderr, "error: %s: %.*s\n", what, (int)why.length, why.data ? why.data : "");
    exit(1);
}

static void wait_for(const Gpu *gpu, WGPUFuture future) {
    WGPUFutureWaitInfo wait = {future, WGPU_FALSE};
    if (wgpuInstanceWaitAny(gpu->instance, 1, &wait, UINT64_MAX) != WGPUWaitStatus_Success) {
        give_up("wait", text("the future did not complete"));
    }
}

static void on_adapter(WGPURequestAdapterStatus status, WGPUAdapter adapter, WGPUStringView message, void *answer,
    void *unused) {
    (void)unused;
    if (status == WGPURequestAdapterStatus_Success) {
        *(WGPUAdapter *)answer = adapter;
    } else {
        fprintf(stderr, "note: no GPU (%.*s): the processor does the work\n", (int)message.length, message.data);
    }
}

static void on_device(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message, void *answer,
    void *unused) {
    (void)unused;
    if (status != WGPURequestDeviceStatus_Success) {
        give_up("device", message);
    }
    *(WGPUDevice *)answer = device;
}

static void on_error(const WGPUDevice *device, WGPUErrorType type, WGPUStringView message, void *one, void *two) {
    (void)device, (void)type, (void)one, (void)two;
    give_up("webgpu", message);
}

static void on_map(WGPUMapAsyncStatus status, WGPUStringView message, void *one, void *two) {
    (void)one, (void)two;
    if (status != WGPUMapAsyncStatus_Success) {
        give_up("map", message);
    }
}

static int connect_gpu(Gpu *gpu) {
    WGPUInstanceFeatureName timed = WGPUInstanceFeatureName_TimedWaitAny;
    WGPUInstanceDescriptor instance = WGPU_INSTANCE_DESCRIPTOR_INIT;
    instance.requiredFeatureCount = 1;
    instance.requiredFeatures = &timed;
    gpu->instance = wgpuCreateInstance(&instance);
    WGPUAdapter adapter = NULL;
    WGPURequestAdapterCallbackInfo asked = {NULL, WGPUCallbackMode_WaitAnyOnly, on_adapter, &adapter, NULL};
    wait_for(gpu, wgpuInstanceRequestAdapter(gpu->instance, NULL, asked));
    if (!adapter) {
        return 0;
    }
    WGPUDeviceDescriptor device = WGPU_DEVICE_DESCRIPTOR_INIT;
    device.uncapturedErrorCallbackInfo.callback = on_error;
    WGPURequestDeviceCallbackInfo info = {NULL, WGPUCallbackMode_WaitAnyOnly, on_device, &gpu->device, NULL};
    wait_for(gpu, wgpuAdapterRequestDevice(adapter, &device, info));
    wgpuAdapterRelease(adapter);
    gpu->queue = wgpuDeviceGetQueue(gpu->device);
    return 1;
}

static WGPUBuffer make_buffer(const Gpu *gpu, const char *label, WGPUBufferUsage usage, uint64_t size) {
    WGPUBufferDescriptor wanted = WGPU_BUFFER_DESCRIPTOR_INIT;
    wanted.label = text(label);
    wanted.usage = usage;
    wanted.size = size;
    return wgpuDeviceCreateBuffer(gpu->device, &wanted);
}

static WGPUComputePipeline make_pipeline(const Gpu *gpu, WGPUPipelineLayout layout, WGPUShaderModule shader,
    const char *entry_point) {
    WGPUConstantEntry constants[2] = {{NULL, text("time"), TIME_STEP}, {NULL, text("softening"), SOFTENING}};
    WGPUComputePipelineDescriptor wanted = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    wanted.label = text(entry_point);
    wanted.layout = layout;
    wanted.compute.module = shader;
    wanted.compute.entryPoint = text(entry_point);
    wanted.compute.constantCount = 2;
    wanted.compute.constants = constants;
    return wgpuDeviceCreateComputePipeline(gpu->device, &wanted);
}

static void set_up(Gpu *gpu, const Stars *stars) {
    const size_t size = stars->count * sizeof(Vector);
    const WGPUBufferUsage usage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst;
    gpu->places = make_buffer(gpu, "places", usage, size);
    gpu->speeds = make_buffer(gpu, "speeds", usage, size);
    gpu->copy = make_buffer(gpu, "copy", WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, 2 * size);
    wgpuQueueWriteBuffer(gpu->queue, gpu->places, 0, stars->places, size);
    wgpuQueueWriteBuffer(gpu->queue, gpu->speeds, 0, stars->speeds, size);

    WGPUBindGroupLayoutEntry slots[2] = {WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT, WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT};
    WGPUBindGroupEntry entries[2] = {WGPU_BIND_GROUP_ENTRY_INIT, WGPU_BIND_GROUP_ENTRY_INIT};
    for (uint32_t at = 0; at < 2; at++) {
        slots[at].binding = entries[at].binding = at;
        slots[at].visibility = WGPUShaderStage_Compute;
        slots[at].buffer.type = WGPUBufferBindingType_Storage;
        entries[at].buffer = at ? gpu->speeds : gpu->places;
    }
    WGPUBindGroupLayoutDescriptor group_layout = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
    group_layout.entryCount = 2;
    group_layout.entries = slots;
    WGPUBindGroupDescriptor group = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    group.layout = wgpuDeviceCreateBindGroupLayout(gpu->device, &group_layout);
    group.entryCount = 2;
    group.entries = entries;
    gpu->group = wgpuDeviceCreateBindGroup(gpu->device, &group);

    WGPUPipelineLayoutDescriptor layout = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
    layout.bindGroupLayoutCount = 1;
    layout.bindGroupLayouts = &group.layout;
    WGPUPipelineLayout both = wgpuDeviceCreatePipelineLayout(gpu->device, &layout);
    WGPUShaderSourceWGSL source = WGPU_SHADER_SOURCE_WGSL_INIT;
    source.code = text(SHADER);
    WGPUShaderModuleDescriptor module = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
    module.nextInChain = &source.chain;
    WGPUShaderModule shader = wgpuDeviceCreateShaderModule(gpu->device, &module);
    gpu->kick = make_pipeline(gpu, both, shader, "kick");
    gpu->drift = make_pipeline(gpu, both, shader, "drift");
    wgpuShaderModuleRelease(shader);
    wgpuPipelineLayoutRelease(both);
    wgpuBindGroupLayoutRelease(group.layout);
}

// Moves the stars on and brings them back.
static void steps_on_gpu(const Gpu *gpu, Stars *stars, uint32_t steps) {
    const size_t size = stars->count * sizeof(Vector);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu->device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    wgpuComputePassEncoderSetBindGroup(pass, 0, gpu->group, 0, NULL);
    for (uint32_t step = 0; step < steps; step++) {
        wgpuComputePassEncoderSetPipeline(pass, gpu->kick);
        wgpuComputePassEncoderDispatchWorkgroups(pass, stars->count / 64, 1, 1);
        wgpuComputePassEncoderSetPipeline(pass, gpu->drift);
        wgpuComputePassEncoderDispatchWorkgroups(pass, stars->count / 64, 1, 1);
    }
    wgpuComputePassEncoderEnd(pass);
    wgpuComputePassEncoderRelease(pass);
    wgpuCommandEncoderCopyBufferToBuffer(encoder, gpu->places, 0, gpu->copy, 0, size);
    wgpuCommandEncoderCopyBufferToBuffer(encoder, gpu->speeds, 0, gpu->copy, size, size);
    WGPUCommandBuffer commands = wgpuCommandEncoderFinish(encoder, NULL);
    wgpuCommandEncoderRelease(encoder);
    wgpuQueueSubmit(gpu->queue, 1, &commands);
    wgpuCommandBufferRelease(commands);

    WGPUBufferMapCallbackInfo info = {NULL, WGPUCallbackMode_WaitAnyOnly, on_map, NULL, NULL};
    wait_for(gpu, wgpuBufferMapAsync(gpu->copy, WGPUMapMode_Read, 0, WGPU_WHOLE_MAP_SIZE, info));
    const char *bytes = wgpuBufferGetConstMappedRange(gpu->copy, 0, 2 * size);
    memcpy(stars->places, bytes, size);
    memcpy(stars->speeds, bytes + size, size);
    wgpuBufferUnmap(gpu->copy);
}

static void clean_up(Gpu *gpu) {
    wgpuComputePipelineRelease(gpu->kick);
    wgpuComputePipelineRelease(gpu->drift);
    wgpuBindGroupRelease(gpu->group);
    wgpuBufferRelease(gpu->places);
    wgpuBufferRelease(gpu->speeds);
    wgpuBufferRelease(gpu->copy);
    wgpuQueueRelease(gpu->queue);
    wgpuDeviceRelease(gpu->device);
}

// A number of the command line, or what stands for it.
static uint32_t number(int count, char **arguments, int at, uint32_t otherwise, uint32_t least, uint32_t most) {
    if (at >= count) {
        return otherwise;
    }
    char *end;
    unsigned long value = strtoul(arguments[at], &end, 10);
    if (*end || end == arguments[at] || value < least || value > most) {
        fprintf(stderr, "error: '%s' is not a number from %u to %u\n", arguments[at], least, most);
        exit(2);
    }
    return (uint32_t)value;
}

int main(int count, char **arguments) {
    uint32_t wanted = number(count, arguments, 1, 512, 64, 1 << 16);
    uint32_t steps = number(count, arguments, 2, 600, 1, 100000);
    const char *picture = count > 3 ? arguments[3] : "/out/galaxy.ppm";
    Stars stars = two_galaxies(wanted / 64 * 64);
    double energy = energy_of(&stars);
    Gpu gpu = {0};
    if (connect_gpu(&gpu)) {
        set_up(&gpu, &stars);
        Stars here = copy_of(&stars);
        steps_on_gpu(&gpu, &stars, 1);
        steps_on_cpu(&here, 1);
        double apart = distance(&stars, &here);
        if (!(apart < 1e-4)) {
            fprintf(stderr, "error: after one step the GPU's stars are %g from the processor's\n", apart);
            return 1;
        }
        for (uint32_t done = 1; done < steps;) {
            uint32_t batch = steps - done < BATCH ? steps - done : BATCH;
            steps_on_gpu(&gpu, &stars, batch);
            done += batch;
        }
        free_stars(&here);
        clean_up(&gpu);
        puts("the GPU agrees with the processor");
    } else {
        steps_on_cpu(&stars, steps);
    }
    wgpuInstanceRelease(gpu.instance);
    printf("%u stars, %u steps: the energy changed by %.1f %%\n", stars.count, steps,
        100 * (energy_of(&stars) / energy - 1));
    if (!paint(&stars, picture)) {
        fprintf(stderr, "error: writing %s: %s\n", picture, strerror(errno));
        return 1;
    }
    free_stars(&stars);
    return 0;
}
