//! What `open` takes and gives, and what `poll` writes.

use crate::VERSION;
use crate::bytes::{Put, Reader};
use crate::error::Fault;
use crate::values::Class;
use alloc::vec::Vec;

/// The request of `open`: `u32 version, u32 class, u64 features`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Version of the stream, [`VERSION`].
    pub version: u32,
    /// How to compute; [`Class::Job`] leaves it to the job.
    pub class: Class,
    /// Bits of [`features`](crate::features) that the guest cannot do without.
    pub features: u64,
}

impl OpenRequest {
    /// Bytes of the request.
    pub const SIZE: usize = 16;

    /// A request of this version without required features.
    pub const fn new(class: Class) -> Self {
        OpenRequest { version: VERSION, class, features: 0 }
    }

    /// The request's bytes.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.class.code().to_le_bytes());
        bytes[8..].copy_from_slice(&self.features.to_le_bytes());
        bytes
    }

    /// Reads a request.
    ///
    /// # Errors
    /// A wrong length or an unknown class.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let mut from = Reader(bytes);
        let request =
            OpenRequest { version: from.u32()?, class: Class::read(&mut from)?, features: from.u64()? };
        from.end()?;
        Ok(request)
    }
}

macro_rules! caps {
    ($($(#[$doc:meta])* $name:ident: $type:ident,)*) => {
        /// The answer of `open`: what this session offers. Little-endian fields in this order, without gaps.
        ///
        /// Limits are the same on every node (WebGPU's defaults), so that nothing of the host shows;
        /// quotas are the job's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Caps { $($(#[$doc])* pub $name: $type,)* }

        impl Caps {
            /// Bytes of the answer.
            pub const SIZE: usize = 0 $(+ size_of::<$type>())*;

            /// The answer's bytes.
            pub fn to_bytes(&self) -> [u8; Self::SIZE] {
                let mut bytes = [0; Self::SIZE];
                let mut at = 0;
                $(
                    let field = self.$name.to_le_bytes();
                    bytes[at..at + field.len()].copy_from_slice(&field);
                    at += field.len();
                )*
                debug_assert_eq!(at, Self::SIZE);
                bytes
            }

            /// Reads an answer; bytes after it are ignored, so that later versions can add fields.
            ///
            /// # Errors
            /// Fewer than [`Self::SIZE`] bytes.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
                let mut from = Reader(bytes);
                Ok(Caps { $($name: from.$type()?,)* })
            }
        }
    };
}

caps! {
    /// Version of the stream.
    version: u32,
    /// Number of the [`Class`] that the session has: [`Class::Fast`] or [`Class::Exact`].
    class: u32,
    /// Bits of [`features`](crate::features).
    features: u64,
    /// Bytes that all live buffers (each counted up to a multiple of 256), textures and query sets may take together.
    quota_bytes: u64,
    /// Live objects.
    quota_objects: u32,
    /// Shaders over the life of the task.
    quota_shaders: u32,
    /// Invocations of one dispatch.
    quota_invocations: u64,
    /// Bytes of one stream.
    max_stream_bytes: u32,
    /// Bytes of one shader's source.
    max_shader_bytes: u32,
    /// Bytes of one buffer.
    max_buffer_size: u64,
    /// Bytes of one uniform binding.
    max_uniform_buffer_binding_size: u64,
    /// Bytes of one storage binding.
    max_storage_buffer_binding_size: u64,
    /// Bind groups of a pipeline.
    max_bind_groups: u32,
    /// Highest binding number of a group, plus one.
    max_bindings_per_bind_group: u32,
    /// Uniform bindings with dynamic offset in a pipeline layout.
    max_dynamic_uniform_buffers_per_pipeline_layout: u32,
    /// Storage bindings with dynamic offset in a pipeline layout.
    max_dynamic_storage_buffers_per_pipeline_layout: u32,
    /// Uniform buffers of a shader stage.
    max_uniform_buffers_per_shader_stage: u32,
    /// Storage buffers of a shader stage.
    max_storage_buffers_per_shader_stage: u32,
    /// Alignment of uniform offsets, in bytes.
    min_uniform_buffer_offset_alignment: u32,
    /// Alignment of storage offsets, in bytes.
    min_storage_buffer_offset_alignment: u32,
    /// Bytes of workgroup memory.
    max_compute_workgroup_storage_size: u32,
    /// Invocations of a workgroup.
    max_compute_invocations_per_workgroup: u32,
    /// Workgroup size in x.
    max_compute_workgroup_size_x: u32,
    /// Workgroup size in y.
    max_compute_workgroup_size_y: u32,
    /// Workgroup size in z.
    max_compute_workgroup_size_z: u32,
    /// Workgroups of a dispatch, per dimension.
    max_compute_workgroups_per_dimension: u32,
    /// Bytes of immediate data; 0 without [`features::IMMEDIATES`](crate::features::IMMEDIATES).
    max_immediate_size: u32,
}

/// What `poll` writes: `u64 submitted, u32 records, u32 scopes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollState {
    /// Last serial given out; 0 before the first.
    pub submitted: u64,
    /// Records waiting for `take_error`.
    pub records: u32,
    /// Open error scopes.
    pub scopes: u32,
}

impl PollState {
    /// Bytes of the state.
    pub const SIZE: usize = 16;

    /// The state's bytes.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.put_u64(self.submitted);
        bytes.put_u32(self.records);
        bytes.put_u32(self.scopes);
        bytes.try_into().expect("8 + 4 + 4 bytes")
    }

    /// Reads a state.
    ///
    /// # Errors
    /// Another length than [`Self::SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let mut from = Reader(bytes);
        let state = PollState { submitted: from.u64()?, records: from.u32()?, scopes: from.u32()? };
        from.end()?;
        Ok(state)
    }
}
