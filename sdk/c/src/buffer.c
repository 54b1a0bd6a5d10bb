// Buffers. While one is mapped, its bytes are kept here; what was written goes back when it is unmapped.

#include "internal.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// A range that was given out, or copied into.
typedef struct Range {
    uint64_t start;
    uint64_t end;
    bool writes;
    // A pointer to it is with the program.
    bool lent;
} Range;

typedef struct Buffer {
    Object object;
    uint64_t size;
    WGPUBufferUsage usage;
    WGPUBufferMapState state;
    // The mapping: its place in the buffer, whether it writes, its bytes (in memory that begins a little before).
    uint64_t start;
    uint64_t len;
    bool writes;
    uint8_t *bytes;
    void *memory;
    Range *ranges;
    size_t count;
    size_t capacity;
    // The future of a mapping that the program has not been told of yet.
    Event *pending;
} Buffer;

static Buffer *buffer_of(const char *function, WGPUBuffer buffer) {
    return GET(Buffer, function, buffer, BUFFER);
}

// Memory for a mapping, with the alignment that the buffer's offsets have. False if there is none.
static bool map_memory(Buffer *buffer, uint64_t start, uint64_t len) {
    size_t shift = start % 16;
    if (len > SIZE_MAX - shift - 1) {
        return false;
    }
    buffer->memory = calloc(1, (size_t)len + shift + 1);
    buffer->bytes = (uint8_t *)buffer->memory + shift;
    buffer->start = start;
    buffer->len = len;
    return buffer->memory != NULL;
}

static void forget_mapping(Buffer *buffer) {
    free(buffer->memory);
    free(buffer->ranges);
    buffer->memory = buffer->bytes = NULL;
    buffer->ranges = NULL;
    buffer->count = buffer->capacity = 0;
    buffer->state = WGPUBufferMapState_Unmapped;
}

static void abort_pending(Buffer *buffer, const char *why) {
    Event *event = buffer->pending;
    if (event) {
        buffer->pending = NULL;
        event->status = WGPUMapAsyncStatus_Aborted;
        free(event->message);
        event->message = copy_text(text_of(why));
    }
}

WGPUBuffer wgpuDeviceCreateBuffer(WGPUDevice device, const WGPUBufferDescriptor *descriptor) {
    const char *function = "wgpuDeviceCreateBuffer";
    Device *of = GET(Device, function, device, DEVICE);
    if (!descriptor) {
        fail("%s: the descriptor is NULL", function);
    }
    WGPUStringView label = view_of(function, descriptor->label);
    Buffer *buffer = object_new(BUFFER, of, sizeof *buffer);
    buffer->size = descriptor->size;
    buffer->usage = descriptor->usage;
    buffer->state = WGPUBufferMapState_Unmapped;
    WGPUBuffer handle = object_handle(&buffer->object);
    if (descriptor->mappedAtCreation) {
        bool aligned = descriptor->size % 4 == 0;
        if (!aligned || !map_memory(buffer, 0, descriptor->size)) {
            note(aligned ? "%s: the job has no memory to map %" PRIu64 " bytes"
                         : "%s: %" PRIu64 " bytes are no multiple of 4, so they cannot be mapped at creation",
                function, descriptor->size);
            buffer->object.gone = true;
            object_release(function, handle, BUFFER);
            return NULL;
        }
        buffer->writes = true;
        buffer->state = WGPUBufferMapState_Mapped;
    }
    if (descriptor->nextInChain) {
        push_error(of, &buffer->object, "%s: the chain has a structure that is not known here", function);
    } else if (descriptor->usage > UINT32_MAX) {
        push_error(of, &buffer->object, "%s: usage %#" PRIx64 " has unknown bits", function, descriptor->usage);
    } else {
        push(of, FIZZ_GPU_CREATE_BUFFER, "uulut", buffer->object.id, (uint32_t)descriptor->usage, descriptor->size,
            (uint32_t)(descriptor->mappedAtCreation ? 1 : 0), label);
    }
    return handle;
}

// Maps at the host and fetches the bytes: for writing too, because what is not written must stay. The reason if not.
static const char *map(Buffer *buffer, WGPUMapMode mode, uint64_t start, uint64_t len) {
    Device *device = buffer->object.device;
    uint32_t id = buffer->object.id;
    // A scope of our own tells whether the host mapped it.
    device_push_scope(device, FIZZ_GPU_VALIDATION);
    push(device, FIZZ_GPU_MAP_BUFFER, "uull", id, (uint32_t)mode, start, len);
    device_pop_scope(device);
    if (device->answer) {
        report(device, device->answer, "%s", device->answer_text);
        return "the buffer cannot be mapped so";
    }
    if (!map_memory(buffer, start, len)) {
        push(device, FIZZ_GPU_UNMAP_BUFFER, "u", id);
        report(device, FIZZ_GPU_OUT_OF_MEMORY, "wgpuBufferMapAsync: the job has no memory for %" PRIu64 " bytes", len);
        return "the job has no memory for the bytes";
    }
    if (len && !device_read(device, id, start, buffer->bytes, (size_t)len)) {
        push(device, FIZZ_GPU_UNMAP_BUFFER, "u", id);
        forget_mapping(buffer);
        return "the buffer cannot be read";
    }
    buffer->writes = mode == WGPUMapMode_Write;
    return NULL;
}

