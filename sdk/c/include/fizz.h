// The imports that a Fizz guest may call to compute on a GPU, and the numbers of their command stream, version 1.
//
// The specification is host-gpu/abi/STREAM.md. Most programs want webgpu.h instead, which is built on this.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef FIZZ_H_
#define FIZZ_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FIZZ_GPU_IMPORT(name) __attribute__((import_module("fizz_gpu"), import_name(name)))

// Reads a request of 16 bytes, writes the capabilities; returns how many bytes it wrote, or a status.
FIZZ_GPU_IMPORT("open")
int32_t fizz_gpu_open(const void *request, uint32_t request_len, void *caps, uint32_t caps_len);
// Executes a stream; returns its serial, or a status.
FIZZ_GPU_IMPORT("submit")
int64_t fizz_gpu_submit(const void *stream, uint32_t len);
// Copies memory into a buffer; returns a status.
FIZZ_GPU_IMPORT("write")
int32_t fizz_gpu_write(uint32_t buffer, uint64_t offset, const void *data, uint32_t len);
// Copies a buffer into memory, after the work before it; returns a status.
FIZZ_GPU_IMPORT("read")
int32_t fizz_gpu_read(uint32_t buffer, uint64_t offset, void *into, uint32_t len);
// Returns a status when the work of a serial is done; -1 means all work. The timeout is not looked at.
FIZZ_GPU_IMPORT("wait")
int32_t fizz_gpu_wait(int64_t serial, int64_t timeout_ns);
// Writes 16 bytes: u64 submitted, u32 records, u32 scopes. Returns the last completed serial, or a status.
FIZZ_GPU_IMPORT("poll")
int64_t fizz_gpu_poll(void *state);
// Moves the oldest record into memory; returns its bytes, 0 if there is none, or a status.
FIZZ_GPU_IMPORT("take_error")
int32_t fizz_gpu_take_error(void *into, uint32_t len);
// Frees everything; returns a status.
FIZZ_GPU_IMPORT("close")
int32_t fizz_gpu_close(void);

enum fizz_gpu_status {
    FIZZ_GPU_OK = 0,
    FIZZ_GPU_NO_GPU = -1,
    FIZZ_GPU_NOT_OPEN = -2,
    FIZZ_GPU_ALREADY_OPEN = -3,
    FIZZ_GPU_UNSUPPORTED = -4,
    FIZZ_GPU_BAD_REQUEST = -5,
    FIZZ_GPU_INVALID = -6,
    FIZZ_GPU_TOO_SMALL = -7,
    FIZZ_GPU_BAD_SERIAL = -8,
};

enum {
    FIZZ_GPU_VERSION = 1,
    // Classes: native speed, equal bits on every device, and what the job says.
    FIZZ_GPU_FAST = 0,
    FIZZ_GPU_EXACT = 1,
    FIZZ_GPU_JOB = 2,
    // Features.
    FIZZ_GPU_IMMEDIATES = 1,
    FIZZ_GPU_INDIRECT_DISPATCH = 2,
    FIZZ_GPU_STORAGE_TEXTURES = 4,
    FIZZ_GPU_TIMESTAMPS = 8,
    // Sizes in bytes.
    FIZZ_GPU_REQUEST_SIZE = 16,
    FIZZ_GPU_CAPS_SIZE = 132,
    FIZZ_GPU_HEADER = 8,
    FIZZ_GPU_MAX_TEXT = 1024,
    FIZZ_GPU_MAX_INLINE = 65536,
    FIZZ_GPU_MAX_RECORD = 8192,
    // Most open error scopes.
    FIZZ_GPU_MAX_SCOPES = 1024,
};

// A count, an index, or a distance in a buffer, that is not given.
static const uint32_t FIZZ_GPU_NOT_GIVEN = 0xffffffff;

