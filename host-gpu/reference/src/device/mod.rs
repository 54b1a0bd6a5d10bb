//! The reference device as a backend of `wgpu-hal`.
//!
//! `wgpu` itself checks everything that WebGPU asks for, keeps track of what is initialised, stages and maps; below it stands this, which
//! only does: buffers and textures are parts of one linear memory, shaders are [`Program`](crate::Program)s, a queue is a thread. A shader comes as naga's
//! module and is compiled here, or as the words of a program through `wgpu`'s passthrough. So that these words are handed on unchanged, the
//! backend counts as Vulkan's; no Vulkan is near.

mod adapter;
mod encoder;
mod memory;
mod opened;
mod pool;
mod queue;
mod resource;

use crate::engine::Engine;
use crate::race::RaceCheck;
use encoder::{CommandBuffer, Encoder};
use memory::Memory;
use queue::Executor;
use resource::{Buffer, Fence, Group, GroupLayout, Nothing, Ready, Shader, Texture, View};
use std::sync::Arc;
use wgpu::hal;

/// Bytes of stack of each thread that runs programs.
pub const THREAD_STACK: usize = 64 << 20;

/// Most threads that share a dispatch: each has memory of its own for programs.
pub const MAX_THREADS: usize = 16;

/// The adapter's name.
pub const NAME: &str = "fizz reference";

/// `wgpu` on the reference device, whose dispatches `threads` threads share, [`MAX_THREADS`] at most.
#[expect(unsafe_code, reason = "wgpu takes backends only so")]
pub fn instance(engine: Arc<dyn Engine>, threads: usize) -> wgpu::Instance {
    // SAFETY: the instance is whole, and nobody else has it.
    unsafe {
        wgpu::Instance::from_hal::<Api>(Host { engine, threads: threads.min(MAX_THREADS), check: None })
    }
}

/// The same on one thread, where dispatches of [watched programs](crate::compile_watched) are watched. Others run as they are.
#[expect(unsafe_code, reason = "wgpu takes backends only so")]
pub fn watched_instance(engine: Arc<dyn Engine>, check: RaceCheck) -> wgpu::Instance {
    // SAFETY: as above.
    unsafe { wgpu::Instance::from_hal::<Api>(Host { engine, threads: 1, check: Some(check) }) }
}

/// The backend.
#[derive(Clone, Debug)]
pub(crate) struct Api;

/// Instance and adapter.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    engine: Arc<dyn Engine>,
    threads: usize,
    check: Option<RaceCheck>,
}

/// Device and queue.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    memory: Arc<Memory>,
    executor: Arc<Executor>,
}

/// What this device never has one of.
#[derive(Debug)]
pub(crate) enum OnlyCompute {}

impl hal::Api for Api {
    const VARIANT: wgpu::Backend = wgpu::Backend::Vulkan;

    type Instance = Host;
    type Surface = Nothing;
    type Adapter = Host;
    type Device = Opened;
    type Queue = Opened;
    type CommandEncoder = Encoder;
    type CommandBuffer = CommandBuffer;
    type Buffer = Buffer;
    type Texture = Texture;
    type SurfaceTexture = Texture;
    type TextureView = View;
    type Sampler = Nothing;
    type QuerySet = Nothing;
    type Fence = Fence;
    type AccelerationStructure = Nothing;
    type PipelineCache = Nothing;
    type BindGroupLayout = GroupLayout;
    type BindGroup = Group;
    type PipelineLayout = Nothing;
    type ShaderModule = Shader;
    type RenderPipeline = OnlyCompute;
    type RayTracingPipeline = OnlyCompute;
    type ComputePipeline = Ready;
}

macro_rules! resources {
    ($($type:ty $(: $($role:ident)*)?;)*) => {
        $(
            impl hal::DynResource for $type {
                fn as_any(&self) -> &dyn std::any::Any {
                    self
                }
                fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
                    self
                }
            }
            $($(impl hal::$role for $type {})*)?
        )*
    };
}

resources! {
    Host;
    Opened;
    Encoder;
    CommandBuffer: DynCommandBuffer;
    Buffer: DynBuffer;
    Texture: DynTexture DynSurfaceTexture;
    View: DynTextureView;
    Fence: DynFence;
    GroupLayout: DynBindGroupLayout;
    Group: DynBindGroup;
    Shader: DynShaderModule;
    Ready: DynComputePipeline;
    Nothing: DynSampler DynQuerySet DynAccelerationStructure DynPipelineCache DynPipelineLayout;
    OnlyCompute: DynRenderPipeline DynRayTracingPipeline;
}