WGPUFuture wgpuBufferMapAsync(WGPUBuffer buffer, WGPUMapMode mode, size_t offset, size_t size,
    WGPUBufferMapCallbackInfo callbackInfo) {
    const char *function = "wgpuBufferMapAsync";
    Buffer *of = buffer_of(function, buffer);
    Device *device = of->object.device;
    Event *event = event_new(function, EVENT_MAP, device->instance, callbackInfo.mode,
        (AnyCallback)callbackInfo.callback, callbackInfo.userdata1, callbackInfo.userdata2);
    event->object = &of->object;
    object_hold(event->object);
    if (device->lost) {
        return event_ready(event, WGPUMapAsyncStatus_Aborted, "the device is lost");
    }
    if (of->pending) {
        return event_ready(event, WGPUMapAsyncStatus_Error, "another mapping is pending");
    }
    if (mode != WGPUMapMode_Read && mode != WGPUMapMode_Write) {
        report(device, FIZZ_GPU_VALIDATION, "%s: the mode is neither Read nor Write", function);
        return event_ready(event, WGPUMapAsyncStatus_Error, "the mode is neither Read nor Write");
    }
    uint64_t len = size;
    if (size == WGPU_WHOLE_MAP_SIZE) {
        len = of->size > offset ? of->size - offset : 0;
    }
    if (of->state == WGPUBufferMapState_Mapped) {
        report(device, FIZZ_GPU_VALIDATION, "%s: the buffer is mapped already", function);
        return event_ready(event, WGPUMapAsyncStatus_Error, "the buffer is mapped already");
    }
    const char *refused = map(of, mode, offset, len);
    if (refused) {
        return event_ready(event, WGPUMapAsyncStatus_Error, refused);
    }
    of->state = WGPUBufferMapState_Pending;
    of->pending = event;
    return event_ready(event, WGPUMapAsyncStatus_Success, NULL);
}

void buffer_mapped(Event *event) {
    Buffer *buffer = (Buffer *)event->object;
    if (buffer->pending == event) {
        buffer->pending = NULL;
        buffer->state = WGPUBufferMapState_Mapped;
    }
}

// The bytes of a range, or NULL and a message. A pointer that is lent overlaps none through which is written.
static uint8_t *range_of(const char *function, Buffer *buffer, uint64_t offset, uint64_t size, bool writes, bool lent) {
    const char *wrong = NULL;
    if (buffer->state != WGPUBufferMapState_Mapped) {
        wrong = "the buffer is not mapped";
    } else if (writes && !buffer->writes) {
        wrong = "the buffer is mapped for reading";
    } else if (offset % 8 || size % 4) {
        wrong = "the offset is no multiple of 8, or the size none of 4";
    } else if (offset < buffer->start || size > buffer->len || offset - buffer->start > buffer->len - size) {
        wrong = "the range is not within the mapped one";
    }
    for (size_t at = 0; !wrong && at < buffer->count; at++) {
        const Range *other = &buffer->ranges[at];
        if (other->lent && (writes || other->writes) && offset < other->end && other->start < offset + size) {
            wrong = "the range overlaps one that was given out";
        }
    }
    if (wrong) {
        note("%s: %" PRIu64 " bytes from %" PRIu64 ": %s", function, size, offset, wrong);
        return NULL;
    }
    if (lent || writes) {
        make_room(&buffer->ranges, buffer->count, &buffer->capacity, sizeof *buffer->ranges);
        buffer->ranges[buffer->count++] = (Range){offset, offset + size, writes, lent};
    }
    return buffer->bytes + (offset - buffer->start);
}

static uint64_t whole(const Buffer *buffer, size_t offset, size_t size) {
    return size != WGPU_WHOLE_MAP_SIZE ? size : buffer->size > offset ? buffer->size - offset : 0;
}

void *wgpuBufferGetMappedRange(WGPUBuffer buffer, size_t offset, size_t size) {
    Buffer *of = buffer_of("wgpuBufferGetMappedRange", buffer);
    return range_of("wgpuBufferGetMappedRange", of, offset, whole(of, offset, size), true, true);
}

const void *wgpuBufferGetConstMappedRange(WGPUBuffer buffer, size_t offset, size_t size) {
    Buffer *of = buffer_of("wgpuBufferGetConstMappedRange", buffer);
    return range_of("wgpuBufferGetConstMappedRange", of, offset, whole(of, offset, size), false, true);
}

