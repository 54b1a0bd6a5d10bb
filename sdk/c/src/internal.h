// What the files of webgpu.c share. Order of reading: objects.c (handles), stream.c (the conversation with the host),
// events.c (futures and the instance), device.c, buffer.c, texture.c, query.c, pipeline.c, encoder.c, copy.c,
// upload.c.
//
// There is one thread. Misuse that WebGPU makes an error goes to the host, which puts it into the program's error scopes;
// misuse that C would make undefined behaviour (a released handle, a null pointer) ends the program with a message.
#ifndef FIZZ_WEBGPU_INTERNAL_H_
#define FIZZ_WEBGPU_INTERNAL_H_

#include "fizz.h"
#include "webgpu/webgpu.h"
#include <stdbool.h>

// What a handle names. The first ones have the host's numbers.
typedef enum Kind {
    BUFFER = FIZZ_GPU_BUFFER,
    SHADER = FIZZ_GPU_SHADER,
    BIND_GROUP_LAYOUT = FIZZ_GPU_BIND_GROUP_LAYOUT,
    PIPELINE_LAYOUT = FIZZ_GPU_PIPELINE_LAYOUT,
    COMPUTE_PIPELINE = FIZZ_GPU_COMPUTE_PIPELINE,
    BIND_GROUP = FIZZ_GPU_BIND_GROUP,
    COMMAND_BUFFER = FIZZ_GPU_COMMAND_BUFFER,
    TEXTURE = FIZZ_GPU_TEXTURE,
    TEXTURE_VIEW = FIZZ_GPU_TEXTURE_VIEW,
    QUERY_SET = FIZZ_GPU_QUERY_SET,
    INSTANCE,
    ADAPTER,
    DEVICE,
    QUEUE,
    ENCODER,
    PASS,
} Kind;

typedef struct Device Device;
typedef struct Event Event;
typedef struct Encoder Encoder;

// The beginning of everything that has a handle. Handles are ids and are never used again, so a stale one is noticed.
typedef struct Object {
    uint32_t id;
    Kind kind;
    // References of the program, and ours. The object goes when both are 0, the handle with the program's last.
    uint32_t refs;
    uint32_t holds;
    // The encoder that noted the object last.
    uint32_t noted_by;
    // The host has no such id: it freed it by itself.
    bool gone;
    // Of what the host knows, encoders and queues; held.
    Device *device;
} Object;

typedef struct Instance {
    Object object;
    bool timed_waits;
} Instance;

typedef struct Adapter {
    Object object;
    Instance *instance;
} Adapter;

typedef struct Bytes {
    uint8_t *data;
    size_t len;
    size_t capacity;
} Bytes;

struct Device {
    Object object;
    Instance *instance;
    // Destroyed: everything is ignored from now on, as WebGPU has it.
    bool lost;
    // Asked for with the feature TimestampQuery.
    bool timestamps;
    Object *queue;
    WGPUUncapturedErrorCallbackInfo uncaptured;
    // The device-lost event, and its future after that.
    Event *lost_event;
    WGPUFuture lost_future;
    uint32_t scopes;
    // Commands not handed over yet; where the last one begins.
    Bytes stream;
    size_t last;
    // The answer of the last popped scope: a class or 0.
    uint32_t answer;
    char *answer_text;
};

typedef struct Shader {
    Object object;
    WGPUCompilationMessage *messages;
    size_t count;
} Shader;

// What was asked for.
typedef struct Texture {
    Object object;
    WGPUTextureUsage usage;
    WGPUTextureDimension dimension;
    WGPUExtent3D size;
    WGPUTextureFormat format;
    uint32_t mip_levels;
    uint32_t samples;
    // The host was asked for it; false for what the stream has no form of.
    bool valid;
} Texture;

// objects.c

// Ends the program with a message.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Writes a message to standard error.
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Memory of zeros; ends the program where there is none.
void *allocate(size_t size);
// Makes `*array` hold `count + 1` items of `size` bytes; `*capacity` follows.
void make_room(void *array, size_t count, size_t *capacity, size_t size);
uint32_t new_id(void);
// Makes an object of `size` bytes with one reference of the program's.
void *object_new(Kind kind, Device *device, size_t size);
// The object of a handle; ends the program unless it is one of that kind.
void *object_get(const char *function, const void *handle, Kind kind);
// The object of an id, or NULL.
Object *object_find(uint32_t id);
void *object_handle(const Object *object);
void object_add_ref(const char *function, const void *handle, Kind kind);
void object_release(const char *function, const void *handle, Kind kind);
void object_hold(Object *object);
void object_drop(Object *object);
// Calls `visit` with every object of a kind.
void objects_each(Kind kind, void (*visit)(Object *object, void *context), void *context);
const char *kind_name(Kind kind);
// The same text with its length; a null text stays null.
WGPUStringView view_of(const char *function, WGPUStringView text);
WGPUStringView text_of(const char *text);
bool is_utf8(WGPUStringView text);
char *copy_text(WGPUStringView text);

