// Command encoders, compute passes and command buffers. An encoder records here; the host sees a command buffer when it
// is finished.

#include "internal.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct Pass Pass;

struct Encoder {
    Object object;
    char *label;
    Bytes body;
    // Objects that the commands name: their ids must stay taken until the host has the commands.
    Object **held;
    size_t count;
    size_t capacity;
    // A pass is open: the encoder itself may record nothing. Which pass, while the program has it.
    bool in_pass;
    Pass *pass;
    bool finished;
};

struct Pass {
    Object object;
    Encoder *encoder;
    bool ended;
};

void encoder_invalidate(Encoder *encoder, const char *function, const char *reason) {
    char text[256];
    snprintf(text, sizeof text, "%s: %s", function, reason);
    command(&encoder->body, FIZZ_GPU_INVALIDATE, "t", text_of(text));
}

Bytes *encoder_record(const char *function, WGPUCommandEncoder commandEncoder, Encoder **encoder) {
    *encoder = GET(Encoder, function, commandEncoder, ENCODER);
    if ((*encoder)->finished) {
        report((*encoder)->object.device, FIZZ_GPU_VALIDATION, "%s: the encoder is finished", function);
        return NULL;
    }
    if ((*encoder)->in_pass) {
        encoder_invalidate(*encoder, function, "a compute pass of this encoder is still open");
        return NULL;
    }
    return &(*encoder)->body;
}

static Bytes *record_in_pass(const char *function, WGPUComputePassEncoder pass, Encoder **encoder) {
    Pass *of = GET(Pass, function, pass, PASS);
    *encoder = of->encoder;
    if (of->ended) {
        report(of->object.device, FIZZ_GPU_VALIDATION, "%s: the pass has ended", function);
        return NULL;
    }
    return &of->encoder->body;
}

bool encoder_names(Encoder *encoder, const char *function, Object *object) {
    if (object->device != encoder->object.device) {
        encoder_invalidate(encoder, function, "an object belongs to another device");
        return false;
    }
    if (object->noted_by != encoder->object.id) {
        object->noted_by = encoder->object.id;
        make_room(&encoder->held, encoder->count, &encoder->capacity, sizeof *encoder->held);
        encoder->held[encoder->count++] = object;
        object_hold(object);
    }
    return true;
}

bool encoder_has_timestamps(Encoder *encoder, const char *function) {
    const char *missing = timestamps_missing(encoder->object.device);
    if (missing) {
        encoder_invalidate(encoder, function, missing);
    }
    return !missing;
}

static void forget_recording(Encoder *encoder) {
    for (size_t at = 0; at < encoder->count; at++) {
        object_drop(encoder->held[at]);
    }
    encoder->count = 0;
    free(encoder->held);
    free(encoder->body.data);
    encoder->held = NULL;
    encoder->body = (Bytes){0};
}

WGPUCommandEncoder wgpuDeviceCreateCommandEncoder(WGPUDevice device, const WGPUCommandEncoderDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateCommandEncoder";
    Device *of = GET(Device, function, device, DEVICE);
    Encoder *encoder = object_new(ENCODER, of, sizeof *encoder);
    encoder->label = copy_text(descriptor ? view_of(function, descriptor->label) : text_of(NULL));
    if (descriptor && descriptor->nextInChain) {
        encoder_invalidate(encoder, function, "the chain has a structure that is not known here");
    }
    return object_handle(&encoder->object);
}

void wgpuCommandEncoderInsertDebugMarker(WGPUCommandEncoder commandEncoder, WGPUStringView markerLabel) {
    const char *function = "wgpuCommandEncoderInsertDebugMarker";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_INSERT_DEBUG_MARKER, "t", view_of(function, markerLabel));
    }
}

void wgpuCommandEncoderPushDebugGroup(WGPUCommandEncoder commandEncoder, WGPUStringView groupLabel) {
    const char *function = "wgpuCommandEncoderPushDebugGroup";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_PUSH_DEBUG_GROUP, "t", view_of(function, groupLabel));
    }
}

