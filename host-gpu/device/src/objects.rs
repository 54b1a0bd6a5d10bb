//! The guest's objects and the table of their ids.

use crate::counted::Counted;
use crate::exact::Facts;
use fizz_gpu_abi::host::Stop;
use fizz_gpu_abi::{LayoutEntry, MapMode, ObjectKind, TextureShape, ViewShape};
use fizz_shader::CheckedShader;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An object with its label; `valid` is `None` for an error object.
#[derive(Debug)]
pub(crate) struct Object<T> {
    pub(crate) label: String,
    pub(crate) valid: Option<T>,
    _counted: Counted,
}

impl<T> Object<T> {
    pub(crate) fn new(label: &str, valid: Option<T>, counted: Counted) -> Arc<Self> {
        Arc::new(Object { label: label.to_owned(), valid, _counted: counted })
    }
}

/// A buffer's mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    Unmapped,
    AtCreation,
    Mapped { mode: MapMode, offset: u64, size: u64 },
    Destroyed,
}

/// A valid buffer. `memory` counts towards the quota until the buffer is destroyed or dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) usage: u32,
    pub(crate) size: u64,
    state: Mutex<BufferState>,
}

#[derive(Debug)]
pub(crate) struct BufferState {
    pub(crate) mapping: Mapping,
    pub(crate) memory: Option<Counted>,
}

impl Buffer {
    pub(crate) fn new(buffer: wgpu::Buffer, usage: u32, size: u64, mapped: bool, memory: Counted) -> Self {
        let mapping = if mapped { Mapping::AtCreation } else { Mapping::Unmapped };
        Buffer { buffer, usage, size, state: Mutex::new(BufferState { mapping, memory: Some(memory) }) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, BufferState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `offset..offset + size` lies inside.
    pub(crate) fn holds(&self, offset: u64, size: u64) -> bool {
        offset.checked_add(size).is_some_and(|end| end <= self.size)
    }
}

/// A valid texture.
#[derive(Debug)]
pub(crate) struct Texture {
    pub(crate) texture: wgpu::Texture,
    /// As the guest knows it.
    pub(crate) shape: TextureShape,
    /// Its share of the quota, until it is destroyed or dropped.
    memory: Mutex<Option<Counted>>,
}

impl Texture {
    pub(crate) fn new(texture: wgpu::Texture, shape: TextureShape, memory: Counted) -> Self {
        Texture { texture, shape, memory: Mutex::new(Some(memory)) }
    }

    pub(crate) fn destroy(&self) {
        *self.memory() = None;
        self.texture.destroy();
    }

    fn memory(&self) -> MutexGuard<'_, Option<Counted>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A valid view, with the texture that it keeps alive.
#[derive(Debug)]
pub(crate) struct TextureView {
    pub(crate) view: wgpu::TextureView,
    pub(crate) texture: Arc<Object<Texture>>,
    /// What of it is seen.
    pub(crate) shape: ViewShape,
}

/// A valid query set.
#[derive(Debug)]
pub(crate) struct QuerySet {
    pub(crate) count: u32,
    /// The results, and their share of the quota; none once destroyed.
    results: Mutex<Option<(Vec<u64>, Counted)>>,
}

impl QuerySet {
    pub(crate) fn new(count: u32, memory: Counted) -> Self {
        QuerySet { count, results: Mutex::new(Some((vec![0; count as usize], memory))) }
    }

    fn results(&self) -> MutexGuard<'_, Option<(Vec<u64>, Counted)>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn destroy(&self) {
        *self.results() = None;
    }

    /// Notes a result, if the set is still there.
    pub(crate) fn write(&self, index: u32, value: u64) {
        if let Some((values, _)) = &mut *self.results()
            && let Some(at) = values.get_mut(index as usize)
        {
            *at = value;
        }
    }

    /// Results as bytes; none of what is not there.
    pub(crate) fn bytes(&self, first: u32, count: u32) -> Vec<u8> {
        let results = self.results();
        let values = results.as_ref().map_or(&[][..], |(values, _)| values);
        let values = values.iter().skip(first as usize).take(count as usize);
        values.flat_map(|value| value.to_le_bytes()).collect()
    }
}

/// What commands use, and what must still be there when they are submitted.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    Buffer(Arc<Object<Buffer>>),
    Texture(Arc<Object<Texture>>),
    QuerySet(Arc<Object<QuerySet>>),
}

impl Resource {
    /// Why nothing can be executed that uses it.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Resource::Buffer(used) => {
                let label = &used.label;
                match used.valid.as_ref()?.state().mapping {
                    Mapping::Unmapped => None,
                    Mapping::Destroyed => Some(format!("buffer '{label}' is destroyed")),
                    Mapping::AtCreation | Mapping::Mapped { .. } => {
                        Some(format!("buffer '{label}' is mapped"))
                    }
                }
            }
            Resource::Texture(used) => {
                let destroyed = used.valid.as_ref()?.memory().is_none();
                destroyed.then(|| format!("texture '{}' is destroyed", used.label))
            }
            Resource::QuerySet(used) => {
                let destroyed = used.valid.as_ref()?.results().is_none();
                destroyed.then(|| format!("query set '{}' is destroyed", used.label))
            }
        }
    }

    /// Where the object is, by which it is known.
    pub(crate) fn address(&self) -> usize {
        match self {
            Resource::Buffer(object) => Arc::as_ptr(object).addr(),
            Resource::Texture(object) => Arc::as_ptr(object).addr(),
            Resource::QuerySet(object) => Arc::as_ptr(object).addr(),
        }
    }
}

