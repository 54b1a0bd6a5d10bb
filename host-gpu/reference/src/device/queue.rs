//! Executes commands, one after the other, on a thread of its own.

use super::memory::{Memory, Part};
use super::pool::{Dispatch, Pool};
use super::resource::{Buffer, Fence, Level, Pipeline, Texture, View};
use crate::engine::EngineError;
use crate::program::{ARGUMENT_WORDS, IMMEDIATE_WORDS, MAX_BINDINGS};
use crate::race::Watch;
use crate::view::ViewShape;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::hal;

/// Bytes of the memory in which a dispatch's arguments lie, and the views that they name.
const ARGUMENT_BYTES: u64 =
    ((ARGUMENT_WORDS + 2 * MAX_BINDINGS) * 4) as u64 + MAX_BINDINGS as u64 * ViewShape::SIZE as u64;

/// One command.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Clear {
        buffer: Buffer,
        range: Range<u64>,
    },
    Copy {
        from: Buffer,
        to: Buffer,
        regions: Vec<hal::BufferCopy>,
    },
    ToTexture {
        from: Buffer,
        to: Texture,
        regions: Vec<hal::BufferTextureCopy>,
    },
    ToBuffer {
        from: Texture,
        to: Buffer,
        regions: Vec<hal::BufferTextureCopy>,
    },
    CopyTexture {
        from: Texture,
        to: Texture,
        regions: Vec<hal::TextureCopy>,
    },
    /// Zeroes what a view shows.
    ClearView(View),
    Dispatch(Box<Recorded>),
}

/// A dispatch as it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) immediates: [u32; IMMEDIATE_WORDS],
    /// Of each of the program's bindings.
    pub(crate) bound: Vec<Argument>,
    /// The memory of the bindings.
    pub(crate) parts: Vec<Arc<Part>>,
    pub(crate) counts: Counts,
}

/// Workgroups of a dispatch.
#[derive(Clone, Debug)]
pub(crate) enum Counts {
    Given([u32; 3]),
    /// Three words in a buffer.
    At(Buffer, u64),
}

/// What a program is told of a binding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Buffer { address: u32, bytes: u32 },
    View(ViewShape),
}

/// Commands to execute, and what to say when they are done.
pub(crate) struct Submission {
    pub(crate) commands: Vec<Arc<Vec<Command>>>,
    pub(crate) fence: Fence,
    pub(crate) value: u64,
}

/// The way to the executing thread, which ends when this is dropped and everything is done.
#[derive(Debug)]
pub(crate) struct Executor {
    sender: Sender<Submission>,
    scratch: Arc<Mutex<Scratch>>,
    threads: usize,
}

/// Memory of the threads' own.
#[derive(Debug)]
struct Scratch {
    memory: Arc<Memory>,
    part: Option<Arc<Part>>,
    stride: u32,
}

impl Executor {
    pub(crate) fn new(
        memory: &Arc<Memory>,
        threads: usize,
        watch: Option<Arc<Watch>>,
    ) -> Result<Executor, EngineError> {
        let (sender, receiver) = mpsc::channel();
        let scratch = Arc::new(Mutex::new(Scratch { memory: memory.clone(), part: None, stride: 0 }));
        let arguments = memory.take(ARGUMENT_BYTES)?;
        let pool = Pool::new(threads);
        let threads = pool.size();
        let execute = Execute { pool, arguments, scratch: scratch.clone(), watch, lost: false };
        let thread =
            std::thread::Builder::new().name("reference 0".to_owned()).stack_size(super::THREAD_STACK);
        let spawned = thread.spawn(move || execute.serve(&receiver));
        spawned.map_err(|error| EngineError::OutOfMemory(format!("no thread: {error}")))?;
        Ok(Executor { sender, scratch, threads })
    }