enum fizz_gpu_op {
    FIZZ_GPU_CREATE_BUFFER = 0x0001,
    FIZZ_GPU_DESTROY_BUFFER = 0x0002,
    FIZZ_GPU_MAP_BUFFER = 0x0003,
    FIZZ_GPU_UNMAP_BUFFER = 0x0004,
    FIZZ_GPU_RELEASE = 0x0005,
    FIZZ_GPU_CREATE_SHADER = 0x0006,
    FIZZ_GPU_CREATE_BIND_GROUP_LAYOUT = 0x0007,
    FIZZ_GPU_CREATE_PIPELINE_LAYOUT = 0x0008,
    FIZZ_GPU_CREATE_COMPUTE_PIPELINE = 0x0009,
    FIZZ_GPU_GET_BIND_GROUP_LAYOUT = 0x000a,
    FIZZ_GPU_CREATE_BIND_GROUP = 0x000b,
    FIZZ_GPU_CREATE_ERROR = 0x000c,
    FIZZ_GPU_REPORT_ERROR = 0x000d,
    FIZZ_GPU_WRITE_BUFFER = 0x000e,
    FIZZ_GPU_PUSH_ERROR_SCOPE = 0x000f,
    FIZZ_GPU_POP_ERROR_SCOPE = 0x0010,
    FIZZ_GPU_SUBMIT = 0x0011,
    FIZZ_GPU_CREATE_TEXTURE = 0x0012,
    FIZZ_GPU_DESTROY_TEXTURE = 0x0013,
    FIZZ_GPU_CREATE_TEXTURE_VIEW = 0x0014,
    FIZZ_GPU_CREATE_QUERY_SET = 0x0015,
    FIZZ_GPU_DESTROY_QUERY_SET = 0x0016,
    FIZZ_GPU_BEGIN_COMMANDS = 0x0101,
    FIZZ_GPU_END_COMMANDS = 0x0102,
    FIZZ_GPU_INVALIDATE = 0x0103,
    FIZZ_GPU_COPY_BUFFER = 0x0104,
    FIZZ_GPU_CLEAR_BUFFER = 0x0105,
    FIZZ_GPU_BEGIN_PASS = 0x0106,
    FIZZ_GPU_END_PASS = 0x0107,
    FIZZ_GPU_PUSH_DEBUG_GROUP = 0x0108,
    FIZZ_GPU_POP_DEBUG_GROUP = 0x0109,
    FIZZ_GPU_INSERT_DEBUG_MARKER = 0x010a,
    FIZZ_GPU_COPY_BUFFER_TO_TEXTURE = 0x010b,
    FIZZ_GPU_COPY_TEXTURE_TO_BUFFER = 0x010c,
    FIZZ_GPU_COPY_TEXTURE = 0x010d,
    FIZZ_GPU_BEGIN_TIMED_PASS = 0x010e,
    FIZZ_GPU_WRITE_TIMESTAMP = 0x010f,
    FIZZ_GPU_RESOLVE_QUERIES = 0x0110,
    FIZZ_GPU_SET_PIPELINE = 0x0201,
    FIZZ_GPU_SET_BIND_GROUP = 0x0202,
    FIZZ_GPU_SET_IMMEDIATES = 0x0203,
    FIZZ_GPU_DISPATCH = 0x0204,
    FIZZ_GPU_DISPATCH_INDIRECT = 0x0205,
};

enum fizz_gpu_object {
    FIZZ_GPU_BUFFER = 1,
    FIZZ_GPU_SHADER = 2,
    FIZZ_GPU_BIND_GROUP_LAYOUT = 3,
    FIZZ_GPU_PIPELINE_LAYOUT = 4,
    FIZZ_GPU_COMPUTE_PIPELINE = 5,
    FIZZ_GPU_BIND_GROUP = 6,
    FIZZ_GPU_COMMAND_BUFFER = 7,
    FIZZ_GPU_TEXTURE = 8,
    FIZZ_GPU_TEXTURE_VIEW = 9,
    FIZZ_GPU_QUERY_SET = 10,
};

enum fizz_gpu_binding {
    FIZZ_GPU_UNIFORM = 1,
    FIZZ_GPU_STORAGE = 2,
    FIZZ_GPU_READ_ONLY_STORAGE = 3,
    FIZZ_GPU_WRITE_ONLY_TEXTURE = 4,
    FIZZ_GPU_READ_ONLY_TEXTURE = 5,
    FIZZ_GPU_READ_WRITE_TEXTURE = 6,
    // Flags of a layout's entry.
    FIZZ_GPU_DYNAMIC_OFFSET = 1,
    FIZZ_GPU_VISIBLE = 2,
};

enum fizz_gpu_texture_usage {
    FIZZ_GPU_TEXTURE_COPY_SRC = 0x01,
    FIZZ_GPU_TEXTURE_COPY_DST = 0x02,
    FIZZ_GPU_TEXTURE_BINDING = 0x04,
    FIZZ_GPU_TEXTURE_STORAGE_BINDING = 0x08,
};