void wgpuCommandEncoderPopDebugGroup(WGPUCommandEncoder commandEncoder) {
    Encoder *encoder;
    Bytes *to = encoder_record("wgpuCommandEncoderPopDebugGroup", commandEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_POP_DEBUG_GROUP, "");
    }
}

// The command that opens a pass.
static void begin_pass(Encoder *encoder, Bytes *to, const WGPUComputePassDescriptor *descriptor) {
    const char *function = "wgpuCommandEncoderBeginComputePass";
    WGPUStringView label = descriptor ? view_of(function, descriptor->label) : text_of(NULL);
    const WGPUPassTimestampWrites *writes = descriptor ? descriptor->timestampWrites : NULL;
    Object *set = writes ? object_get(function, writes->querySet, QUERY_SET) : NULL;
    if ((descriptor && descriptor->nextInChain) || (writes && writes->nextInChain)) {
        encoder_invalidate(encoder, function, "the chain has a structure that is not known here");
        set = NULL;
    }
    if (set && encoder_has_timestamps(encoder, function) && encoder_names(encoder, function, set)) {
        // An index that is not given is the same number in the standard and in the stream.
        command(to, FIZZ_GPU_BEGIN_TIMED_PASS, "uuut", set->id, writes->beginningOfPassWriteIndex,
            writes->endOfPassWriteIndex, label);
    } else {
        command(to, FIZZ_GPU_BEGIN_PASS, "t", label);
    }
}

WGPUComputePassEncoder wgpuCommandEncoderBeginComputePass(WGPUCommandEncoder commandEncoder,
    const WGPUComputePassDescriptor *descriptor) {
    const char *function = "wgpuCommandEncoderBeginComputePass";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Pass *pass = object_new(PASS, encoder->object.device, sizeof *pass);
    pass->encoder = encoder;
    object_hold(&encoder->object);
    if (!to) {
        // It records nowhere.
        pass->ended = true;
        return object_handle(&pass->object);
    }
    begin_pass(encoder, to, descriptor);
    encoder->in_pass = true;
    encoder->pass = pass;
    return object_handle(&pass->object);
}

static void end_pass(Encoder *encoder) {
    command(&encoder->body, FIZZ_GPU_END_PASS, "");
    encoder->in_pass = false;
    if (encoder->pass) {
        encoder->pass->ended = true;
        encoder->pass = NULL;
    }
}

void wgpuComputePassEncoderEnd(WGPUComputePassEncoder computePassEncoder) {
    Encoder *encoder;
    if (record_in_pass("wgpuComputePassEncoderEnd", computePassEncoder, &encoder)) {
        end_pass(encoder);
    }
}

void wgpuComputePassEncoderSetPipeline(WGPUComputePassEncoder computePassEncoder, WGPUComputePipeline pipeline) {
    const char *function = "wgpuComputePassEncoderSetPipeline";
    Encoder *encoder;
    Bytes *to = record_in_pass(function, computePassEncoder, &encoder);
    Object *object = object_get(function, pipeline, COMPUTE_PIPELINE);
    if (to && encoder_names(encoder, function, object)) {
        command(to, FIZZ_GPU_SET_PIPELINE, "u", object->id);
    }
}

void wgpuComputePassEncoderSetBindGroup(WGPUComputePassEncoder computePassEncoder, uint32_t groupIndex,
    WGPUBindGroup group, size_t dynamicOffsetCount, const uint32_t *dynamicOffsets) {
    const char *function = "wgpuComputePassEncoderSetBindGroup";
    Encoder *encoder;
    Bytes *to = record_in_pass(function, computePassEncoder, &encoder);
    Object *object = group ? object_get(function, group, BIND_GROUP) : NULL;
    if (dynamicOffsetCount && !dynamicOffsets) {
        fail("%s: %zu dynamic offsets are at NULL", function, dynamicOffsetCount);
    }
    if (!to || (object && !encoder_names(encoder, function, object))) {
        return;
    }
    size_t begin = command_begin(to, FIZZ_GPU_SET_BIND_GROUP);
    put_u32(to, groupIndex);
    put_u32(to, object ? object->id : 0);
    put_u32(to, (uint32_t)dynamicOffsetCount);
    put_raw(to, dynamicOffsets, dynamicOffsetCount * sizeof *dynamicOffsets);
    command_end(to, begin);
}

