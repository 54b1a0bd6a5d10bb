// The one conversation with the host: commands go into a stream, records come back.

#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Bytes of stream after which it is handed over even though nobody waits.
enum { FLUSH_AT = 256 << 10 };

void put_raw(Bytes *to, const void *data, size_t len) {
    if (len > to->capacity - to->len) {
        size_t capacity = to->capacity < 1024 ? 1024 : to->capacity;
        while (capacity - to->len < len && capacity <= SIZE_MAX / 2) {
            capacity *= 2;
        }
        uint8_t *memory = capacity - to->len < len ? NULL : realloc(to->data, capacity);
        if (!memory) {
            fail("the job has no memory for %zu more bytes of commands", len);
        }
        to->data = memory;
        to->capacity = capacity;
    }
    if (len) {
        memcpy(to->data + to->len, data, len);
    }
    to->len += len;
}

// The guest is little-endian, as the stream is.
void put_u32(Bytes *to, uint32_t value) {
    put_raw(to, &value, sizeof value);
}

void put_u64(Bytes *to, uint64_t value) {
    put_raw(to, &value, sizeof value);
}

static void put_data(Bytes *to, const void *data, size_t len) {
    put_u32(to, (uint32_t)len);
    put_raw(to, data, len);
    put_raw(to, "\0\0\0", -len % 4);
}

void put_text(Bytes *to, WGPUStringView text) {
    put_data(to, text.data, text.data ? text.length : 0);
}

size_t command_begin(Bytes *to, uint16_t op) {
    size_t begin = to->len;
    put_u32(to, op);
    put_u32(to, 0);
    return begin;
}

void command_end(Bytes *to, size_t begin) {
    uint32_t size = (uint32_t)(to->len - begin);
    memcpy(to->data + begin + 4, &size, sizeof size);
}

static void command_of(Bytes *to, uint16_t op, const char *format, va_list fields) {
    size_t begin = command_begin(to, op);
    for (; *format; format++) {
        switch (*format) {
        case 'u': put_u32(to, va_arg(fields, uint32_t)); break;
        case 'l': put_u64(to, va_arg(fields, uint64_t)); break;
        case 't': put_label(to, va_arg(fields, WGPUStringView)); break;
        case 'x': put_text(to, va_arg(fields, WGPUStringView)); break;
        case 'b': {
            const void *data = va_arg(fields, const void *);
            put_data(to, data, va_arg(fields, size_t));
            break;
        }
        }
    }
    command_end(to, begin);
}

void command(Bytes *to, uint16_t op, const char *format, ...) {
    va_list fields;
    va_start(fields, format);
    command_of(to, op, format, fields);
    va_end(fields);
}

// The host's session: open with nobody using it, or used by a device.
static bool is_open;
static struct fizz_gpu_caps capabilities;
static Device *user;

// The class that the next session is opened with.
static uint32_t class_wanted = FIZZ_GPU_JOB;

void fizz_gpu_want_class(uint32_t class_) {
    if (class_ != class_wanted && is_open && !user) {
        is_open = false;
        fizz_gpu_close();
    }
    class_wanted = class_;
}

int32_t host_probe(struct fizz_gpu_caps *caps) {
    if (!is_open) {
        const uint32_t request[4] = {FIZZ_GPU_VERSION, class_wanted, 0, 0};
        int32_t answer = fizz_gpu_open(request, sizeof request, &capabilities, FIZZ_GPU_CAPS_SIZE);
        if (answer < 0) {
            return answer;
        }
        is_open = true;
    }
    *caps = capabilities;
    return 0;
}

const struct fizz_gpu_caps *host_caps(void) {
    return &capabilities;
}

bool host_knows(Kind kind) {
    bool texture = kind == TEXTURE || kind == TEXTURE_VIEW;
    uint64_t needed = texture ? FIZZ_GPU_STORAGE_TEXTURES : kind == QUERY_SET ? FIZZ_GPU_TIMESTAMPS : 0;
    return (capabilities.features & needed) == needed;
}

uint32_t host_kind(Kind kind) {
    return host_knows(kind) ? (uint32_t)kind : FIZZ_GPU_BUFFER;
}

bool host_in_use(void) {
    return user != NULL;
}

void host_begin(Device *device) {
    user = device;
}

void host_end(Device *device) {
    if (user == device) {
        user = NULL;
        is_open = false;
        fizz_gpu_close();
    }
}

void host_flush(void) {
    if (user) {
        device_flush(user);
    }
}

static void hand_over(const uint8_t *stream, size_t len) {
    int64_t serial = fizz_gpu_submit(stream, (uint32_t)len);
    if (serial < 0) {
        fail("the host refused a command stream (status %lld)", (long long)serial);
    }
}

// An error that no scope caught.
typedef struct Uncaught {
    struct Uncaught *next;
    uint32_t class_;
    char *text;
} Uncaught;

static void tell(Device *device, Uncaught *errors) {
    while (errors) {
        Uncaught *error = errors;
        errors = error->next;
        WGPUUncapturedErrorCallbackInfo to = device->uncaptured;
        if (!to.callback) {
            fail("error that no scope and no callback caught: %s", error->text);
        }
        WGPUDevice handle = device->object.refs ? object_handle(&device->object) : NULL;
        to.callback(&handle, (WGPUErrorType)(error->class_ + 1), text_of(error->text), to.userdata1, to.userdata2);
        free(error->text);
        free(error);
    }
}

