// Handles and the objects behind them, counted; texts and memory.

#include "internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *format, va_list arguments) {
    fputs("webgpu: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    // What the program said until now is not lost.
    fflush(NULL);
    abort();
}

void note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void *allocate(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (!memory) {
        fail("the job has no memory for %zu bytes", size);
    }
    return memory;
}

void make_room(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) {
        return;
    }
    void **place = array;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *memory = more > SIZE_MAX / size ? NULL : realloc(*place, more * size);
    if (!memory) {
        fail("the job has no memory for %zu items of %zu bytes", more, size);
    }
    *place = memory;
    *capacity = more;
}

const char *kind_name(Kind kind) {
    static const char *const names[] = {"", "buffer", "shader module", "bind group layout", "pipeline layout",
        "compute pipeline", "bind group", "command buffer", "texture", "texture view", "query set", "instance",
        "adapter", "device", "queue", "command encoder", "compute pass encoder"};
    return names[kind];
}

// The objects by id: open addressing, at most half full. Ids rise, so they spread well by themselves.
static Object **table;
static size_t slots, used;
static uint32_t last_id;

uint32_t new_id(void) {
    if (last_id == UINT32_MAX) {
        fail("a job makes fewer than 2^32 objects");
    }
    return ++last_id;
}

static size_t slot_of(uint32_t id) {
    size_t at = id & (slots - 1);
    while (table[at] && table[at]->id != id) {
        at = (at + 1) & (slots - 1);
    }
    return at;
}

Object *object_find(uint32_t id) {
    return slots ? table[slot_of(id)] : NULL;
}

static void insert(Object *object) {
    if (2 * (used + 1) > slots) {
        Object **before = table;
        size_t count = slots;
        slots = count ? 2 * count : 64;
        table = allocate(slots * sizeof *table);
        for (size_t at = 0; at < count; at++) {
            if (before[at]) {
                table[slot_of(before[at]->id)] = before[at];
            }
        }
        free(before);
    }
    table[slot_of(object->id)] = object;
    used++;
}

// Moves those that stood behind the object because of it.
static void take_out(uint32_t id) {
    size_t hole = slot_of(id);
    table[hole] = NULL;
    used--;
    for (size_t at = (hole + 1) & (slots - 1); table[at]; at = (at + 1) & (slots - 1)) {
        Object *object = table[at];
        table[at] = NULL;
        table[slot_of(object->id)] = object;
    }
}

void objects_each(Kind kind, void (*visit)(Object *object, void *context), void *context) {
    for (size_t at = 0; at < slots; at++) {
        if (table[at] && table[at]->kind == kind) {
            visit(table[at], context);
        }
    }
}

void *object_new(Kind kind, Device *device, size_t size) {
    Object *object = allocate(size);
    object->id = new_id();
    object->kind = kind;
    object->refs = 1;
    object->device = device;
    if (device) {
        object_hold(&device->object);
    }
    insert(object);
    return object;
}

void *object_handle(const Object *object) {
    return object ? (void *)(uintptr_t)object->id : NULL;
}

void *object_get(const char *function, const void *handle, Kind kind) {
    if (!handle) {
        fail("%s: the %s is NULL", function, kind_name(kind));
    }
    Object *object = object_find((uint32_t)(uintptr_t)handle);
    if (!object || !object->refs) {
        fail("%s: the %s was released already, or never was one", function, kind_name(kind));
    }
    if (object->kind != kind) {
        fail("%s: this is a %s and not a %s", function, kind_name(object->kind), kind_name(kind));
    }
    return object;
}

static void count_up(uint32_t *count) {
    if (++*count == 0) {
        fail("an object has more than 2^32 references");
    }
}

void object_add_ref(const char *function, const void *handle, Kind kind) {
    count_up(&GET(Object, function, handle, kind)->refs);
}

void object_hold(Object *object) {
    count_up(&object->holds);
}

// Frees the object where nobody refers to it any more.
static void perhaps_gone(Object *object) {
    if (object->refs || object->holds) {
        return;
    }
    switch (object->kind) {
    case BUFFER: buffer_gone(object); break;
    case SHADER: shader_gone(object); break;
    case ENCODER: encoder_gone(object); break;
    case PASS: pass_gone(object); break;
    case DEVICE: device_gone((Device *)object); break;
    case ADAPTER: object_drop(&((Adapter *)object)->instance->object); break;
    case QUEUE: object->device->queue = NULL; break;
    default: break;
    }
    Device *device = object->device;
    if (object->kind <= QUERY_SET && !object->gone) {
        push(device, FIZZ_GPU_RELEASE, "uu", host_kind(object->kind), object->id);
    }
    take_out(object->id);
    free(object);
    if (device) {
        object_drop(&device->object);
    }
}

void object_release(const char *function, const void *handle, Kind kind) {
    Object *object = object_get(function, handle, kind);
    // What happens at the last reference may need the object a little longer.
    object->holds++;
    object->refs--;
    if (!object->refs && kind == DEVICE) {
        device_lose((Device *)object);
    }
    if (!object->refs && kind == INSTANCE) {
        events_cancel((Instance *)object);
    }
    object_drop(object);
}

void object_drop(Object *object) {
    object->holds--;
    perhaps_gone(object);
}

WGPUStringView view_of(const char *function, WGPUStringView text) {
    if (text.length == WGPU_STRLEN) {
        text.length = text.data ? strlen(text.data) : WGPU_STRLEN;
    } else if (text.length && !text.data) {
        fail("%s: a text of %zu bytes is at NULL", function, text.length);
    }
    return text;
}

WGPUStringView text_of(const char *text) {
    return (WGPUStringView){text, text ? strlen(text) : 0};
}

char *copy_text(WGPUStringView text) {
    size_t len = text.data ? text.length : 0;
    char *copy = allocate(len + 1);
    if (len) {
        memcpy(copy, text.data, len);
    }
    return copy;
}

// Bytes of the character at the front of UTF-8, or 0 if it is none.
static size_t character(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (size == 0 || size > left) {
        return 0;
    }
    for (size_t more = 1; more < size; more++) {
        if ((at[more] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) || (first == 0xf0 && at[1] < 0x90) ||
               (first == 0xf4 && at[1] > 0x8f);
    return bad ? 0 : size;
}

bool is_utf8(WGPUStringView text) {
    for (size_t at = 0; text.data && at < text.length;) {
        size_t size = character((const uint8_t *)text.data + at, text.length - at);
        if (!size) {
            return false;
        }
        at += size;
    }
    return true;
}

// A label as the stream wants it: of at most 1024 bytes, and UTF-8.
void put_label(Bytes *to, WGPUStringView text) {
    char label[FIZZ_GPU_MAX_TEXT];
    size_t len = 0;
    for (size_t at = 0; text.data && at < text.length;) {
        size_t size = character((const uint8_t *)text.data + at, text.length - at);
        if (len + (size ? size : 1) > sizeof label) {
            break;
        }
        if (size) {
            memcpy(label + len, text.data + at, size);
        } else {
            label[len] = '?';
            size = 1;
        }
        at += size;
        len += size;
    }
    put_text(to, (WGPUStringView){label, len});
}
