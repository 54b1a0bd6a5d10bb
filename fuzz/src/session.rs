//! GPU sessions on a real device: any calls of a guest, in any order.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use fizz_gpu::{Adapters, Choice, Hardware, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Class, Encoder, ErrorClass, LayoutEntry, MAX_RECORD, MapMode,
    ObjectKind, OpenRequest, PollState, RecordRef, WHOLE,
};

/// The input chooses calls and commands that mostly fit what exists.
///
/// - Nothing a guest does is a fault of the host: no lost device, no panic below.
/// - Two sessions answer the same: statuses, bytes, records, gas, and how they end.
/// - Gas stays within its quota.
pub fn session(data: &[u8]) {
    let Some(hardware) = &*HARDWARE else { return };
    let first = Play::new(hardware).play(data);
    let second = Play::new(hardware).play(data);
    assert_eq!(first, second, "two sessions differ");
}

/// The software adapter, on which a found input is found everywhere; else any.
static HARDWARE: LazyLock<Option<Hardware>> = LazyLock::new(|| {
    let adapters = Adapters::list();
    let found = adapters.choose(&Choice::Auto).ok();
    if found.is_none() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI must have a GPU adapter (install lavapipe)"
        );
        eprintln!("no GPU adapter: the target `session` does nothing");
    }
    found
});

const QUOTAS: Quotas = Quotas {
    gas: 2_000_000_000,
    bytes: 1 << 20,
    objects: 40,
    shaders: 8,
    shader_bytes: 4096,
    stream_bytes: 64 << 10,
    invocations: 1 << 14,
};

/// Shaders without races and without long loops.
const SHADERS: [&str; 7] = [
    "@group(0) @binding(0) var<storage, read_write> d: array<u32>;
     @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) i: vec3u) {
         if (i.x < arrayLength(&d) && i.y + i.z == 0u) { d[i.x] = d[i.x] * 2u + 1u; } }",
    "@group(0) @binding(0) var<storage, read> a: array<u32>;
     @group(0) @binding(1) var<storage, read_write> b: array<u32>;
     @compute @workgroup_size(8, 2) fn main(@builtin(global_invocation_id) i: vec3u) {
         let n = i.x + 8u * i.y; if (n < arrayLength(&b) && i.y < 2u && i.x < 8u && i.z == 0u) { b[n] = a[n]; } }",
    "struct P { x: vec4f, n: u32 } @group(0) @binding(0) var<uniform> p: P;
     @group(1) @binding(0) var<storage, read_write> n: atomic<u32>;
     @compute @workgroup_size(4) fn main() { atomicAdd(&n, p.n); }",
    "override size: u32 = 4; override k: f32; var<workgroup> w: array<u32, 16>;
     @group(0) @binding(0) var<storage, read_write> d: array<u32, 16>;
     @compute @workgroup_size(size) fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) g: vec3u) {
         w[i % 16u] = i; workgroupBarrier(); if (i < 16u && dot(g, g) == 0u) { d[i] = w[i] + u32(k); } }",
    "@compute @workgroup_size(1) fn main() {} @compute @workgroup_size(2) fn other() {}",
    "fn main() { let x = y; }",
    "@group(0) @binding(0) var<storage, read_write> d: array<vec3f>; var<private> p: u32;
     @compute @workgroup_size(1) fn main() { d[0].x = 1.0; p = arrayLength(&d); d[p + 7u] = vec3f(); }",
];
const TEXTS: [&str; 4] = ["", "label", "main", "ü"];
const SIZES: [u64; 16] = [0, 1, 2, 4, 8, 12, 16, 20, 32, 64, 256, 260, 4096, 65_536, 1 << 21, WHOLE];
const OFFSETS: [u64; 8] = [0, 0, 0, 4, 8, 256, 3, 1 << 40];

/// What a session answered, as words.
type Answers = Vec<String>;

struct Play {
    session: Box<dyn Session>,
    stream: Encoder,
    answers: Answers,
    /// Kinds of the objects by their ids, from 1.
    objects: Vec<ObjectKind>,
}

