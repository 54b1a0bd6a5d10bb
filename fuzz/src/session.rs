//! GPU sessions on a real device: any calls of a guest, in any order.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use fizz_gpu::{Adapters, Choice, Hardware, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Class, Encoder, ErrorClass, LayoutEntry, MAX_RECORD, MapMode,
    ObjectKind, OpenRequest, PollState, QueryKind, RecordRef, TexelBuffer, TexelPlace, TextureBinding,
    TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape, WHOLE,
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
    class: Class::Fast,
    gas: 2_000_000_000,
    bytes: 1 << 20,
    objects: 60,
    shaders: 8,
    shader_bytes: 4096,
    stream_bytes: 64 << 10,
    invocations: 1 << 14,
};

/// Shaders without races and without long loops.
const SHADERS: [&str; 10] = [
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
    // Loops that count.
    "@group(0) @binding(0) var<storage, read_write> d: array<u32>;
     @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) g: vec3u) {
         var sum = 0u; for (var n = 0u; n < (i + g.x) % 9u; n++) { sum += n; }
         if (g.x + g.y + g.z == 0u && i < arrayLength(&d)) { d[i] = sum; } }",
    // Loads stay inside, for what they give outside is the device's choice.
    "@group(0) @binding(0) var a: texture_storage_2d<r32uint, read>;
     @group(0) @binding(1) var b: texture_storage_2d<r32uint, write>;
     @compute @workgroup_size(8, 2) fn main(@builtin(global_invocation_id) i: vec3u) {
         if (i.z == 0u) { textureStore(b, i.xy, textureLoad(a, min(i.xy, textureDimensions(a) - 1u)) + 1u); } }",
    "@group(0) @binding(0) var t: texture_storage_3d<rgba16sint, write>;
     @group(0) @binding(1) var<storage, read_write> d: array<u32>;
     @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) i: vec3u) {
         if (i.y + i.z == 0u) { textureStore(t, i.xxy - 1u, vec4i(i.xyzx)); d[0] = textureDimensions(t).z; } }",
];
const TEXTS: [&str; 4] = ["", "label", "main", "ü"];
const SIZES: [u64; 16] = [0, 1, 2, 4, 8, 12, 16, 20, 32, 64, 256, 260, 4096, 65_536, 1 << 21, WHOLE];
const OFFSETS: [u64; 8] = [0, 0, 0, 4, 8, 256, 3, 1 << 40];

const USAGES: [u32; 5] = [0x18c, 0x8c, 0xcc, 0x009, 0x006];
/// Sizes of textures in each direction, and counts of levels and layers.
const TEXTURE_SIZES: [u32; 12] = [1, 1, 1, 2, 4, 8, 8, 64, 0, 300, 8193, u32::MAX - 1];
/// Bytes of rows in copies.
const ROWS: [Option<u32>; 6] = [Some(256), Some(256), Some(512), None, Some(100), Some(u32::MAX - 255)];

const CLASSES: [ErrorClass; 3] = [ErrorClass::Validation, ErrorClass::OutOfMemory, ErrorClass::Internal];

/// What a session answered, as words.
type Answers = Vec<String>;

struct Play {
    session: Box<dyn Session>,
    stream: Encoder,
    answers: Answers,
    /// Kinds of the objects by their ids, from 1; none once released.
    objects: Vec<Option<ObjectKind>>,
    /// Open error scopes.
    scopes: u32,
}

impl Play {
    fn new(hardware: &Hardware) -> Play {
        let session = hardware.session(&QUOTAS).expect("a session");
        Play { session, stream: Encoder::new(), answers: Vec::new(), objects: Vec::new(), scopes: 0 }
    }

