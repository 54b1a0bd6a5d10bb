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
        /// A texture.
        Texture = 8,
        /// A view of a texture.
        TextureView = 9,
        /// A set of queries.
        QuerySet = 10,
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
    /// What a binding of a layout holds. 7 to 15 are kept for sampled textures and samplers.
    BindingKind, "binding kind" {
        /// A uniform buffer.
        Uniform = 1,
        /// A storage buffer the shader may write.
        Storage = 2,
        /// A storage buffer the shader only reads.
        ReadOnlyStorage = 3,
        /// A storage texture the shader only writes.
        WriteOnlyTexture = 4,
        /// A storage texture the shader only reads.
        ReadOnlyTexture = 5,
        /// A storage texture the shader reads and writes.
        ReadWriteTexture = 6,
    }
}

impl BindingKind {
    /// Whether it is a storage texture, which has a format and a dimension, and neither a dynamic offset nor a least size.
    pub fn is_texture(self) -> bool {
        matches!(
            self,
            BindingKind::WriteOnlyTexture | BindingKind::ReadOnlyTexture | BindingKind::ReadWriteTexture
        )
    }
}

coded! {
    /// What a texel is: the formats that every WebGPU device has for storage textures.
    TextureFormat, "texture format" {
        /// One unsigned integer of 32 bits.
        R32Uint = 1,
        /// One signed integer of 32 bits.
        R32Sint = 2,
        /// One float of 32 bits.
        R32Float = 3,
        /// Four numbers from 0 to 1 in 8 bits each.
        Rgba8Unorm = 4,
        /// Four numbers from -1 to 1 in 8 bits each.
        Rgba8Snorm = 5,
        /// Four unsigned integers of 8 bits.
        Rgba8Uint = 6,
        /// Four signed integers of 8 bits.
        Rgba8Sint = 7,
        /// Two unsigned integers of 32 bits.
        Rg32Uint = 8,
        /// Two signed integers of 32 bits.
        Rg32Sint = 9,
        /// Two floats of 32 bits.
        Rg32Float = 10,
        /// Four unsigned integers of 16 bits.
        Rgba16Uint = 11,
        /// Four signed integers of 16 bits.
        Rgba16Sint = 12,
        /// Four floats of 16 bits.
        Rgba16Float = 13,
        /// Four unsigned integers of 32 bits.
        Rgba32Uint = 14,
        /// Four signed integers of 32 bits.
        Rgba32Sint = 15,
        /// Four floats of 32 bits.
        Rgba32Float = 16,
    }
}

impl TextureFormat {
    /// Bytes of a texel.
    pub fn texel_bytes(self) -> u32 {
        match self {
            TextureFormat::R32Uint
            | TextureFormat::R32Sint
            | TextureFormat::R32Float
            | TextureFormat::Rgba8Unorm
            | TextureFormat::Rgba8Snorm
            | TextureFormat::Rgba8Uint
            | TextureFormat::Rgba8Sint => 4,
            TextureFormat::Rg32Uint
            | TextureFormat::Rg32Sint
            | TextureFormat::Rg32Float
            | TextureFormat::Rgba16Uint
            | TextureFormat::Rgba16Sint
            | TextureFormat::Rgba16Float => 8,
            TextureFormat::Rgba32Uint | TextureFormat::Rgba32Sint | TextureFormat::Rgba32Float => 16,
        }
    }
}

coded! {
    /// In how many directions a texture goes.
    TextureDimension, "texture dimension" {
        /// A row of texels.
        D1 = 1,
        /// Rows of texels, in one or several layers.
        D2 = 2,
        /// Slices of rows of texels.
        D3 = 3,
    }
}

coded! {
    /// As what a shader sees a texture.
    ViewDimension, "view dimension" {
        /// `texture_storage_1d`.
        D1 = 1,
        /// `texture_storage_2d`.
        D2 = 2,
        /// `texture_storage_2d_array`.
        D2Array = 3,
        /// `texture_storage_3d`.
        D3 = 4,
    }
}