/// A valid shader. `wgpu` gets it metered, pipeline by pipeline.
#[derive(Debug)]
pub(crate) struct Shader {
    pub(crate) checked: CheckedShader,
}

/// A valid bind group layout. Of one that `wgpu` made for a pipeline no entries are known.
#[derive(Clone, Debug)]
pub(crate) struct BindGroupLayout {
    pub(crate) layout: wgpu::BindGroupLayout,
    /// By rising binding number.
    pub(crate) entries: Arc<[LayoutEntry]>,
    /// The number of the automatic layout of an exact pipeline that it belongs to.
    pub(crate) exclusive: Option<u64>,
}

/// Pipeline layouts for shaders without and with loops that count.
#[derive(Debug)]
pub(crate) struct Layouts {
    pub(crate) plain: wgpu::PipelineLayout,
    pub(crate) counting: wgpu::PipelineLayout,
}

/// A valid pipeline layout.
#[derive(Debug)]
pub(crate) struct PipelineLayout {
    pub(crate) layouts: Layouts,
    /// Entries of the bind group layouts.
    pub(crate) groups: Vec<Arc<[LayoutEntry]>>,
}

/// A valid compute pipeline.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    /// Invocations of a workgroup.
    pub(crate) invocations: u64,
    /// Gas of one invocation, loops that count apart.
    pub(crate) fixed: u64,
    /// Most gas of the loops of one invocation that count.
    pub(crate) most_counted: u64,
    /// Where loops count; `None` if no loop does.
    /// With it the words of a workgroup.
    pub(crate) counter: Option<(wgpu::BindGroup, u32)>,
    /// Whether it must be told which slice of a dispatch it runs.
    pub(crate) sliced: bool,
    /// Most gas of the loops that count, per invocation in the mean, of any part of a dispatch so far; 0 before the first.
    pub(crate) seen: AtomicU64,
    /// What `wgpu` does not know of an exact pipeline.
    pub(crate) exact: Option<Facts>,
}

impl Pipeline {
    /// Most gas of `invocations`, whatever their loops do.
    pub(crate) fn worst(&self, invocations: u64) -> u64 {
        self.fixed.saturating_add(self.most_counted).saturating_mul(invocations)
    }