void wgpuComputePassEncoderSetImmediates(WGPUComputePassEncoder computePassEncoder, uint32_t offset, const void *data,
    size_t size) {
    const char *function = "wgpuComputePassEncoderSetImmediates";
    Encoder *encoder;
    Bytes *to = record_in_pass(function, computePassEncoder, &encoder);
    if (size && !data) {
        fail("%s: %zu bytes are at NULL", function, size);
    }
    if (to && size > FIZZ_GPU_MAX_INLINE) {
        encoder_invalidate(encoder, function, "there are too many bytes");
    } else if (to) {
        command(to, FIZZ_GPU_SET_IMMEDIATES, "ub", offset, data, size);
    }
}

void wgpuComputePassEncoderDispatchWorkgroups(WGPUComputePassEncoder computePassEncoder, uint32_t workgroupCountX,
    uint32_t workgroupCountY, uint32_t workgroupCountZ) {
    Encoder *encoder;
    Bytes *to = record_in_pass("wgpuComputePassEncoderDispatchWorkgroups", computePassEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_DISPATCH, "uuu", workgroupCountX, workgroupCountY, workgroupCountZ);
    }
}

void wgpuComputePassEncoderDispatchWorkgroupsIndirect(WGPUComputePassEncoder computePassEncoder,
    WGPUBuffer indirectBuffer, uint64_t indirectOffset) {
    const char *function = "wgpuComputePassEncoderDispatchWorkgroupsIndirect";
    Encoder *encoder;
    Bytes *to = record_in_pass(function, computePassEncoder, &encoder);
    Object *object = object_get(function, indirectBuffer, BUFFER);
    if (to && encoder_names(encoder, function, object)) {
        command(to, FIZZ_GPU_DISPATCH_INDIRECT, "ul", object->id, indirectOffset);
    }
}

void wgpuComputePassEncoderInsertDebugMarker(WGPUComputePassEncoder computePassEncoder, WGPUStringView markerLabel) {
    const char *function = "wgpuComputePassEncoderInsertDebugMarker";
    Encoder *encoder;
    Bytes *to = record_in_pass(function, computePassEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_INSERT_DEBUG_MARKER, "t", view_of(function, markerLabel));
    }
}

void wgpuComputePassEncoderPushDebugGroup(WGPUComputePassEncoder computePassEncoder, WGPUStringView groupLabel) {
    const char *function = "wgpuComputePassEncoderPushDebugGroup";
    Encoder *encoder;
    Bytes *to = record_in_pass(function, computePassEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_PUSH_DEBUG_GROUP, "t", view_of(function, groupLabel));
    }
}

void wgpuComputePassEncoderPopDebugGroup(WGPUComputePassEncoder computePassEncoder) {
    Encoder *encoder;
    Bytes *to = record_in_pass("wgpuComputePassEncoderPopDebugGroup", computePassEncoder, &encoder);
    if (to) {
        command(to, FIZZ_GPU_POP_DEBUG_GROUP, "");
    }
}

// Appends the whole bracket, or makes an error object.
static void bracket(Encoder *encoder, const Object *commands, WGPUStringView label) {
    const char *function = "wgpuCommandEncoderFinish";
    Device *device = commands->device;
    Bytes *to = push_begin(device);
    if (!to) {
        return;
    }
    // The bracket's own commands take at most as much as a label and two headers.
    size_t stream = host_caps()->max_stream_bytes, own = 2 * FIZZ_GPU_MAX_TEXT;
    size_t most = stream > own ? stream - own : 0;
    if (encoder->body.len > most) {
        push_error(device, commands, "%s: the commands take %zu bytes of at most %zu: use several command buffers",
            function, encoder->body.len, most);
        return;
    }
    command(to, FIZZ_GPU_BEGIN_COMMANDS, "ut", commands->id, label);
    put_raw(to, encoder->body.data, encoder->body.len);
    command(to, FIZZ_GPU_END_COMMANDS, "");
    push_end(device);
}