    fn play(mut self, data: &[u8]) -> (Answers, u64) {
        let mut input = Unstructured::new(data);
        let mut end = self.open(Class::Fast);
        self.prelude();
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
    fn id(&self, input: &mut Unstructured<'_>, kind: ObjectKind) -> Option<u32> {
        let choice = usize::from(byte(input));
        if choice == 0xff {
            return Some(u32::from(byte(input)) % (self.objects.len() as u32 + 1) + 1);
        }
        let of_kind: Vec<u32> =
            (1..).zip(&self.objects).filter(|(_, found)| **found == Some(kind)).map(|(id, _)| id).collect();
        of_kind.get(choice % of_kind.len().max(1)).copied()
    }

    fn make(&mut self, kind: ObjectKind) -> u32 {
        self.objects.push(Some(kind));
        self.objects.len() as u32
    }

    fn forget(&mut self, id: u32) {
        if let Some(object) = self.objects.get_mut(id as usize - 1) {
            *object = None;
        }
    }

    /// Buffers, and the first shader with all that it takes to dispatch it.
    fn prelude(&mut self) {
        for (usage, size) in [(0x18c, 256), (0xcc, 64), (0x009, 64), (0x006, 64)] {
            let id = self.make(ObjectKind::Buffer);
            self.stream.create_buffer(id, usage, size, false, "buffer");
        }
        let shader = self.make(ObjectKind::Shader);
        self.stream.create_shader(shader, "shader", SHADERS[0]);
        let pipeline = self.make(ObjectKind::ComputePipeline);
        self.stream.create_compute_pipeline(pipeline, "pipeline", 0, shader, None, true, [].into_iter());
        let layout = self.make(ObjectKind::BindGroupLayout);
        self.stream.get_bind_group_layout(layout, pipeline, 0);
        let group = self.make(ObjectKind::BindGroup);
        let entry = BindGroupEntry { binding: 0, resource: 1, offset: 0, size: WHOLE };
        self.stream.create_bind_group(group, "group", layout, &[entry]);
        // Two textures, one read and one written.
        let views = [0, 1].map(|_| {
            let texture = self.make(ObjectKind::Texture);
            let shape = TextureShape {
                usage: 0x0b,
                format: TextureFormat::R32Uint,
                dimension: TextureDimension::D2,
                size: [8, 8, 1],
                mip_levels: 1,
            };
            self.stream.create_texture(texture, &shape, "texture");
            let view = self.make(ObjectKind::TextureView);
            self.stream.create_texture_view(view, texture, &ViewShape::default(), "view");
            BindGroupEntry { binding: 0, resource: view, offset: 0, size: 0 }
        });
        let shader = self.make(ObjectKind::Shader);
        self.stream.create_shader(shader, "shader", SHADERS[8]);
        let pipeline = self.make(ObjectKind::ComputePipeline);
        self.stream.create_compute_pipeline(pipeline, "textures", 0, shader, None, true, [].into_iter());
        let layout = self.make(ObjectKind::BindGroupLayout);
        self.stream.get_bind_group_layout(layout, pipeline, 0);
        let group = self.make(ObjectKind::BindGroup);
        let set = self.make(ObjectKind::QuerySet);
        self.stream.create_query_set(set, QueryKind::Timestamp, 4, "set");
        let results = self.make(ObjectKind::Buffer);
        self.stream.create_buffer(results, 0x20c, 512, false, "results");
        let [read, written] = views;
        self.stream.create_bind_group(group, "", layout, &[read, BindGroupEntry { binding: 1, ..written }]);
    }

    /// One call or command; one that lacks its objects is left out.
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<(), Stop> {
        match byte(input) % 36 {
            32.. => {
                let _ = self.create_texture(input);
                Ok(())
            }
            choice @ 0..18 => {
                let _ = self.create(choice, input);
                Ok(())
            }
            choice @ 18..26 => {
                let _ = self.change(choice, input);
                Ok(())
            }
            choice => self.call(choice, input),
        }
    }

    /// A command that makes an object.
    fn create(&mut self, choice: u8, input: &mut Unstructured<'_>) -> Option<()> {
        let text = pick(input, &TEXTS);
        match choice {
            0 | 1 => {
                let usage = if byte(input) < 128 { pick(input, &USAGES) } else { u32::from(byte(input)) * 5 };
                let id = self.make(ObjectKind::Buffer);
                self.stream.create_buffer(id, usage, pick(input, &SIZES), byte(input) < 40, text);
            }
            2 | 3 => {
                let id = self.make(ObjectKind::Shader);
                self.stream.create_shader(id, text, pick(input, &SHADERS));
            }
            4 | 5 => {
                let automatic = byte(input) < 160;
                let layout = if automatic { 0 } else { self.id(input, ObjectKind::PipelineLayout)? };
                let shader = self.id(input, ObjectKind::Shader)?;
                let values = [("size", f64::from(byte(input) % 80)), ("k", f64::from(byte(input)) / 4.0)];
                let values = values[..usize::from(byte(input) % 3)].iter().copied();
                let entry = Some(text).filter(|text| !text.is_empty());
                let id = self.make(ObjectKind::ComputePipeline);
                self.stream.create_compute_pipeline(id, text, layout, shader, entry, true, values);
            }
            6 => {
                let pipeline = self.id(input, ObjectKind::ComputePipeline)?;
                let id = self.make(ObjectKind::BindGroupLayout);
                self.stream.get_bind_group_layout(id, pipeline, u32::from(byte(input) % 5));
            }
            7 | 8 => {
                let layout = self.id(input, ObjectKind::BindGroupLayout)?;
                let mut entries = Vec::new();
                for binding in 0..u32::from(byte(input) % 3) {
                    let binding = if byte(input) < 240 { binding } else { u32::MAX };
                    entries.push(if byte(input) < 140 {
                        BindGroupEntry {
                            binding,
                            resource: self.id(input, ObjectKind::Buffer)?,
                            offset: pick(input, &OFFSETS),
                            size: if byte(input) < 128 { WHOLE } else { pick(input, &SIZES) },
                        }
                    } else {
                        let resource = self.id(input, ObjectKind::TextureView)?;
                        let size = if byte(input) < 240 { 0 } else { WHOLE };
                        BindGroupEntry { binding, resource, offset: 0, size }
                    });
                }
                let id = self.make(ObjectKind::BindGroup);
                self.stream.create_bind_group(id, text, layout, &entries);
            }
            9 => {
                let kinds = [
                    BindingKind::Storage,
                    BindingKind::ReadOnlyStorage,
                    BindingKind::Uniform,
                    BindingKind::ReadOnlyTexture,
                    BindingKind::WriteOnlyTexture,
                    BindingKind::ReadWriteTexture,
                ];
                let entries: Vec<_> = (0..u32::from(byte(input) % 3))
                    .map(|binding| {
                        let kind = pick(input, &kinds);
                        let texture = kind.is_texture().then(|| TextureBinding {
                            format: format(input),
                            dimension: ViewDimension::from_code(u32::from(byte(input) % 4 + 1))
                                .expect("one of four"),
                        });
                        LayoutEntry {
                            binding: if byte(input) < 240 { binding } else { 5000 },
                            kind,
                            dynamic_offset: texture.is_none() && byte(input) < 80,
                            visible: byte(input) < 200,
                            min_size: match texture {
                                None if byte(input) >= 200 => pick(input, &SIZES),
                                _ => 0,
                            },
                            texture,
                        }
                    })
                    .collect();
                let id = self.make(ObjectKind::BindGroupLayout);
                self.stream.create_bind_group_layout(id, text, &entries);
            }
            10 => {
                let mut groups = Vec::new();
                for _ in 0..byte(input) % 6 {
                    let empty = byte(input) < 60;
                    groups.push(if empty { 0 } else { self.id(input, ObjectKind::BindGroupLayout)? });
                }
                let id = self.make(ObjectKind::PipelineLayout);
                self.stream.create_pipeline_layout(id, text, &groups, u32::from(byte(input) > 250) * 4);
            }
            11 => {
                let kinds = [
                    ObjectKind::Buffer,
                    ObjectKind::BindGroup,
                    ObjectKind::ComputePipeline,
                    ObjectKind::CommandBuffer,
                    ObjectKind::Texture,
                    ObjectKind::TextureView,
                    ObjectKind::QuerySet,
                ];
                let kind = pick(input, &kinds);
                let id = self.make(kind);
                self.stream.create_error(kind, id, pick(input, &CLASSES), text);
            }
            _ => {
                let id = self.make(ObjectKind::CommandBuffer);
                self.stream.begin_commands(id, text);
                for _ in 0..byte(input) % 5 {
                    let _ = self.command(input);
                }
                self.stream.end_commands();
                if byte(input) < 200 {
                    self.forget(id);
                    self.stream.submit(&[id]);
                }
            }
        }
        Some(())
    }

    /// A texture, a view, or a set of queries.
    fn create_texture(&mut self, input: &mut Unstructured<'_>) -> Option<()> {
        if byte(input) < 30 {
            let id = self.make(ObjectKind::QuerySet);
            self.stream.create_query_set(id, QueryKind::Timestamp, pick(input, &TEXTURE_SIZES), "queries");
            return Some(());
        }
        if byte(input) < 128 {
            let shape = TextureShape {
                usage: if byte(input) < 240 { 0x0b } else { u32::from(byte(input)) },
                format: format(input),
                dimension: TextureDimension::from_code(u32::from(byte(input) % 3 + 1)).expect("one of three"),
                size: [0, 1, 2].map(|_| pick(input, &TEXTURE_SIZES)),
                mip_levels: pick(input, &TEXTURE_SIZES),
            };
            let id = self.make(ObjectKind::Texture);
            self.stream.create_texture(id, &shape, "texture");
            return Some(());
        }
        let texture = self.id(input, ObjectKind::Texture)?;
        let count = |input: &mut Unstructured<'_>| (byte(input) < 128).then(|| pick(input, &TEXTURE_SIZES));
        let shape = ViewShape {
            dimension: ViewDimension::from_code(u32::from(byte(input) % 5)),
            base_mip_level: u32::from(byte(input) / 128),
            mip_levels: count(input),
            base_layer: u32::from(byte(input) / 128),
            layers: count(input),
        };
        let id = self.make(ObjectKind::TextureView);
        self.stream.create_texture_view(id, texture, &shape, "view");
        Some(())
    }

    /// A copy from, to or between textures.
    fn copy_texels(&mut self, input: &mut Unstructured<'_>) -> Option<()> {
        let place = |play: &Self, input: &mut Unstructured<'_>| {
            let texture = play.id(input, ObjectKind::Texture)?;
            let mip_level = u32::from(byte(input) / 200);
            let far = byte(input) > 250;
            let origin = [0, 1, 2].map(|_| if far { u32::MAX - 2 } else { u32::from(byte(input) / 100) });
            Some(TexelPlace { texture, mip_level, origin })
        };
        let size = [0, 1, 2].map(|_| pick(input, &TEXTURE_SIZES));
        let from = place(self, input)?;
        if byte(input) < 80 {
            let into = place(self, input)?;
            self.stream.copy_texture(&from, &into, size);
            return Some(());
        }
        let lies = TexelBuffer {
            buffer: self.id(input, ObjectKind::Buffer)?,
            offset: pick(input, &OFFSETS),
            bytes_per_row: pick(input, &ROWS),
            rows_per_image: (byte(input) < 128).then(|| pick(input, &TEXTURE_SIZES)),
        };
        if byte(input) < 128 {
            self.stream.copy_texture_to_buffer(&from, &lies, size);
        } else {
            self.stream.copy_buffer_to_texture(&lies, &from, size);
        }
        Some(())
    }