impl Play {
    fn new(hardware: &Hardware) -> Play {
        let session = hardware.session(&QUOTAS).expect("a session");
        Play { session, stream: Encoder::new(), answers: Vec::new(), objects: Vec::new() }
    }

    fn play(mut self, data: &[u8]) -> (Answers, u64) {
        let mut input = Unstructured::new(data);
        let mut end = self.open(Class::Fast);
        while end.is_ok() && !input.is_empty() {
            end = self.step(&mut input);
        }
        let end =
            end.and_then(|()| self.flush()).and_then(|()| self.records()).and_then(|()| self.read(1, 0, 64));
        match end {
            Err(Stop::HostFault(fault, detail)) => panic!("a guest makes the host fail: {fault}: {detail}"),
            end => self.answers.push(format!("{end:?}")),
        }
        let gas = self.session.gas();
        assert!(gas <= QUOTAS.gas);
        (self.answers, gas)
    }

    fn open(&mut self, class: Class) -> Result<(), Stop> {
        let mut caps = [0; Caps::SIZE];
        let answer = self.session.open(&OpenRequest::new(class).to_bytes(), &mut caps)?;
        self.answers.push(format!("open {answer} {caps:?}"));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let stream = self.stream.take();
        let answer = self.session.submit(&stream)?;
        self.answers.push(format!("submit {answer}"));
        Ok(())
    }

    fn records(&mut self) -> Result<(), Stop> {
        let mut bytes = vec![0; MAX_RECORD];
        loop {
            let size = self.session.take_error(&mut bytes)?;
            let Ok(1..) = usize::try_from(size) else { break };
            let record = RecordRef::from_bytes(&bytes[..size as usize]).expect("a record");
            self.answers.push(format!("{record:?}"));
        }
        Ok(())
    }

    fn read(&mut self, buffer: u32, offset: u64, size: usize) -> Result<(), Stop> {
        let mut bytes = vec![0xa5; size];
        let answer = self.session.read(buffer, offset, &mut bytes)?;
        self.answers.push(format!("read {answer} {bytes:?}"));
        Ok(())
    }

    /// The id of an object of this kind, if there is one; seldom of another, or of none.
    fn id(&self, input: &mut Unstructured<'_>, kind: ObjectKind) -> u32 {
        let choice = usize::from(input.arbitrary::<u8>().unwrap_or_default());
        let of_kind: Vec<_> =
            (1..).zip(&self.objects).filter(|(_, found)| **found == kind).map(|(id, _)| id).collect();
        match of_kind.get(choice % of_kind.len().max(1)) {
            Some(id) if choice < 0xfc => *id,
            _ => choice as u32 % (self.objects.len() as u32 + 2),
        }
    }