static void keep_message(uint32_t id, const uint32_t *record, WGPUStringView text) {
    Object *object = object_find(id);
    if (!object || object->kind != SHADER) {
        return;
    }
    Shader *shader = (Shader *)object;
    shader->messages = realloc(shader->messages, (shader->count + 1) * sizeof *shader->messages);
    if (!shader->messages) {
        fail("the job has no memory for a message about a shader");
    }
    shader->messages[shader->count++] = (WGPUCompilationMessage){
        .message = {copy_text(text), text.length},
        .type = (WGPUCompilationMessageType)record[3],
        .lineNum = record[4],
        .linePos = record[5],
        .offset = record[6],
        .length = record[7],
    };
}

// Takes the host's records, and delivers errors that no scope caught.
static void drain(Device *device) {
    static uint32_t record[FIZZ_GPU_MAX_RECORD / 4];
    Uncaught *first = NULL, **last = &first;
    while (fizz_gpu_take_error(record, sizeof record) > 0) {
        WGPUStringView text = {(const char *)(record + 9), record[8]};
        switch (record[0]) {
        case FIZZ_GPU_UNCAPTURED:
            *last = allocate(sizeof **last);
            (*last)->class_ = record[3];
            (*last)->text = copy_text(text);
            last = &(*last)->next;
            break;
        case FIZZ_GPU_SCOPE:
            free(device->answer_text);
            device->answer = record[3];
            device->answer_text = copy_text(text);
            break;
        case FIZZ_GPU_SHADER_MESSAGE: keep_message(record[2], record, text); break;
        }
    }
    // The callback may release the device.
    object_hold(&device->object);
    tell(device, first);
    object_drop(&device->object);
}

void device_flush(Device *device) {
    if (!device->lost && device->stream.len) {
        hand_over(device->stream.data, device->stream.len);
        device->stream.len = 0;
        drain(device);
    }
}

Bytes *push_begin(Device *device) {
    if (device->lost) {
        return NULL;
    }
    device->last = device->stream.len;
    return &device->stream;
}

void push_end(Device *device) {
    Bytes *stream = &device->stream;
    size_t most = capabilities.max_stream_bytes;
    if (stream->len <= most && stream->len <= FLUSH_AT) {
        return;
    }
    if (stream->len > most && device->last > 0) {
        // What was there already goes ahead, so that no stream is longer than it need be.
        hand_over(stream->data, device->last);
        stream->len -= device->last;
        memmove(stream->data, stream->data + device->last, stream->len);
    }
    device_flush(device);
}

void push(Device *device, uint16_t op, const char *format, ...) {
    Bytes *to = push_begin(device);
    if (to) {
        va_list fields;
        va_start(fields, format);
        command_of(to, op, format, fields);
        va_end(fields);
        push_end(device);
    }
}

static WGPUStringView written(char *text, size_t size, const char *format, va_list arguments) {
    int len = vsnprintf(text, size, format, arguments);
    return (WGPUStringView){text, len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1};
}

void report(Device *device, uint32_t class_, const char *format, ...) {
    char text[FIZZ_GPU_MAX_TEXT + 1];
    va_list arguments;
    va_start(arguments, format);
    push(device, FIZZ_GPU_REPORT_ERROR, "ut", class_, written(text, sizeof text, format, arguments));
    va_end(arguments);
    device_flush(device);
}

void push_error(Device *device, const Object *object, const char *format, ...) {
    char text[FIZZ_GPU_MAX_TEXT + 1];
    va_list arguments;
    va_start(arguments, format);
    push(device, FIZZ_GPU_CREATE_ERROR, "uuut", host_kind(object->kind), object->id, (uint32_t)FIZZ_GPU_VALIDATION,
        written(text, sizeof text, format, arguments));
    va_end(arguments);
}

bool device_read(Device *device, uint32_t buffer, uint64_t offset, void *into, size_t len) {
    if (device->lost) {
        return false;
    }
    device_flush(device);
    bool done = !device->lost && fizz_gpu_read(buffer, offset, into, (uint32_t)len) == FIZZ_GPU_OK;
    if (!done && !device->lost) {
        drain(device);
    }
    return done;
}

void device_write(Device *device, uint32_t buffer, uint64_t offset, const void *data, size_t len) {
    // Inline data must leave room for its command in a stream of any size.
    if (len <= FIZZ_GPU_MAX_INLINE && len <= capabilities.max_stream_bytes / 2) {
        push(device, FIZZ_GPU_WRITE_BUFFER, "ulb", buffer, offset, data, len);
    } else if (!device->lost) {
        device_flush(device);
        // A callback about an error may have destroyed the device.
        if (!device->lost && fizz_gpu_write(buffer, offset, data, (uint32_t)len) != FIZZ_GPU_OK) {
            drain(device);
        }
    }
}

void device_push_scope(Device *device, uint32_t class_) {
    push(device, FIZZ_GPU_PUSH_ERROR_SCOPE, "u", class_);
}

void device_pop_scope(Device *device) {
    device->answer = 0;
    push(device, FIZZ_GPU_POP_ERROR_SCOPE, "");
    device_flush(device);
}