WGPUCommandBuffer wgpuCommandEncoderFinish(WGPUCommandEncoder commandEncoder,
    const WGPUCommandBufferDescriptor *descriptor) {
    const char *function = "wgpuCommandEncoderFinish";
    Encoder *encoder = GET(Encoder, function, commandEncoder, ENCODER);
    Device *device = encoder->object.device;
    WGPUStringView label = descriptor ? view_of(function, descriptor->label) : text_of(NULL);
    Object *commands = object_new(COMMAND_BUFFER, device, sizeof *commands);
    if (encoder->finished) {
        push_error(device, commands, "%s: the encoder is finished already", function);
        return object_handle(commands);
    }
    if (encoder->in_pass) {
        encoder_invalidate(encoder, function, "a compute pass is still open");
        end_pass(encoder);
    }
    if (descriptor && descriptor->nextInChain) {
        encoder_invalidate(encoder, function, "the chain has a structure that is not known here");
    }
    encoder->finished = true;
    bracket(encoder, commands, label.data ? label : text_of(encoder->label));
    forget_recording(encoder);
    return object_handle(commands);
}

void wgpuQueueSubmit(WGPUQueue queue, size_t commandCount, const WGPUCommandBuffer *commands) {
    const char *function = "wgpuQueueSubmit";
    Device *device = GET(Object, function, queue, QUEUE)->device;
    if (commandCount && !commands) {
        fail("%s: %zu command buffers are at NULL", function, commandCount);
    }
    const char *wrong = NULL;
    uint32_t *ids = allocate(commandCount * sizeof *ids);
    size_t taken = 0;
    for (size_t at = 0; at < commandCount; at++) {
        Object *object = object_get(function, commands[at], COMMAND_BUFFER);
        if (object->device != device) {
            wrong = "a command buffer belongs to another device";
        } else if (object->gone) {
            wrong = "a command buffer was submitted before, or stands twice";
        } else {
            object->gone = true;
            ids[taken++] = object->id;
        }
    }
    if (wrong) {
        // Those that are good cannot be used again either.
        for (size_t at = 0; at < taken; at++) {
            push(device, FIZZ_GPU_RELEASE, "uu", (uint32_t)COMMAND_BUFFER, ids[at]);
        }
        report(device, FIZZ_GPU_VALIDATION, "%s: %s", function, wrong);
    } else {
        Bytes *to = push_begin(device);
        if (to) {
            size_t begin = command_begin(to, FIZZ_GPU_SUBMIT);
            put_u32(to, (uint32_t)taken);
            put_raw(to, ids, taken * sizeof *ids);
            command_end(to, begin);
            push_end(device);
        }
    }
    free(ids);
    device_flush(device);
}

void encoder_gone(Object *object) {
    Encoder *encoder = (Encoder *)object;
    forget_recording(encoder);
    free(encoder->label);
}

void pass_gone(Object *object) {
    Encoder *encoder = ((Pass *)object)->encoder;
    // A pass that goes without its end leaves the encoder in it.
    if (encoder->pass == (Pass *)object) {
        encoder->pass = NULL;
    }
    object_drop(&encoder->object);
}

void wgpuCommandEncoderAddRef(WGPUCommandEncoder commandEncoder) {
    object_add_ref("wgpuCommandEncoderAddRef", commandEncoder, ENCODER);
}

void wgpuCommandEncoderRelease(WGPUCommandEncoder commandEncoder) {
    object_release("wgpuCommandEncoderRelease", commandEncoder, ENCODER);
}

void wgpuComputePassEncoderAddRef(WGPUComputePassEncoder computePassEncoder) {
    object_add_ref("wgpuComputePassEncoderAddRef", computePassEncoder, PASS);
}

void wgpuComputePassEncoderRelease(WGPUComputePassEncoder computePassEncoder) {
    object_release("wgpuComputePassEncoderRelease", computePassEncoder, PASS);
}

void wgpuCommandBufferAddRef(WGPUCommandBuffer commandBuffer) {
    object_add_ref("wgpuCommandBufferAddRef", commandBuffer, COMMAND_BUFFER);
}

void wgpuCommandBufferRelease(WGPUCommandBuffer commandBuffer) {
    object_release("wgpuCommandBufferRelease", commandBuffer, COMMAND_BUFFER);
}