    /// Gas of `invocations`, at most as far as can be guessed: as long as nothing ran, the loops may take all they may; then some
    /// times what they took before.
    pub(crate) fn guess(&self, invocations: u64) -> u64 {
        let counted = match self.seen.load(Ordering::Relaxed) {
            0 => self.most_counted,
            seen => self.most_counted.min(seen.saturating_mul(CAUTION)),
        };
        self.fixed.saturating_add(counted).saturating_mul(invocations)
    }

    /// Notes what the loops of `invocations` took together.
    pub(crate) fn note(&self, gas: u64, invocations: u64) {
        self.seen.fetch_max((gas / invocations.max(1)).max(1), Ordering::Relaxed);
    }
}

/// How many times more than any part before a part of a dispatch may take without being too long.
const CAUTION: u64 = 16;

/// A valid bind group and the buffers and textures it keeps alive.
#[derive(Debug)]
pub(crate) struct BindGroup {
    pub(crate) group: wgpu::BindGroup,
    /// Of its layout, as far as they are known there.
    pub(crate) entries: Arc<[LayoutEntry]>,
    /// The number of the automatic layout of an exact pipeline that its layout belongs to.
    pub(crate) exclusive: Option<u64>,
    /// Which bytes and texels are bound.
    pub(crate) ranges: Vec<Range>,
    pub(crate) resources: Vec<Resource>,
    /// Views that live on in it, and so count.
    pub(crate) _views: Vec<Arc<Object<TextureView>>>,
}

/// Bytes of a buffer that are bound, or layers of a texture: those of a mip level follow on those of the level before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) binding: u32,
    /// Which buffer or texture it is, for as long as it lives.
    pub(crate) buffer: usize,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// A valid, finished command buffer.
#[derive(Debug)]
pub(crate) struct CommandBuffer {
    pub(crate) steps: Vec<Step>,
    /// What must be neither mapped nor destroyed when it is submitted.
    pub(crate) resources: Vec<Resource>,
    /// Gas of its work, indirect dispatches apart.
    pub(crate) gas: u64,
    /// Its share of the memory for unsubmitted commands.
    pub(crate) _bytes: Counted,
}

/// A part of a command buffer.
#[derive(Debug)]
pub(crate) enum Step {
    /// Work encoded in full, and the gas that it may take.
    Work(wgpu::CommandBuffer, u64),
    /// A dispatch that may have to be split, or whose loops count.
    Dispatch { counts: [u32; 3], state: PassState },
    /// A dispatch whose counts are read when it is reached.
    Indirect { counts: Arc<Object<Buffer>>, offset: u64, state: PassState },
    /// A query that gets the gas used so far; `before` is that of the command buffer's own work up to here.
    Timestamp { set: Arc<Object<QuerySet>>, index: u32, before: u64 },
    /// Results that go into a buffer when they are known.
    Resolve { set: Arc<Object<QuerySet>>, first: u32, count: u32, target: Arc<Object<Buffer>>, offset: u64 },
}

/// What a pass has set.
#[derive(Clone, Debug, Default)]
pub(crate) struct PassState {
    pub(crate) pipeline: Option<Arc<Object<Pipeline>>>,
    pub(crate) groups: [Option<SetGroup>; 4],
}

/// A bind group with its dynamic offsets.
pub(crate) type SetGroup = (Arc<Object<BindGroup>>, Vec<u32>);

/// What an id names.
#[derive(Debug)]
pub(crate) enum Entry {
    Buffer(Arc<Object<Buffer>>),
    Shader(Arc<Object<Shader>>),
    BindGroupLayout(Arc<Object<BindGroupLayout>>),
    PipelineLayout(Arc<Object<PipelineLayout>>),
    ComputePipeline(Arc<Object<Pipeline>>),
    BindGroup(Arc<Object<BindGroup>>),
    CommandBuffer(Arc<Object<CommandBuffer>>),
    Texture(Arc<Object<Texture>>),
    TextureView(Arc<Object<TextureView>>),
    QuerySet(Arc<Object<QuerySet>>),
}