WGPUStatus wgpuBufferReadMappedRange(WGPUBuffer buffer, size_t offset, void *data, size_t size) {
    Buffer *of = buffer_of("wgpuBufferReadMappedRange", buffer);
    const uint8_t *bytes = range_of("wgpuBufferReadMappedRange", of, offset, size, false, false);
    if (!bytes) {
        return WGPUStatus_Error;
    }
    if (size) {
        memcpy(data, bytes, size);
    }
    return WGPUStatus_Success;
}

WGPUStatus wgpuBufferWriteMappedRange(WGPUBuffer buffer, size_t offset, const void *data, size_t size) {
    Buffer *of = buffer_of("wgpuBufferWriteMappedRange", buffer);
    uint8_t *bytes = range_of("wgpuBufferWriteMappedRange", of, offset, size, true, false);
    if (!bytes) {
        return WGPUStatus_Error;
    }
    if (size) {
        memcpy(bytes, data, size);
    }
    return WGPUStatus_Success;
}

static int by_start(const void *left, const void *right) {
    uint64_t a = ((const Range *)left)->start, b = ((const Range *)right)->start;
    return (a > b) - (a < b);
}

// Brings back what may have been written, in as few pieces as possible.
static void write_back(Buffer *buffer) {
    if (buffer->count) {
        qsort(buffer->ranges, buffer->count, sizeof *buffer->ranges, by_start);
    }
    for (size_t at = 0; at < buffer->count;) {
        Range piece = buffer->ranges[at++];
        if (!piece.writes) {
            continue;
        }
        while (at < buffer->count && (!buffer->ranges[at].writes || buffer->ranges[at].start <= piece.end)) {
            if (buffer->ranges[at].writes && buffer->ranges[at].end > piece.end) {
                piece.end = buffer->ranges[at].end;
            }
            at++;
        }
        device_write(buffer->object.device, buffer->object.id, piece.start,
            buffer->bytes + (piece.start - buffer->start), (size_t)(piece.end - piece.start));
    }
}

void wgpuBufferUnmap(WGPUBuffer buffer) {
    Buffer *of = buffer_of("wgpuBufferUnmap", buffer);
    if (of->state == WGPUBufferMapState_Unmapped) {
        return;
    }
    abort_pending(of, "the buffer was unmapped before the mapping was told");
    if (of->writes) {
        write_back(of);
    }
    push(of->object.device, FIZZ_GPU_UNMAP_BUFFER, "u", of->object.id);
    forget_mapping(of);
}

void wgpuBufferDestroy(WGPUBuffer buffer) {
    Buffer *of = buffer_of("wgpuBufferDestroy", buffer);
    abort_pending(of, "the buffer was destroyed before the mapping was told");
    forget_mapping(of);
    push(of->object.device, FIZZ_GPU_DESTROY_BUFFER, "u", of->object.id);
}

void buffer_lose(Object *object, void *device) {
    if (object->device == device) {
        abort_pending((Buffer *)object, "the device was destroyed before the mapping was told");
        forget_mapping((Buffer *)object);
    }
}

void buffer_gone(Object *object) {
    forget_mapping((Buffer *)object);
}

WGPUBufferMapState wgpuBufferGetMapState(WGPUBuffer buffer) {
    return buffer_of("wgpuBufferGetMapState", buffer)->state;
}

uint64_t wgpuBufferGetSize(WGPUBuffer buffer) {
    return buffer_of("wgpuBufferGetSize", buffer)->size;
}

WGPUBufferUsage wgpuBufferGetUsage(WGPUBuffer buffer) {
    return buffer_of("wgpuBufferGetUsage", buffer)->usage;
}

void wgpuQueueWriteBuffer(WGPUQueue queue, WGPUBuffer buffer, uint64_t bufferOffset, const void *data, size_t size) {
    const char *function = "wgpuQueueWriteBuffer";
    Device *device = GET(Object, function, queue, QUEUE)->device;
    Buffer *to = buffer_of(function, buffer);
    if (size && !data) {
        fail("%s: %zu bytes are at NULL", function, size);
    }
    if (to->object.device != device) {
        report(device, FIZZ_GPU_VALIDATION, "%s: the buffer belongs to another device", function);
    } else if (to->state != WGPUBufferMapState_Unmapped) {
        report(device, FIZZ_GPU_VALIDATION, "%s: the buffer is mapped", function);
    } else {
        device_write(device, to->object.id, bufferOffset, data, size);
    }
}

void wgpuBufferAddRef(WGPUBuffer buffer) {
    object_add_ref("wgpuBufferAddRef", buffer, BUFFER);
}

void wgpuBufferRelease(WGPUBuffer buffer) {
    object_release("wgpuBufferRelease", buffer, BUFFER);
}
