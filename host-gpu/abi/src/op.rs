//! Numbers of the commands. Their payloads are in `STREAM.md`.

/// Makes a buffer.
pub const CREATE_BUFFER: u16 = 0x0001;
/// Frees a buffer's memory; the id stays taken.
pub const DESTROY_BUFFER: u16 = 0x0002;
/// Maps a buffer for `read` or `write`.
pub const MAP_BUFFER: u16 = 0x0003;
/// Ends a mapping.
pub const UNMAP_BUFFER: u16 = 0x0004;
/// Frees an id.
pub const RELEASE: u16 = 0x0005;
/// Makes a shader module from WGSL.
pub const CREATE_SHADER: u16 = 0x0006;
/// Makes a bind group layout.
pub const CREATE_BIND_GROUP_LAYOUT: u16 = 0x0007;
/// Makes a pipeline layout.
pub const CREATE_PIPELINE_LAYOUT: u16 = 0x0008;
/// Makes a compute pipeline.
pub const CREATE_COMPUTE_PIPELINE: u16 = 0x0009;
/// Names a bind group layout of a pipeline.
pub const GET_BIND_GROUP_LAYOUT: u16 = 0x000a;
/// Makes a bind group.
pub const CREATE_BIND_GROUP: u16 = 0x000b;
/// Makes an error object.
pub const CREATE_ERROR: u16 = 0x000c;
/// Records an error.
pub const REPORT_ERROR: u16 = 0x000d;
/// Writes short data into a buffer.
pub const WRITE_BUFFER: u16 = 0x000e;
/// Opens an error scope.
pub const PUSH_ERROR_SCOPE: u16 = 0x000f;
/// Closes the innermost error scope.
pub const POP_ERROR_SCOPE: u16 = 0x0010;
/// Executes command buffers.
pub const SUBMIT: u16 = 0x0011;
/// Makes a texture.
pub const CREATE_TEXTURE: u16 = 0x0012;
/// Frees a texture's memory; the id stays taken.
pub const DESTROY_TEXTURE: u16 = 0x0013;
/// Makes a view of a texture.
pub const CREATE_TEXTURE_VIEW: u16 = 0x0014;
/// Makes a set of queries.
pub const CREATE_QUERY_SET: u16 = 0x0015;
/// Frees a set's memory; the id stays taken.
pub const DESTROY_QUERY_SET: u16 = 0x0016;

/// Opens a command buffer.
pub const BEGIN_COMMANDS: u16 = 0x0101;
/// Closes a command buffer.
pub const END_COMMANDS: u16 = 0x0102;
/// Makes the open command buffer an error object.
pub const INVALIDATE: u16 = 0x0103;
/// Copies between buffers.
pub const COPY_BUFFER: u16 = 0x0104;
/// Fills a part of a buffer with zeros.
pub const CLEAR_BUFFER: u16 = 0x0105;
/// Opens a compute pass.
pub const BEGIN_PASS: u16 = 0x0106;
/// Closes a compute pass.
pub const END_PASS: u16 = 0x0107;
/// Opens a debug group.
pub const PUSH_DEBUG_GROUP: u16 = 0x0108;
/// Closes a debug group.
pub const POP_DEBUG_GROUP: u16 = 0x0109;
/// A debug marker.
pub const INSERT_DEBUG_MARKER: u16 = 0x010a;
/// Copies texels from a buffer to a texture.
pub const COPY_BUFFER_TO_TEXTURE: u16 = 0x010b;
/// Copies texels from a texture to a buffer.
pub const COPY_TEXTURE_TO_BUFFER: u16 = 0x010c;
/// Copies texels between textures.
pub const COPY_TEXTURE: u16 = 0x010d;
/// Opens a compute pass that writes timestamps where it begins and ends.
pub const BEGIN_TIMED_PASS: u16 = 0x010e;
/// Writes a timestamp.
pub const WRITE_TIMESTAMP: u16 = 0x010f;
/// Writes results of queries into a buffer.
pub const RESOLVE_QUERIES: u16 = 0x0110;