enum fizz_gpu_format {
    FIZZ_GPU_FORMAT_R32UINT = 1,
    FIZZ_GPU_FORMAT_R32SINT = 2,
    FIZZ_GPU_FORMAT_R32FLOAT = 3,
    FIZZ_GPU_FORMAT_RGBA8UNORM = 4,
    FIZZ_GPU_FORMAT_RGBA8SNORM = 5,
    FIZZ_GPU_FORMAT_RGBA8UINT = 6,
    FIZZ_GPU_FORMAT_RGBA8SINT = 7,
    FIZZ_GPU_FORMAT_RG32UINT = 8,
    FIZZ_GPU_FORMAT_RG32SINT = 9,
    FIZZ_GPU_FORMAT_RG32FLOAT = 10,
    FIZZ_GPU_FORMAT_RGBA16UINT = 11,
    FIZZ_GPU_FORMAT_RGBA16SINT = 12,
    FIZZ_GPU_FORMAT_RGBA16FLOAT = 13,
    FIZZ_GPU_FORMAT_RGBA32UINT = 14,
    FIZZ_GPU_FORMAT_RGBA32SINT = 15,
    FIZZ_GPU_FORMAT_RGBA32FLOAT = 16,
};

enum fizz_gpu_texture_dimension { FIZZ_GPU_TEXTURE_D1 = 1, FIZZ_GPU_TEXTURE_D2 = 2, FIZZ_GPU_TEXTURE_D3 = 3 };

enum fizz_gpu_view_dimension {
    FIZZ_GPU_VIEW_D1 = 1,
    FIZZ_GPU_VIEW_D2 = 2,
    FIZZ_GPU_VIEW_D2ARRAY = 3,
    FIZZ_GPU_VIEW_D3 = 4,
};

enum fizz_gpu_query { FIZZ_GPU_TIMESTAMP = 1 };

enum fizz_gpu_map_mode { FIZZ_GPU_MAP_READ = 1, FIZZ_GPU_MAP_WRITE = 2 };

// Classes of errors, and filters of error scopes.
enum fizz_gpu_error { FIZZ_GPU_VALIDATION = 1, FIZZ_GPU_OUT_OF_MEMORY = 2, FIZZ_GPU_INTERNAL = 3 };

enum fizz_gpu_record { FIZZ_GPU_UNCAPTURED = 1, FIZZ_GPU_SCOPE = 2, FIZZ_GPU_SHADER_MESSAGE = 3 };

// The answer of fizz_gpu_open, of FIZZ_GPU_CAPS_SIZE bytes; the fields lie as the specification says.
struct fizz_gpu_caps {
    uint32_t version;
    uint32_t class_;
    uint64_t features;
    uint64_t quota_bytes;
    uint32_t quota_objects;
    uint32_t quota_shaders;
    uint64_t quota_invocations;
    uint32_t max_stream_bytes;
    uint32_t max_shader_bytes;
    uint64_t max_buffer_size;
    uint64_t max_uniform_buffer_binding_size;
    uint64_t max_storage_buffer_binding_size;
    uint32_t max_bind_groups;
    uint32_t max_bindings_per_bind_group;
    uint32_t max_dynamic_uniform_buffers_per_pipeline_layout;
    uint32_t max_dynamic_storage_buffers_per_pipeline_layout;
    uint32_t max_uniform_buffers_per_shader_stage;
    uint32_t max_storage_buffers_per_shader_stage;
    uint32_t min_uniform_buffer_offset_alignment;
    uint32_t min_storage_buffer_offset_alignment;
    uint32_t max_compute_workgroup_storage_size;
    uint32_t max_compute_invocations_per_workgroup;
    uint32_t max_compute_workgroup_size_x;
    uint32_t max_compute_workgroup_size_y;
    uint32_t max_compute_workgroup_size_z;
    uint32_t max_compute_workgroups_per_dimension;
    uint32_t max_immediate_size;
};

// Not an import but a function of this library: the class of the devices that webgpu.h gives from now on, which is FIZZ_GPU_JOB before
// the first call. Where the host does not offer the class, no adapter is found; a device that is there stays what it is.
void fizz_gpu_want_class(uint32_t class_);

#ifdef __cplusplus
}
#endif

#endif