    /// Threads that may run a program.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Sees to it that each thread has so many bytes of its own.
    pub(crate) fn reserve(&self, bytes: u32) -> Result<(), EngineError> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes > scratch.stride {
            let all = u64::from(bytes) * self.threads as u64;
            scratch.part = Some(Arc::new(scratch.memory.take(all)?));
            scratch.stride = bytes;
        }
        Ok(())
    }

    pub(crate) fn submit(&self, submission: Submission) -> Result<(), hal::DeviceError> {
        self.sender.send(submission).map_err(|_| hal::DeviceError::Lost)
    }
}

/// The executing thread.
struct Execute {
    pool: Pool,
    arguments: Part,
    scratch: Arc<Mutex<Scratch>>,
    watch: Option<Arc<Watch>>,
    lost: bool,
}

impl Execute {
    fn serve(mut self, submissions: &Receiver<Submission>) {
        while let Ok(Submission { commands, fence, value }) = submissions.recv() {
            for command in commands.iter().flat_map(|commands| commands.iter()) {
                // A panic is a device that is lost, and not a wait without end.
                let done = self.lost
                    || catch_unwind(AssertUnwindSafe(|| self.execute(command)))
                        .is_ok_and(|done| done.is_ok());
                self.lost |= !done;
            }
            // Buffers that only these commands had are free before anybody hears of it.
            drop(commands);
            fence.signal(value, self.lost);
        }
    }