    /// A command that changes what there is.
    fn change(&mut self, choice: u8, input: &mut Unstructured<'_>) -> Option<()> {
        match choice {
            18 => {
                let id = self.id(input, ObjectKind::CommandBuffer)?;
                self.forget(id);
                self.stream.submit(&[id]);
            }
            19 => {
                let mode = pick(input, &[MapMode::Read, MapMode::Write]);
                let id = self.id(input, ObjectKind::Buffer)?;
                self.stream.map_buffer(id, mode, pick(input, &OFFSETS), pick(input, &SIZES));
            }
            20 => self.stream.unmap_buffer(self.id(input, ObjectKind::Buffer)?),
            21 if byte(input) < 30 => {
                self.stream.destroy_query_set(self.id(input, ObjectKind::QuerySet)?);
            }
            21 if byte(input) < 80 => self.stream.destroy_texture(self.id(input, ObjectKind::Texture)?),
            21 => self.stream.destroy_buffer(self.id(input, ObjectKind::Buffer)?),
            22 => {
                let index = usize::from(byte(input)) % self.objects.len();
                let kind = self.objects[index].take()?;
                self.stream.release(kind, index as u32 + 1);
            }
            23 => {
                self.scopes += 1;
                self.stream.push_error_scope(pick(input, &CLASSES));
            }
            24 => {
                if byte(input) < 250 {
                    self.scopes = self.scopes.checked_sub(1)?;
                }
                self.stream.pop_error_scope();
            }
            _ => {
                let data = [byte(input); 64];
                let length = pick(input, &SIZES).min(64) as usize;
                let id = self.id(input, ObjectKind::Buffer)?;
                self.stream.write_buffer(id, pick(input, &OFFSETS), &data[..length]).expect("short data");
            }
        }
        Some(())
    }

