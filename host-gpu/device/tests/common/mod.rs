//! A guest in miniature: an encoder, a session, and the errors it gets.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Every test file uses a part.

use std::sync::OnceLock;

use fizz_gpu::{Adapters, Choice, Hardware, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Class, Encoder, ErrorClass, LayoutEntry, MAX_RECORD, OpenRequest,
    Record, RecordKind, RecordRef, WHOLE, status, usage,
};

/// The best adapter of this machine. Where there is none: fails in CI, else says so.
pub fn hardware() -> Option<Hardware> {
    static FOUND: OnceLock<Option<Hardware>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Option<Hardware> {
    let adapters = Adapters::list();
    if adapters.is_empty() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI must have a GPU adapter (install lavapipe)"
        );
        eprintln!("skipped: no adapter");
        return None;
    }
    Some(adapters.choose(&Choice::Auto).expect("a usable adapter"))
}

pub const QUOTAS: Quotas = Quotas {
    class: fizz_gpu_abi::Class::Fast,
    gas: 1_000_000_000_000,
    bytes: 1 << 30,
    objects: 4096,
    shaders: 256,
    shader_bytes: 256 << 10,
    stream_bytes: 4 << 20,
    invocations: 1 << 28,
};

pub struct Guest {
    pub session: Box<dyn Session>,
    pub stream: Encoder,
    next: u32,
}

impl Guest {
    pub fn new() -> Option<Self> {
        Self::with(QUOTAS)
    }

    pub fn with(quotas: Quotas) -> Option<Self> {
        Some(Self::on(&hardware()?, quotas))
    }

    /// On this adapter.
    pub fn on(hardware: &Hardware, quotas: Quotas) -> Self {
        Self::with_class(hardware, quotas, Class::Fast)
    }

    /// On this adapter, in a session that is asked for so.
    pub fn with_class(hardware: &Hardware, quotas: Quotas, class: Class) -> Self {
        let mut session = hardware.session(&quotas).unwrap();
        let mut caps = [0; Caps::SIZE];
        let size = session.open(&OpenRequest::new(class).to_bytes(), &mut caps).unwrap();
        assert_eq!(size as usize, Caps::SIZE);
        Guest { session, stream: Encoder::new(), next: 1 }
    }

