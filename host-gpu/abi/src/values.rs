//! The enumerated values and bit sets of the stream.

use crate::bytes::Reader;
use crate::error::Fault;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident, $field:literal { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant = $code,)* }

        impl $name {
            /// The value with this number.
            pub fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some($name::$variant),)*
                    _ => None,
                }
            }

            /// The number in the stream.
            pub fn code(self) -> u32 {
                self as u32
            }

            #[allow(dead_code)] // Not every value stands in a command.
            pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Fault> {
                Self::from_code(from.u32()?).ok_or(Fault::Value($field))
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// What an id names.
    ObjectKind, "object kind" {
        /// A buffer.
        Buffer = 1,
        /// A shader module.
        Shader = 2,
        /// A bind group layout.
        BindGroupLayout = 3,
        /// A pipeline layout.
        PipelineLayout = 4,
        /// A compute pipeline.
        ComputePipeline = 5,
        /// A bind group.
        BindGroup = 6,
        /// A finished command buffer.
        CommandBuffer = 7,
    }
}

coded! {
    /// Class of an error, and filter of an error scope.
    ErrorClass, "error class" {
        /// A rule of WebGPU is broken.
        Validation = 1,
        /// The memory quota or the device's memory is used up.
        OutOfMemory = 2,
        /// The host could not do a valid thing (a pipeline too complex, say).
        Internal = 3,
    }
}

coded! {
    /// Weight of a shader message.
    Severity, "severity" {
        /// The shader is refused.
        Error = 1,
        /// The shader is accepted.
        Warning = 2,
        /// A remark.
        Info = 3,
    }
}

coded! {
    /// Direction of a mapping.
    MapMode, "map mode" {
        /// For `read`.
        Read = 1,
        /// For `write`.
        Write = 2,
    }
}

coded! {
    /// What a binding of a layout holds. 4 to 15 are kept for textures, samplers and storage textures.
    BindingKind, "binding kind" {
        /// A uniform buffer.
        Uniform = 1,
        /// A storage buffer the shader may write.
        Storage = 2,
        /// A storage buffer the shader only reads.
        ReadOnlyStorage = 3,
    }
}

coded! {
    /// How a session computes.
    Class, "class" {
        /// Native speed; bits may differ between devices.
        Fast = 0,
        /// Equal bits on every device. Refused in this version.
        Exact = 1,
    }
}

/// One entry of a bind group layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutEntry {
    /// Number of the binding in the shader.
    pub binding: u32,
    /// What it holds.
    pub kind: BindingKind,
    /// Whether its offset is given with `SET_BIND_GROUP`.
    pub dynamic_offset: bool,
    /// Whether compute shaders see it (`wgpu` lets a layout hide a binding from them).
    pub visible: bool,
    /// Least bytes of the bound range; 0 means "checked when dispatching".
    pub min_size: u64,
}

impl LayoutEntry {
    pub(crate) const DYNAMIC: u32 = 1;
    pub(crate) const VISIBLE: u32 = 2;
}

/// One entry of a bind group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindGroupEntry {
    /// Number of the binding.
    pub binding: u32,
    /// Id of the buffer.
    pub buffer: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes, or [`WHOLE`](crate::WHOLE).
    pub size: u64,
}

/// Usage bits of buffers; the numbers are WebGPU's.
pub mod usage {
    /// May be mapped for reading.
    pub const MAP_READ: u32 = 0x001;
    /// May be mapped for writing.
    pub const MAP_WRITE: u32 = 0x002;
    /// May be copied from.
    pub const COPY_SRC: u32 = 0x004;
    /// May be copied to.
    pub const COPY_DST: u32 = 0x008;
    /// Index buffer: accepted, of no use to compute.
    pub const INDEX: u32 = 0x010;
    /// Vertex buffer: accepted, of no use to compute.
    pub const VERTEX: u32 = 0x020;
    /// May be bound as a uniform buffer.
    pub const UNIFORM: u32 = 0x040;
    /// May be bound as a storage buffer.
    pub const STORAGE: u32 = 0x080;
    /// May hold the counts of `DISPATCH_INDIRECT`.
    pub const INDIRECT: u32 = 0x100;
    /// Target of query results: accepted, of no use here.
    pub const QUERY_RESOLVE: u32 = 0x200;
    /// Every bit above.
    pub const ALL: u32 = 0x3ff;
}

/// Bits of [`Caps::features`](crate::Caps::features).
pub mod features {
    /// `SET_IMMEDIATES` works, up to `max_immediate_size` bytes.
    pub const IMMEDIATES: u64 = 1;
    /// `DISPATCH_INDIRECT` works.
    pub const INDIRECT_DISPATCH: u64 = 2;
}