    /// A call of the session.
    fn call(&mut self, choice: u8, input: &mut Unstructured<'_>) -> Result<(), Stop> {
        self.flush()?;
        let buffer = self.id(input, ObjectKind::Buffer).unwrap_or_default();
        let length = |input: &mut Unstructured<'_>| pick(input, &SIZES).min(5000) as usize;
        match choice {
            26 => {
                let data = vec![byte(input); length(input)];
                let answer = self.session.write(buffer, pick(input, &OFFSETS), &data)?;
                self.answers.push(format!("write {answer}"));
            }
            27 | 28 => self.read(buffer, pick(input, &OFFSETS), length(input))?,
            29 => {
                let answer = self.session.wait(i64::from(byte(input) % 6) - 1, 0)?;
                self.answers.push(format!("wait {answer}"));
            }
            30 => {
                self.records()?;
                let mut state = [0; PollState::SIZE];
                let answer = self.session.poll(&mut state)?;
                self.answers.push(format!("poll {answer} {state:?}"));
            }
            _ if byte(input) < 200 => {}
            _ => {
                let answer = self.session.close()?;
                self.answers.push(format!("close {answer}"));
                (self.objects, self.scopes) = (Vec::new(), 0);
                self.open(if byte(input) < 250 { Class::Fast } else { Class::Exact })?;
                self.prelude();
            }
        }
        Ok(())
    }