    pub fn id(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Sends the stream.
    pub fn flush(&mut self) -> Result<i64, Stop> {
        let bytes = self.stream.take();
        self.session.submit(&bytes)
    }

    /// Sends the stream and takes every record.
    pub fn records(&mut self) -> Vec<Record> {
        self.flush().unwrap();
        let mut records = Vec::new();
        let mut bytes = vec![0; MAX_RECORD];
        loop {
            match self.session.take_error(&mut bytes).unwrap() {
                0 => return records,
                size => records.push(RecordRef::from_bytes(&bytes[..size as usize]).unwrap().to_owned()),
            }
        }
    }

    /// Sends the stream, which must have made no error.
    #[track_caller]
    pub fn clean(&mut self) {
        let records = self.records();
        assert!(records.is_empty(), "{records:#?}");
    }

    /// Sends the stream, which must have made one uncaptured error of this class.
    #[track_caller]
    pub fn error(&mut self, class: ErrorClass) -> String {
        let records = self.records();
        let found: Vec<_> = records.iter().filter(|record| record.kind == RecordKind::Uncaptured).collect();
        assert_eq!(found.len(), 1, "{records:#?}");
        assert_eq!(found[0].code, class.code(), "{records:#?}");
        found[0].text.clone()
    }

    #[track_caller]
    pub fn invalid(&mut self) -> String {
        self.error(ErrorClass::Validation)
    }

    pub fn buffer(&mut self, usage: u32, size: u64) -> u32 {
        let id = self.id();
        self.stream.create_buffer(id, usage, size, false, "buffer");
        id
    }

    /// A storage buffer with contents, that can be read back.
    pub fn data(&mut self, words: &[u32]) -> u32 {
        let id = self.buffer(usage::STORAGE | usage::COPY_DST | usage::COPY_SRC, words.len() as u64 * 4);
        self.flush().unwrap();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(self.session.write(id, 0, &bytes), Ok(status::OK));
        id
    }

    pub fn read(&mut self, buffer: u32, offset: u64, words: usize) -> Vec<u32> {
        self.flush().unwrap();
        let mut bytes = vec![0xa5; words * 4];
        assert_eq!(self.session.read(buffer, offset, &mut bytes), Ok(status::OK));
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }

    pub fn shader(&mut self, wgsl: &str) -> u32 {
        let id = self.id();
        self.stream.create_shader(id, "shader", wgsl);
        id
    }

    pub fn pipeline(&mut self, layout: u32, shader: u32) -> u32 {
        let id = self.id();
        self.stream.create_compute_pipeline(id, "pipeline", layout, shader, None, true, [].into_iter());
        id
    }

    pub fn auto_layout(&mut self, pipeline: u32) -> u32 {
        let id = self.id();
        self.stream.get_bind_group_layout(id, pipeline, 0);
        id
    }

    /// A layout of storage buffers, the bindings in order.
    pub fn layout(&mut self, kinds: &[BindingKind], dynamic_offset: bool) -> u32 {
        let entries: Vec<LayoutEntry> = (0..)
            .zip(kinds)
            .map(|(binding, kind)| LayoutEntry {
                binding,
                kind: *kind,
                dynamic_offset,
                visible: true,
                min_size: 0,
                texture: None,
            })
            .collect();
        let id = self.id();
        self.stream.create_bind_group_layout(id, "layout", &entries);
        id
    }

    /// A bind group of whole buffers, at bindings 0, 1, ….
    pub fn group(&mut self, layout: u32, buffers: &[u32]) -> u32 {
        let all: Vec<_> = buffers.iter().map(|buffer| (*buffer, WHOLE)).collect();
        self.bind(layout, &all)
    }

    /// A bind group of resources with their sizes, 0 for a view, at bindings 0, 1, ….
    pub fn bind(&mut self, layout: u32, resources: &[(u32, u64)]) -> u32 {
        let entries: Vec<_> = (0..)
            .zip(resources)
            .map(|(binding, (resource, size))| BindGroupEntry {
                binding,
                resource: *resource,
                offset: 0,
                size: *size,
            })
            .collect();
        let id = self.id();
        self.stream.create_bind_group(id, "group", layout, &entries);
        id
    }

    /// Records a command buffer.
    pub fn record(&mut self, body: impl FnOnce(&mut Encoder)) -> u32 {
        let id = self.id();
        self.stream.begin_commands(id, "commands");
        body(&mut self.stream);
        self.stream.end_commands();
        id
    }

    /// Records and submits a command buffer.
    pub fn submit(&mut self, body: impl FnOnce(&mut Encoder)) {
        let id = self.record(body);
        self.stream.submit(&[id]);
    }

    /// Records and submits a pass with one pipeline and one group.
    pub fn dispatch(&mut self, pipeline: u32, group: u32, counts: [u32; 3]) {
        self.submit(|to| {
            to.begin_pass("pass");
            to.set_pipeline(pipeline);
            to.set_bind_group(0, group, &[]);
            to.dispatch(counts[0], counts[1], counts[2]);
            to.end_pass();
        });
    }
}

pub const DOUBLE: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < arrayLength(&data)) { data[id.x] *= 2u; }
    }";

/// The reference device.
pub fn reference() -> Hardware {
    static FOUND: OnceLock<Hardware> = OnceLock::new();
    let make = || {
        let engine = fizz_reference_engine::Wasmtime::new().unwrap();
        Hardware::reference(std::sync::Arc::new(engine), 2).unwrap()
    };
    FOUND.get_or_init(make).clone()
}