    fn execute(&mut self, command: &Command) -> Result<(), EngineError> {
        match command {
            Command::Clear { buffer, range } => {
                // SAFETY: wgpu has checked the range, and neither maps nor otherwise uses the buffer meanwhile; so for all commands.
                unsafe { (*buffer.0.bytes(range.clone())).fill(0) };
            }
            Command::Copy { from, to, regions } => {
                for region in regions {
                    let size = region.size.get();
                    let source = from.0.bytes(region.src_offset..region.src_offset + size);
                    let target = to.0.bytes(region.dst_offset..region.dst_offset + size);
                    // SAFETY: as above. Both are within their parts, and may overlap.
                    unsafe { std::ptr::copy(source.cast::<u8>(), target.cast::<u8>(), source.len()) };
                }
            }
            Command::ToTexture { from, to, regions } => {
                for region in regions {
                    rows(to, region, |texels, at| copy(&from.0, at, &to.part, texels.start));
                }
            }
            Command::ToBuffer { from, to, regions } => {
                for region in regions {
                    rows(from, region, |texels, at| copy(&from.part, texels, &to.0, at.start));
                }
            }
            Command::CopyTexture { from, to, regions } => {
                for region in regions {
                    let source = placed(from, &region.src_base);
                    let target = placed(to, &region.dst_base);
                    let (height, depth) = (u64::from(region.size.height), u64::from(region.size.depth));
                    for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
                        let bytes = u64::from(region.size.width) * source.0.texel_bytes;
                        let (first, second) = (source.row(y, z), target.row(y, z));
                        copy(&from.part, first..first + bytes, &to.part, second);
                    }
                }
            }
            Command::ClearView(view) => {
                let start = u64::from(view.shape.address - view.texture.part.address());
                let end = start + u64::from(view.shape.bytes);
                // SAFETY: as above; slices lie one behind the other.
                unsafe { (*view.texture.part.bytes(start..end)).fill(0) };
            }
            Command::Dispatch(recorded) => return self.dispatch(recorded),
        }
        Ok(())
    }

    fn dispatch(&mut self, recorded: &Recorded) -> Result<(), EngineError> {
        // wgpu submits no commands on what is destroyed, and destroys nothing that commands under way work on.
        if !recorded.parts.iter().all(|part| part.is_there()) {
            return Err(EngineError::Invalid("a binding is destroyed".to_owned()));
        }
        let counts = match &recorded.counts {
            Counts::Given(counts) => *counts,
            Counts::At(buffer, offset) => {
                // SAFETY: as above.
                let bytes = unsafe { &*buffer.0.bytes(*offset..*offset + 12) };
                [0, 4, 8].map(|at| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
            }
        };
        let mut words: Vec<u32> = counts.to_vec();
        words.push(0);
        words.extend(recorded.immediates);
        let mut views = Vec::new();
        let view_start = self.arguments.address() + ((ARGUMENT_WORDS + 2 * MAX_BINDINGS) * 4) as u32;
        for argument in &recorded.bound {
            match argument {
                Argument::Buffer { address, bytes } => {
                    // Atomics trap where no word begins. Programs do not look: one that did took a third longer for a convolution.
                    if !address.is_multiple_of(4) {
                        return Err(EngineError::Invalid("a binding begins where no word does".to_owned()));
                    }
                    words.extend([*address, *bytes]);
                }
                Argument::View(shape) => {
                    words.extend([view_start + 4 * views.len() as u32, ViewShape::SIZE]);
                    views.extend(shape.words());
                }
            }
        }
        words.resize(ARGUMENT_WORDS + 2 * MAX_BINDINGS, 0);
        words.extend(views);
        // SAFETY: no dispatch is under way, so nobody else looks at the arguments.
        let bytes = unsafe { &mut *self.arguments.bytes(0..4 * words.len() as u64) };
        for (to, word) in bytes.chunks_exact_mut(4).zip(&words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let (part, stride) = {
            let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
            (scratch.part.clone(), scratch.stride)
        };
        // The first part of a dispatch begins at its first workgroup; programs without immediates are never parted.
        let [x, y, z, ..] = recorded.immediates;
        let base = if recorded.pipeline.program.immediate_bytes > 0 { [x, y, z] } else { [0; 3] };
        let dispatch = Dispatch {
            pipeline: recorded.pipeline.clone(),
            args: self.arguments.address(),
            scratch: part.as_ref().map_or(0, |part| part.address()),
            stride,
            counts,
        };
        match &self.watch {
            Some(watch) => dispatch.watched(watch, base),
            None => self.pool.run(dispatch),
        }
    }
}

/// Copies bytes from one part to another.
fn copy(from: &Part, range: Range<u64>, to: &Part, at: u64) {
    let size = range.end - range.start;
    let (source, target) = (from.bytes(range), to.bytes(at..at + size));
    // SAFETY: both are within their parts, which nobody else uses while a command on them is executed.
    unsafe { std::ptr::copy(source.cast::<u8>(), target.cast::<u8>(), source.len()) };
}

/// A place in a level.
struct Placed(Level, [u64; 3]);

impl Placed {
    fn row(&self, y: u64, z: u64) -> u64 {
        let [x0, y0, z0] = self.1;
        self.0.at(x0, y0 + y, z0 + z)
    }
}

fn placed(texture: &Texture, base: &hal::TextureCopyBase) -> Placed {
    let z = match texture.dimension {
        wgpu::TextureDimension::D3 => base.origin.z,
        _ => base.array_layer,
    };
    Placed(texture.level(base.mip_level), [base.origin.x, base.origin.y, z].map(u64::from))
}

/// Calls `each` with the bytes of each row of a region: in the texture and in the buffer.
fn rows(texture: &Texture, region: &hal::BufferTextureCopy, mut each: impl FnMut(Range<u64>, Range<u64>)) {
    let place = placed(texture, &region.texture_base);
    let bytes = u64::from(region.size.width) * place.0.texel_bytes;
    let row = region.buffer_layout.bytes_per_row.map_or(bytes, u64::from);
    let height = u64::from(region.size.height);
    let image = region.buffer_layout.rows_per_image.map_or(height, u64::from);
    for z in 0..u64::from(region.size.depth) {
        for y in 0..height {
            let texels = place.row(y, z);
            let at = region.buffer_layout.offset + (z * image + y) * row;
            each(texels..texels + bytes, at..at + bytes);
        }
    }
}