#define GET(type, function, handle, kind) ((type *)object_get(function, handle, kind))

// stream.c

// Appends a command. The format has a letter for each field: u uint32_t, l uint64_t, t WGPUStringView (a label,
// cut and made valid), x WGPUStringView (text of any length), b const void * and size_t (bytes).
void command(Bytes *to, uint16_t op, const char *format, ...);
// The same in two steps, for commands with lists.
size_t command_begin(Bytes *to, uint16_t op);
void command_end(Bytes *to, size_t begin);
void put_u32(Bytes *to, uint32_t value);
void put_u64(Bytes *to, uint64_t value);
void put_text(Bytes *to, WGPUStringView text);
void put_label(Bytes *to, WGPUStringView text);
void put_raw(Bytes *to, const void *data, size_t len);

// The session's capabilities. 0, or the host's status where there is no GPU.
int32_t host_probe(struct fizz_gpu_caps *caps);
// Whether a device is in use; begins and ends its use.
bool host_in_use(void);
void host_begin(Device *device);
void host_end(Device *device);
// Hands over what the device in use has pending.
void host_flush(void);
const struct fizz_gpu_caps *host_caps(void);
// Whether the host has objects of a kind that it knows by number.
bool host_knows(Kind kind);
// The host's number of a kind. Where it does not know the kind, it has a buffer in its place, which no command of
// the kind may name.
uint32_t host_kind(Kind kind);

// The stream for one more command or bracket, or NULL where the device is lost; to be closed by push_end.
Bytes *push_begin(Device *device);
void push_end(Device *device);
void push(Device *device, uint16_t op, const char *format, ...);
// Files a validation error and sees that it is heard.
void report(Device *device, uint32_t class_, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Makes an error object of that id.
void push_error(Device *device, const Object *object, const char *format, ...) __attribute__((format(printf, 3, 4)));
void device_flush(Device *device);
// Fills memory from a buffer; false if the host refused, with an error.
bool device_read(Device *device, uint32_t buffer, uint64_t offset, void *into, size_t len);
void device_write(Device *device, uint32_t buffer, uint64_t offset, const void *data, size_t len);
void device_push_scope(Device *device, uint32_t class_);
// Closes the innermost scope; the answer is in the device.
void device_pop_scope(Device *device);

// events.c

typedef enum EventKind {
    EVENT_ADAPTER,
    EVENT_DEVICE,
    EVENT_LOST,
    EVENT_MAP,
    EVENT_WORK_DONE,
    EVENT_SCOPE,
    EVENT_PIPELINE,
    EVENT_MESSAGES,
} EventKind;

typedef void (*AnyCallback)(void);

struct Event {
    Event *next;
    EventKind kind;
    uint64_t future;
    Instance *instance;
    WGPUCallbackMode mode;
    bool ready;
    AnyCallback callback;
    void *userdata1;
    void *userdata2;
    // What the callback is told.
    int status;
    Object *object;
    WGPUErrorType error;
    char *message;
};

// A future's event; ends the program where the mode is none.
Event *event_new(const char *function, EventKind kind, Instance *instance, WGPUCallbackMode mode,
    AnyCallback callback, void *userdata1, void *userdata2);
// The event has happened. Its callback is called now where its mode allows.
WGPUFuture event_ready(Event *event, int status, const char *message);
// The instance is gone: what waits is cancelled.
void events_cancel(Instance *instance);

// texture.c

// The stream's number of a format, or 0 if it is none of storage.
uint32_t texture_format(WGPUTextureFormat format);
// Bytes of a texel of a format that has a number.
uint32_t texel_bytes(WGPUTextureFormat format);
// The stream's number of a view's dimension, or 0 if it is none of a storage texture.
uint32_t view_dimension(WGPUTextureViewDimension dimension);
// Why there are no textures, or NULL.
const char *textures_missing(void);
// Why a texture has no such aspect, or NULL.
const char *aspect_wrong(WGPUTextureAspect aspect);

// query.c

// Why the device has no timestamps, or NULL.
const char *timestamps_missing(const Device *device);

// encoder.c

// Where an encoder's own command goes, or NULL if it may have none.
Bytes *encoder_record(const char *function, WGPUCommandEncoder commandEncoder, Encoder **encoder);
// Notes an object that a command names. False, and the command buffer is invalid, if it is another device's.
bool encoder_names(Encoder *encoder, const char *function, Object *object);
// False, and the command buffer is invalid, where the device has no timestamps.
bool encoder_has_timestamps(Encoder *encoder, const char *function);
// The command buffer becomes an error object.
void encoder_invalidate(Encoder *encoder, const char *function, const char *reason);

// device.c, buffer.c, pipeline.c, encoder.c: what happens when an object goes.

void device_lose(Device *device);
void device_gone(Device *device);
void buffer_gone(Object *object);
void buffer_lose(Object *object, void *device);
// The event of a mapping is told: the buffer is mapped, if all went well.
void buffer_mapped(Event *event);
void shader_gone(Object *object);
void encoder_gone(Object *object);
void pass_gone(Object *object);

#endif