/// Sets the pass's pipeline.
pub const SET_PIPELINE: u16 = 0x0201;
/// Sets or unsets one of the pass's bind groups.
pub const SET_BIND_GROUP: u16 = 0x0202;
/// Sets immediate data.
pub const SET_IMMEDIATES: u16 = 0x0203;
/// Runs the pipeline.
pub const DISPATCH: u16 = 0x0204;
/// Runs the pipeline with counts from a buffer.
pub const DISPATCH_INDIRECT: u16 = 0x0205;

/// The command's name as in the specification, for messages.
pub fn name(op: u16) -> &'static str {
    match op {
        CREATE_BUFFER => "CREATE_BUFFER",
        DESTROY_BUFFER => "DESTROY_BUFFER",
        MAP_BUFFER => "MAP_BUFFER",
        UNMAP_BUFFER => "UNMAP_BUFFER",
        RELEASE => "RELEASE",
        CREATE_SHADER => "CREATE_SHADER",
        CREATE_BIND_GROUP_LAYOUT => "CREATE_BIND_GROUP_LAYOUT",
        CREATE_PIPELINE_LAYOUT => "CREATE_PIPELINE_LAYOUT",
        CREATE_COMPUTE_PIPELINE => "CREATE_COMPUTE_PIPELINE",
        GET_BIND_GROUP_LAYOUT => "GET_BIND_GROUP_LAYOUT",
        CREATE_BIND_GROUP => "CREATE_BIND_GROUP",
        CREATE_ERROR => "CREATE_ERROR",
        REPORT_ERROR => "REPORT_ERROR",
        WRITE_BUFFER => "WRITE_BUFFER",
        PUSH_ERROR_SCOPE => "PUSH_ERROR_SCOPE",
        POP_ERROR_SCOPE => "POP_ERROR_SCOPE",
        SUBMIT => "SUBMIT",
        CREATE_TEXTURE => "CREATE_TEXTURE",
        DESTROY_TEXTURE => "DESTROY_TEXTURE",
        CREATE_TEXTURE_VIEW => "CREATE_TEXTURE_VIEW",
        CREATE_QUERY_SET => "CREATE_QUERY_SET",
        DESTROY_QUERY_SET => "DESTROY_QUERY_SET",
        BEGIN_COMMANDS => "BEGIN_COMMANDS",
        END_COMMANDS => "END_COMMANDS",
        INVALIDATE => "INVALIDATE",
        COPY_BUFFER => "COPY_BUFFER",
        CLEAR_BUFFER => "CLEAR_BUFFER",
        BEGIN_PASS => "BEGIN_PASS",
        END_PASS => "END_PASS",
        PUSH_DEBUG_GROUP => "PUSH_DEBUG_GROUP",
        POP_DEBUG_GROUP => "POP_DEBUG_GROUP",
        INSERT_DEBUG_MARKER => "INSERT_DEBUG_MARKER",
        COPY_BUFFER_TO_TEXTURE => "COPY_BUFFER_TO_TEXTURE",
        COPY_TEXTURE_TO_BUFFER => "COPY_TEXTURE_TO_BUFFER",
        COPY_TEXTURE => "COPY_TEXTURE",
        BEGIN_TIMED_PASS => "BEGIN_TIMED_PASS",
        WRITE_TIMESTAMP => "WRITE_TIMESTAMP",
        RESOLVE_QUERIES => "RESOLVE_QUERIES",
        SET_PIPELINE => "SET_PIPELINE",
        SET_BIND_GROUP => "SET_BIND_GROUP",
        SET_IMMEDIATES => "SET_IMMEDIATES",
        DISPATCH => "DISPATCH",
        DISPATCH_INDIRECT => "DISPATCH_INDIRECT",
        _ => "unknown command",
    }
}
