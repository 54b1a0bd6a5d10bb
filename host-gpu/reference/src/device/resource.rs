//! What commands work on.

use super::memory::Part;
use crate::engine::{EngineError, Instance, Kernel};
use crate::program::Program;
use crate::view::ViewShape;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wgpu::hal;

/// A buffer: bytes of the machine's memory.
#[derive(Clone)]
pub(crate) struct Buffer(pub(crate) Arc<Part>);

thread_local! {
    /// The buffer that was last printed here while somebody wanted to know.
    static PRINTED: RefCell<Option<Option<Buffer>>> = const { RefCell::new(None) };
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PRINTED.with_borrow_mut(|printed| {
            if let Some(printed) = printed {
                *printed = Some(self.clone());
            }
        });
        write!(f, "Buffer({} bytes at {:#x})", self.0.size(), self.0.address())
    }
}

impl Buffer {
    /// The buffer of a binding. `wgpu-hal` keeps that field to its own backends, but prints it, so the buffer is found by being printed.
    pub(crate) fn of(binding: &hal::BufferBinding<'_, Buffer>) -> Option<Buffer> {
        struct Nowhere;
        impl fmt::Write for Nowhere {
            fn write_str(&mut self, _: &str) -> fmt::Result {
                Ok(())
            }
        }
        PRINTED.set(Some(None));
        let printed = fmt::write(&mut Nowhere, format_args!("{binding:?}"));
        let found = PRINTED.take().flatten();
        printed.ok().and(found)
    }
}

/// A texture: its levels one after the other, each without gaps: texels of a row, rows, slices or layers.
#[derive(Clone, Debug)]
pub(crate) struct Texture {
    pub(crate) part: Arc<Part>,
    pub(crate) size: wgpu::Extent3d,
    pub(crate) dimension: wgpu::TextureDimension,
    pub(crate) texel_bytes: u32,
    pub(crate) levels: u32,
}

/// A level of a texture: where it begins and what it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) start: u64,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) depth: u64,
    pub(crate) texel_bytes: u64,
}

impl Level {
    fn bytes(&self) -> u64 {
        self.width * self.height * self.depth * self.texel_bytes
    }

    /// Where a texel is in the texture's memory.
    pub(crate) fn at(&self, x: u64, y: u64, z: u64) -> u64 {
        self.start + ((z * self.height + y) * self.width + x) * self.texel_bytes
    }
}

/// The levels of a texture that is to be, and all its bytes.
pub(crate) fn levels(
    size: wgpu::Extent3d,
    dimension: wgpu::TextureDimension,
    texel_bytes: u32,
    count: u32,
) -> (Vec<Level>, u64) {
    let mut start = 0;
    let all = (0..count).map(|level| {
        let smaller = |size: u32| u64::from((size >> level).max(1));
        let depth = match dimension {
            wgpu::TextureDimension::D3 => smaller(size.depth_or_array_layers),
            _ => u64::from(size.depth_or_array_layers),
        };
        let height = if dimension == wgpu::TextureDimension::D1 { 1 } else { smaller(size.height) };
        let level =
            Level { start, width: smaller(size.width), height, depth, texel_bytes: u64::from(texel_bytes) };
        // So that each level begins where a buffer could.
        start += level.bytes().next_multiple_of(256);
        level
    });
    (all.collect(), start)
}

impl Texture {
    pub(crate) fn level(&self, level: u32) -> Level {
        let (levels, _) = levels(self.size, self.dimension, self.texel_bytes, self.levels);
        levels[level as usize]
    }
}

/// A view: one level of a texture, and some of its layers.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) texture: Texture,
    pub(crate) shape: ViewShape,
}

impl std::borrow::Borrow<dyn hal::DynTexture> for Texture {
    fn borrow(&self) -> &(dyn hal::DynTexture + 'static) {
        self
    }
}

/// Which bindings of a group take dynamic offsets, in order.
#[derive(Debug)]
pub(crate) struct GroupLayout {
    pub(crate) dynamic: Vec<u32>,
    /// Which bindings are textures.
    pub(crate) textures: Vec<u32>,
}

/// What is bound.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    Buffer { buffer: Buffer, offset: u64, size: u64, dynamic: Option<usize> },
    View(View),
}

impl Bound {
    /// The memory that it is.
    pub(crate) fn part(&self) -> &Arc<Part> {
        match self {
            Bound::Buffer { buffer, .. } => &buffer.0,
            Bound::View(view) => &view.texture.part,
        }
    }
}

/// Resources by binding number.
#[derive(Clone, Debug)]
pub(crate) struct Group(pub(crate) Arc<Vec<(u32, Bound)>>);

/// A shader: a program for any entry point, or naga's module.
#[derive(Debug)]
pub(crate) enum Shader {
    /// Compiled already.
    Program(Box<Program>),
    /// To be compiled with the pipeline.
    Module(Box<naga::Module>),
}

/// A program that threads can run.
pub(crate) struct Pipeline {
    pub(crate) program: Program,
    kernel: Box<dyn Kernel>,
    instances: Vec<Mutex<Option<Box<dyn Instance>>>>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipeline({:?})", self.kernel)
    }
}

impl Pipeline {
    pub(crate) fn new(program: Program, kernel: Box<dyn Kernel>, threads: usize) -> Pipeline {
        let program = Program { wasm: Vec::new(), ..program };
        Pipeline { program, kernel, instances: (0..threads).map(|_| Mutex::default()).collect() }
    }

    /// Calls `work` with the thread's own instance, which is made when it is first wanted.
    pub(crate) fn with_instance<T>(
        &self,
        thread: usize,
        work: impl FnOnce(&mut dyn Instance) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut slot = self.instances[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let instance = match &mut *slot {
            Some(instance) => instance,
            empty => empty.insert(self.kernel.instance()?),
        };
        work(&mut **instance)
    }
}

/// A pipeline in `wgpu`'s hand.
#[derive(Debug)]
pub(crate) struct Ready(pub(crate) Arc<Pipeline>);

/// How far the queue has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fence(Arc<(Mutex<Reached>, Condvar)>);

#[derive(Debug, Default)]
struct Reached {
    value: u64,
    lost: bool,
}

impl Fence {
    fn lock(&self) -> std::sync::MutexGuard<'_, Reached> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that `value` is reached, or will never be.
    pub(crate) fn signal(&self, value: u64, lost: bool) {
        let mut reached = self.lock();
        if lost {
            reached.lost = true;
        } else {
            reached.value = reached.value.max(value);
        }
        drop(reached);
        self.0.1.notify_all();
    }

    pub(crate) fn value(&self) -> Result<u64, hal::DeviceError> {
        let reached = self.lock();
        if reached.lost { Err(hal::DeviceError::Lost) } else { Ok(reached.value) }
    }

    /// Whether `value` is reached in time.
    pub(crate) fn wait(&self, value: u64, timeout: Option<Duration>) -> Result<bool, hal::DeviceError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut reached = self.lock();
        loop {
            if reached.value >= value {
                return Ok(true);
            }
            if reached.lost {
                return Err(hal::DeviceError::Lost);
            }
            reached = match deadline {
                None => self.0.1.wait(reached).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        return Ok(false);
                    };
                    self.0.1.wait_timeout(reached, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Stands for everything that compute does without.
#[derive(Debug)]
pub(crate) struct Nothing;