coded! {
    /// What the queries of a set ask for.
    QueryKind, "query kind" {
        /// The GPU gas of the task so far.
        Timestamp = 1,
    }
}

coded! {
    /// How a session computes.
    Class, "class" {
        /// Native speed; bits may differ between devices. Refused in a job of the class `Exact`.
        Fast = 0,
        /// Equal bits on every device.
        Exact = 1,
        /// Whatever the job says: only in the request of `open`, never in its answer.
        Job = 2,
    }
}

impl ViewDimension {
    /// Reads a dimension, of which 0 means "as the texture".
    pub(crate) fn read_given(from: &mut Reader<'_>) -> Result<Option<Self>, Fault> {
        match from.u32()? {
            0 => Ok(None),
            code => Self::from_code(code).map(Some).ok_or(Fault::Value("view dimension")),
        }
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
    /// What the shader expects of a storage texture; none for a buffer.
    pub texture: Option<TextureBinding>,
}

/// What a layout says of a storage texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextureBinding {
    /// Its texels.
    pub format: TextureFormat,
    /// Its form.
    pub dimension: ViewDimension,
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
    /// Id of a buffer or of a texture view.
    pub resource: u32,
    /// First byte; 0 for a texture view.
    pub offset: u64,
    /// Bytes, or [`WHOLE`](crate::WHOLE); 0 for a texture view.
    pub size: u64,
}

/// Texels as they lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TexelBuffer {
    /// Id of the buffer.
    pub buffer: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes from a row to the next; needed for more than one row.
    pub bytes_per_row: Option<u32>,
    /// Rows from a slice or layer to the next; needed for more than one.
    pub rows_per_image: Option<u32>,
}

/// A corner of a box of texels in a texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TexelPlace {
    /// Id of the texture.
    pub texture: u32,
    /// Which of its mip levels.
    pub mip_level: u32,
    /// Column, row, and slice or layer.
    pub origin: [u32; 3],
}

/// What a new texture is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextureShape {
    /// Bits of [`texture_usage`].
    pub usage: u32,
    /// Its texels.
    pub format: TextureFormat,
    /// In how many directions it goes.
    pub dimension: TextureDimension,
    /// Width, height, and depth or layers, in texels.
    pub size: [u32; 3],
    /// Mip levels.
    pub mip_levels: u32,
}

/// What a view shows of a texture; none means "as the texture", for counts "the rest".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewShape {
    /// As what a shader sees it.
    pub dimension: Option<ViewDimension>,
    /// First mip level.
    pub base_mip_level: u32,
    /// How many mip levels.
    pub mip_levels: Option<u32>,
    /// First layer.
    pub base_layer: u32,
    /// How many layers.
    pub layers: Option<u32>,
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
    /// May take the results of queries.
    pub const QUERY_RESOLVE: u32 = 0x200;
    /// Every bit above.
    pub const ALL: u32 = 0x3ff;
}

/// Usage bits of textures; the numbers are WebGPU's.
pub mod texture_usage {
    /// May be copied from.
    pub const COPY_SRC: u32 = 0x01;
    /// May be copied to.
    pub const COPY_DST: u32 = 0x02;
    /// May be sampled: accepted, of no use here.
    pub const TEXTURE_BINDING: u32 = 0x04;
    /// May be bound as a storage texture.
    pub const STORAGE_BINDING: u32 = 0x08;
    /// Every bit above.
    pub const ALL: u32 = 0x0f;
}

/// Bits of [`Caps::features`](crate::Caps::features).
pub mod features {
    /// `SET_IMMEDIATES` works, up to `max_immediate_size` bytes.
    pub const IMMEDIATES: u64 = 1;
    /// `DISPATCH_INDIRECT` works.
    pub const INDIRECT_DISPATCH: u64 = 2;
    /// There are textures and their views, which can be copied and bound as storage textures.
    pub const STORAGE_TEXTURES: u64 = 4;
    /// There are query sets, whose timestamps are GPU gas. Only in the class `Fast`.
    pub const TIMESTAMPS: u64 = 8;
}