    /// One command inside a command buffer, or a pass.
    fn command(&mut self, input: &mut Unstructured<'_>) -> Option<()> {
        match byte(input) % 16 {
            10..13 => self.copy_texels(input)?,
            13 => self.stamp(input)?,
            14 => {
                let set = self.id(input, ObjectKind::QuerySet)?;
                let (first, count) = (u32::from(byte(input) / 50), u32::from(byte(input) / 50));
                let buffer = self.id(input, ObjectKind::Buffer)?;
                self.stream.resolve_queries(set, first, count, buffer, pick(input, &OFFSETS));
            }
            0 => {
                let (source, target) =
                    (self.id(input, ObjectKind::Buffer)?, self.id(input, ObjectKind::Buffer)?);
                let (from, to) = (pick(input, &OFFSETS), pick(input, &OFFSETS));
                self.stream.copy_buffer(source, from, target, to, pick(input, &SIZES));
            }
            1 => {
                let id = self.id(input, ObjectKind::Buffer)?;
                self.stream.clear_buffer(id, pick(input, &OFFSETS), pick(input, &SIZES));
            }
            2 => self.stream.push_debug_group("group"),
            3 => self.stream.pop_debug_group(),
            4 if byte(input) < 60 => self.stream.invalidate("by the guest"),
            choice => {
                if choice == 15 {
                    let set = self.id(input, ObjectKind::QuerySet)?;
                    let index = |input: &mut Unstructured<'_>| {
                        (byte(input) < 200).then(|| u32::from(byte(input) / 55))
                    };
                    self.stream.begin_timed_pass(set, index(input), index(input), "timed");
                } else {
                    self.stream.begin_pass("pass");
                }
                for _ in 0..byte(input) % 3 + 1 {
                    let _ = self.work(input);
                }
                self.stream.end_pass();
            }
        }
        Some(())
    }

    fn stamp(&mut self, input: &mut Unstructured<'_>) -> Option<()> {
        let set = self.id(input, ObjectKind::QuerySet)?;
        self.stream.write_timestamp(set, u32::from(byte(input) / 55));
        Some(())
    }

    /// A pipeline, its groups and a dispatch, and a timestamp now and then.
    fn work(&mut self, input: &mut Unstructured<'_>) -> Option<()> {
        if byte(input) < 250 {
            let pipeline = self.id(input, ObjectKind::ComputePipeline)?;
            self.stream.set_pipeline(pipeline);
        }
        for index in 0..u32::from(byte(input) % 3) {
            let group = if byte(input) < 20 { 0 } else { self.id(input, ObjectKind::BindGroup)? };
            let offsets: Vec<u32> = (0..byte(input) / 86).map(|_| u32::from(byte(input)) * 64).collect();
            self.stream.set_bind_group(if byte(input) < 250 { index } else { 9 }, group, &offsets);
        }
        match byte(input) % 4 {
            0 => {
                let id = self.id(input, ObjectKind::Buffer)?;
                self.stream.dispatch_indirect(id, pick(input, &OFFSETS));
            }
            1 => self.stream.dispatch(u32::from(byte(input)) * 300, 1, 1),
            _ => self.stream.dispatch(u32::from(byte(input) % 4), u32::from(byte(input) % 3), 1),
        }
        if byte(input) > 230 {
            self.stamp(input)?;
        }
        Some(())
    }
}

fn byte(input: &mut Unstructured<'_>) -> u8 {
    input.arbitrary().unwrap_or_default()
}

fn format(input: &mut Unstructured<'_>) -> TextureFormat {
    TextureFormat::from_code(u32::from(byte(input) % 16 + 1)).expect("one of sixteen")
}

fn pick<T: Copy>(input: &mut Unstructured<'_>, from: &[T]) -> T {
    from[usize::from(byte(input)) % from.len()]
}
