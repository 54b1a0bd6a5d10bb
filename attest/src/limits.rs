//! The limits of a job. They are explicit fields, because meeting one is part of the result.

use serde::{Deserialize, Serialize};

/// What one task may use. Every field is counted the same way on every machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU gas of one task (see the cost table of `fizz-sandbox`).
    pub gas: u64,
    /// Linear memory in bytes, rounded down to whole 64 KiB pages.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Metered call stack in bytes.
    pub stack_bytes: u64,
    /// Bytes of files the guest leaves, stdout and stderr together.
    pub output_bytes: u64,
    /// Files, folders and links in the guest's file system, inputs included.
    pub files: u64,
    /// Descriptors open at once; more give the guest `EMFILE`.
    pub descriptors: u64,
    /// Limits of the GPU, ignored by jobs that use none.
    pub gpu: GpuLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            gas: 1_000_000_000_000,
            memory_bytes: 1 << 30,
            table_elements: 1 << 20,
            stack_bytes: 1 << 20,
            output_bytes: 1 << 30,
            files: 100_000,
            descriptors: 1024,
            gpu: GpuLimits::default(),
        }
    }
}

/// What one task may use of the GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuLimits {
    /// GPU gas of one task.
    pub gas: u64,
    /// Bytes of all live buffers, textures and query sets.
    pub bytes: u64,
    /// Live objects: all that a guest names, views and command buffers included, and what lives on inside others.
    pub objects: u32,
    /// Shader modules created over the life of the task.
    pub shaders: u32,
    /// Bytes of one shader's source.
    pub shader_bytes: u32,
    /// Bytes of one command stream.
    pub stream_bytes: u32,
    /// Invocations (workgroups × workgroup size) of one dispatch.
    pub invocations: u64,
}

impl Default for GpuLimits {
    fn default() -> Self {
        GpuLimits {
            gas: 1_000_000_000_000,
            bytes: 1 << 30,
            objects: 4096,
            shaders: 256,
            shader_bytes: 256 << 10,
            stream_bytes: 4 << 20,
            invocations: 1 << 28,
        }
    }
}