    fn make(&mut self, kind: ObjectKind) -> u32 {
        self.objects.push(kind);
        self.objects.len() as u32
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<(), Stop> {
        let byte = |input: &mut Unstructured<'_>| input.arbitrary::<u8>().unwrap_or_default();
        let size = |input: &mut Unstructured<'_>| SIZES[usize::from(byte(input)) % SIZES.len()];
        let offset = |input: &mut Unstructured<'_>| OFFSETS[usize::from(byte(input)) % OFFSETS.len()];
        let text = TEXTS[usize::from(byte(input)) % TEXTS.len()];
        let class = [ErrorClass::Validation, ErrorClass::OutOfMemory, ErrorClass::Internal]
            [usize::from(byte(input)) % 3];
        match byte(input) % 30 {
            0..=2 => {
                let (id, bits) = (
                    self.make(ObjectKind::Buffer),
                    u32::from(byte(input)) * 4 + 2 + u32::from(byte(input) % 4),
                );
                let bits = if byte(input) < 128 { 0x8c | 0x100 | 0x40 } else { bits };
                self.stream.create_buffer(id, bits, size(input), byte(input) < 40, text);
            }
            3 => {
                let id = self.make(ObjectKind::Shader);
                self.stream.create_shader(id, text, SHADERS[usize::from(byte(input)) % SHADERS.len()]);
            }
            4 => {
                let layout = if byte(input) < 160 { 0 } else { self.id(input, ObjectKind::PipelineLayout) };
                let shader = self.id(input, ObjectKind::Shader);
                let id = self.make(ObjectKind::ComputePipeline);
                let values = [("size", f64::from(byte(input) % 80)), ("k", f64::from(byte(input)) / 4.0)];
                let count = usize::from(byte(input) % 3);
                let entry = Some(text).filter(|text| !text.is_empty());
                self.stream.create_compute_pipeline(
                    id,
                    text,
                    layout,
                    shader,
                    entry,
                    true,
                    values.into_iter().take(count).collect::<Vec<_>>().into_iter(),
                );
            }
            5 => {
                let pipeline = self.id(input, ObjectKind::ComputePipeline);
                let id = self.make(ObjectKind::BindGroupLayout);
                self.stream.get_bind_group_layout(id, pipeline, u32::from(byte(input) % 5));
            }
            6 | 7 => {
                let layout = self.id(input, ObjectKind::BindGroupLayout);
                let entries: Vec<_> = (0..u32::from(byte(input) % 3))
                    .map(|binding| BindGroupEntry {
                        binding: if byte(input) < 240 { binding } else { u32::MAX },
                        buffer: self.id(input, ObjectKind::Buffer).max(1),
                        offset: offset(input),
                        size: if byte(input) < 128 { WHOLE } else { size(input) },
                    })
                    .collect();
                let id = self.make(ObjectKind::BindGroup);
                self.stream.create_bind_group(id, text, layout, &entries);
            }
            8 => {
                let kinds = [BindingKind::Storage, BindingKind::ReadOnlyStorage, BindingKind::Uniform];
                let entries: Vec<_> = (0..u32::from(byte(input) % 3))
                    .map(|binding| LayoutEntry {
                        binding: if byte(input) < 240 { binding } else { 5000 },
                        kind: kinds[usize::from(byte(input)) % 3],
                        dynamic_offset: byte(input) < 80,
                        visible: byte(input) < 200,
                        min_size: if byte(input) < 200 { 0 } else { size(input) },
                    })
                    .collect();
                let id = self.make(ObjectKind::BindGroupLayout);
                self.stream.create_bind_group_layout(id, text, &entries);
            }
            9 => {
                let groups: Vec<_> = (0..byte(input) % 6)
                    .map(|_| if byte(input) < 60 { 0 } else { self.id(input, ObjectKind::BindGroupLayout) })
                    .collect();
                let id = self.make(ObjectKind::PipelineLayout);
                self.stream.create_pipeline_layout(id, text, &groups, u32::from(byte(input) > 250) * 4);
            }
            10..=15 => {
                let id = self.make(ObjectKind::CommandBuffer);
                self.stream.begin_commands(id, text);
                for _ in 0..byte(input) % 5 {
                    self.command(input);
                }
                self.stream.end_commands();
                if byte(input) < 200 {
                    self.stream.submit(&[id]);
                }
            }
            16 => self.stream.submit(&[self.id(input, ObjectKind::CommandBuffer).max(1)]),
            17 => {
                let mode = if byte(input) < 128 { MapMode::Read } else { MapMode::Write };
                self.stream.map_buffer(
                    self.id(input, ObjectKind::Buffer).max(1),
                    mode,
                    offset(input),
                    size(input),
                );
            }
            18 => self.stream.unmap_buffer(self.id(input, ObjectKind::Buffer).max(1)),
            19 => self.stream.destroy_buffer(self.id(input, ObjectKind::Buffer).max(1)),
            20 => {
                let id = usize::from(byte(input)) % (self.objects.len() + 1);
                if let Some(kind) = self.objects.get(id) {
                    self.stream.release(*kind, id as u32 + 1);
                }
            }
            21 => self.stream.push_error_scope(class),
            22 => self.stream.pop_error_scope(),
            23 => {
                let kind = [
                    ObjectKind::Buffer,
                    ObjectKind::BindGroup,
                    ObjectKind::ComputePipeline,
                    ObjectKind::CommandBuffer,
                ][usize::from(byte(input)) % 4];
                let id = self.make(kind);
                self.stream.create_error(kind, id, class, text);
            }
            24 => {
                let data = [byte(input); 64];
                let length = size(input).min(64) as usize;
                let buffer = self.id(input, ObjectKind::Buffer).max(1);
                self.stream.write_buffer(buffer, offset(input), &data[..length]).expect("short data");
            }
            25 => {
                self.flush()?;
                let data = vec![byte(input); size(input).min(5000) as usize];
                let answer = self.session.write(self.id(input, ObjectKind::Buffer), offset(input), &data)?;
                self.answers.push(format!("write {answer}"));
            }
            26 => {
                self.flush()?;
                let buffer = self.id(input, ObjectKind::Buffer);
                self.read(buffer, offset(input), size(input).min(5000) as usize)?;
            }
            27 => {
                self.flush()?;
                let answer = self.session.wait(i64::from(byte(input) % 6) - 1, 0)?;
                self.answers.push(format!("wait {answer}"));
            }
            28 => {
                self.flush()?;
                self.records()?;
                let mut state = [0; PollState::SIZE];
                let answer = self.session.poll(&mut state)?;
                self.answers.push(format!("poll {answer} {state:?}"));
            }
            _ if byte(input) < 230 => self.flush()?,
            _ => {
                let answer = self.session.close()?;
                self.answers.push(format!("close {answer}"));
                self.objects.clear();
                self.open(if byte(input) < 250 { Class::Fast } else { Class::Exact })?;
            }
        }
        Ok(())
    }

    /// One command inside a command buffer, or a pass.
    fn command(&mut self, input: &mut Unstructured<'_>) {
        let byte = |input: &mut Unstructured<'_>| input.arbitrary::<u8>().unwrap_or_default();
        let size = |input: &mut Unstructured<'_>| SIZES[usize::from(byte(input)) % SIZES.len()];
        let offset = |input: &mut Unstructured<'_>| OFFSETS[usize::from(byte(input)) % OFFSETS.len()];
        let buffer = |play: &Self, input: &mut Unstructured<'_>| play.id(input, ObjectKind::Buffer).max(1);
        match byte(input) % 10 {
            0 => {
                let (source, target) = (buffer(self, input), buffer(self, input));
                self.stream.copy_buffer(source, offset(input), target, offset(input), size(input));
            }
            1 => self.stream.clear_buffer(buffer(self, input), offset(input), size(input)),
            2 => self.stream.push_debug_group("group"),
            3 => self.stream.pop_debug_group(),
            4 => self.stream.invalidate("by the guest"),
            _ => {
                self.stream.begin_pass("pass");
                for _ in 0..byte(input) % 3 + 1 {
                    if byte(input) < 240 {
                        self.stream.set_pipeline(self.id(input, ObjectKind::ComputePipeline).max(1));
                    }
                    for index in 0..u32::from(byte(input) % 3) {
                        let group = if byte(input) < 20 { 0 } else { self.id(input, ObjectKind::BindGroup) };
                        let offsets: Vec<u32> =
                            (0..byte(input) / 86).map(|_| u32::from(byte(input)) * 64).collect();
                        self.stream.set_bind_group(
                            if byte(input) < 250 { index } else { 9 },
                            group,
                            &offsets,
                        );
                    }
                    match byte(input) % 4 {
                        0 => self.stream.dispatch_indirect(buffer(self, input), offset(input)),
                        1 => self.stream.dispatch(u32::from(byte(input)) * 300, 1, 1),
                        _ => self.stream.dispatch(u32::from(byte(input) % 4), u32::from(byte(input) % 3), 1),
                    }
                }
                self.stream.end_pass();
            }
        }
    }
}