impl Entry {
    fn kind(&self) -> ObjectKind {
        match self {
            Entry::Buffer(_) => ObjectKind::Buffer,
            Entry::Shader(_) => ObjectKind::Shader,
            Entry::BindGroupLayout(_) => ObjectKind::BindGroupLayout,
            Entry::PipelineLayout(_) => ObjectKind::PipelineLayout,
            Entry::ComputePipeline(_) => ObjectKind::ComputePipeline,
            Entry::BindGroup(_) => ObjectKind::BindGroup,
            Entry::CommandBuffer(_) => ObjectKind::CommandBuffer,
            Entry::Texture(_) => ObjectKind::Texture,
            Entry::TextureView(_) => ObjectKind::TextureView,
            Entry::QuerySet(_) => ObjectKind::QuerySet,
        }
    }
}

fn unknown(kind: &str, id: u32) -> Stop {
    Stop::Protocol(format!("no {kind} has the id {id}").into())
}

/// What a bind group binds.
pub(crate) enum Bound {
    Buffer(Arc<Object<Buffer>>),
    View(Arc<Object<TextureView>>),
}

/// The ids.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: BTreeMap<u32, Entry>,
}

macro_rules! getters {
    ($($name:ident: $variant:ident, $type:ty, $word:literal;)*) => {
        $(
            pub(crate) fn $name(&self, id: u32) -> Result<Arc<Object<$type>>, Stop> {
                match self.entries.get(&id) {
                    Some(Entry::$variant(object)) => Ok(object.clone()),
                    _ => Err(unknown($word, id)),
                }
            }
        )*
    };
}

impl Table {
    getters! {
        buffer: Buffer, Buffer, "buffer";
        shader: Shader, Shader, "shader";
        bind_group_layout: BindGroupLayout, BindGroupLayout, "bind group layout";
        pipeline_layout: PipelineLayout, PipelineLayout, "pipeline layout";
        pipeline: ComputePipeline, Pipeline, "compute pipeline";
        bind_group: BindGroup, BindGroup, "bind group";
        texture: Texture, Texture, "texture";
        query_set: QuerySet, QuerySet, "query set";
    }

    /// What an entry of a bind group names.
    pub(crate) fn bound(&self, id: u32) -> Result<Bound, Stop> {
        match self.entries.get(&id) {
            Some(Entry::Buffer(object)) => Ok(Bound::Buffer(object.clone())),
            Some(Entry::TextureView(object)) => Ok(Bound::View(object.clone())),
            _ => Err(unknown("buffer or texture view", id)),
        }
    }

    /// Whether an id may be given to a new object.
    pub(crate) fn free(&self, id: u32) -> Result<(), Stop> {
        if self.entries.contains_key(&id) {
            return Err(Stop::Protocol(format!("the id {id} is taken").into()));
        }
        Ok(())
    }

    pub(crate) fn insert(&mut self, id: u32, entry: Entry) {
        let before = self.entries.insert(id, entry);
        debug_assert!(before.is_none(), "ids are checked before objects are made");
    }

    pub(crate) fn release(&mut self, kind: ObjectKind, id: u32) -> Result<Entry, Stop> {
        if self.entries.get(&id).map(Entry::kind) != Some(kind) {
            return Err(Stop::Protocol(format!("RELEASE: no {kind:?} has the id {id}").into()));
        }
        self.entries.remove(&id).ok_or_else(|| unknown("object", id))
    }

    /// Takes a command buffer out.
    pub(crate) fn take_commands(&mut self, id: u32) -> Result<Arc<Object<CommandBuffer>>, Stop> {
        match self.release(ObjectKind::CommandBuffer, id)? {
            Entry::CommandBuffer(object) => Ok(object),
            _ => Err(unknown("command buffer", id)),
        }
    }
}
