// Query sets: timestamps, which are gas.

#include "internal.h"

typedef struct QuerySet {
    Object object;
    WGPUQueryType type;
    uint32_t count;
} QuerySet;

const char *timestamps_missing(const Device *device) {
    return device->timestamps ? NULL : "the device was made without the feature TimestampQuery";
}

static const char *set_wrong(const Device *device, const WGPUQuerySetDescriptor *wanted) {
    if (wanted->nextInChain) {
        return "the chain has a structure that is not known here";
    }
    switch (wanted->type) {
    case WGPUQueryType_Timestamp: return timestamps_missing(device);
    case WGPUQueryType_Occlusion: return "this device draws nothing that could be hidden: its queries are timestamps";
    default: return "the type of the queries is none";
    }
}

WGPUQuerySet wgpuDeviceCreateQuerySet(WGPUDevice device, const WGPUQuerySetDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateQuerySet";
    Device *of = GET(Device, function, device, DEVICE);
    if (!descriptor) {
        fail("%s: the descriptor is NULL", function);
    }
    WGPUStringView label = view_of(function, descriptor->label);
    QuerySet *set = object_new(QUERY_SET, of, sizeof *set);
    set->type = descriptor->type;
    set->count = descriptor->count;
    const char *wrong = set_wrong(of, descriptor);
    if (wrong) {
        push_error(of, &set->object, "%s: %s", function, wrong);
    } else {
        push(of, FIZZ_GPU_CREATE_QUERY_SET, "uuut", set->object.id, (uint32_t)FIZZ_GPU_TIMESTAMP, set->count, label);
    }
    return object_handle(&set->object);
}

void wgpuQuerySetDestroy(WGPUQuerySet querySet) {
    Object *object = object_get("wgpuQuerySetDestroy", querySet, QUERY_SET);
    if (host_knows(QUERY_SET)) {
        push(object->device, FIZZ_GPU_DESTROY_QUERY_SET, "u", object->id);
    }
}

uint32_t wgpuQuerySetGetCount(WGPUQuerySet querySet) {
    return GET(QuerySet, "wgpuQuerySetGetCount", querySet, QUERY_SET)->count;
}

WGPUQueryType wgpuQuerySetGetType(WGPUQuerySet querySet) {
    return GET(QuerySet, "wgpuQuerySetGetType", querySet, QUERY_SET)->type;
}

void wgpuQuerySetAddRef(WGPUQuerySet querySet) {
    object_add_ref("wgpuQuerySetAddRef", querySet, QUERY_SET);
}

void wgpuQuerySetRelease(WGPUQuerySet querySet) {
    object_release("wgpuQuerySetRelease", querySet, QUERY_SET);
}

// Commands.

void wgpuCommandEncoderWriteTimestamp(WGPUCommandEncoder commandEncoder, WGPUQuerySet querySet, uint32_t queryIndex) {
    const char *function = "wgpuCommandEncoderWriteTimestamp";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *set = object_get(function, querySet, QUERY_SET);
    if (to && encoder_has_timestamps(encoder, function) && encoder_names(encoder, function, set)) {
        command(to, FIZZ_GPU_WRITE_TIMESTAMP, "uu", set->id, queryIndex);
    }
}

void wgpuCommandEncoderResolveQuerySet(WGPUCommandEncoder commandEncoder, WGPUQuerySet querySet, uint32_t firstQuery,
    uint32_t queryCount, WGPUBuffer destination, uint64_t destinationOffset) {
    const char *function = "wgpuCommandEncoderResolveQuerySet";
    Encoder *encoder;
    Bytes *to = encoder_record(function, commandEncoder, &encoder);
    Object *set = object_get(function, querySet, QUERY_SET), *into = object_get(function, destination, BUFFER);
    if (to && encoder_has_timestamps(encoder, function) && encoder_names(encoder, function, set) &&
        encoder_names(encoder, function, into)) {
        command(to, FIZZ_GPU_RESOLVE_QUERIES, "uuuul", set->id, firstQuery, queryCount, into->id, destinationOffset);
    }
}
