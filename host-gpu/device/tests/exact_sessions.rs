//! Sessions of the class exact: what `wgpu` does not check for them, and equal answers on every device.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use common::{DOUBLE, Guest, QUOTAS};
use fizz_gpu::{Hardware, Quotas, Sessions};
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Class, LayoutEntry, OpenRequest, QueryKind, RecordKind,
    TextureBinding, TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape, WHOLE, features,
    status, texture_usage, usage,
};

/// A name, and what a guest does.
type Script<'s> = (&'s str, &'s dyn Fn(&mut Guest) -> String);

const EXACT: Quotas = Quotas { class: Class::Exact, ..QUOTAS };

/// Every device here that computes exactly.
fn devices() -> Vec<(&'static str, Hardware)> {
    let driver = common::hardware().map(|hardware| ("the driver", hardware.unproven().unwrap()));
    driver.into_iter().chain([("the reference", common::reference())]).collect()
}

/// Everything that a guest can see: what each script says, records, and gas.
fn told(device: &Hardware, scripts: &[Script<'_>]) -> String {
    let mut lines = Vec::new();
    for (name, script) in scripts {
        let mut guest = Guest::with_class(device, EXACT, Class::Job);
        println!("script: {name}");
        let said = script(&mut guest);
        let records = guest.records();
        for record in &records {
            assert_ne!(record.kind, RecordKind::Scope);
            lines.push(format!("{name}: {}", record.text));
        }
        lines.push(format!("{name}: {said}, gas {}", guest.session.gas()));
        assert_eq!(guest.session.close(), Ok(status::OK));
    }
    lines.join("\n")
}

fn entry(binding: u32, kind: BindingKind, min_size: u64) -> LayoutEntry {
    LayoutEntry { binding, kind, dynamic_offset: false, visible: true, min_size, texture: None }
}

/// A pipeline with a layout of one group.
fn explicit(guest: &mut Guest, wgsl: &str, entries: &[LayoutEntry]) -> (u32, u32) {
    let (group, layout) = (guest.id(), guest.id());
    guest.stream.create_bind_group_layout(group, "layout", entries);
    guest.stream.create_pipeline_layout(layout, "pipelines", &[group], 0);
    let shader = guest.shader(wgsl);
    (guest.pipeline(layout, shader), group)
}

/// Runs a shader on words of an automatic layout and says what they are then.
fn compute(guest: &mut Guest, wgsl: &str, words: &[u32], workgroups: [u32; 3]) -> String {
    let data = guest.data(words);
    let shader = guest.shader(wgsl);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.dispatch(pipeline, group, workgroups);
    format!("{:x?}", guest.read(data, 0, words.len()))
}

const FLOATS: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<f32>;
    @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) {
        let x = data[id.x];
        data[id.x] = x * x + data[id.x + 100u] - x * 0.1;
    }";

const COUNTING: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
        var n = data[id.x];
        while (n > 1u) { n = select(n / 2u, 3u * n + 1u, n % 2u == 1u); data[id.x] += 1u; }
    }";

const TEXTURE: &str = "
    @group(0) @binding(0) var picture: texture_storage_2d<rgba8uint, write>;
    @compute @workgroup_size(4, 4) fn main(@builtin(global_invocation_id) id: vec3u) {
        textureStore(picture, id.xy, vec4(id.x, id.y, 7u, 300u));
    }";

const TWO: &str = "
    @group(0) @binding(0) var<storage> input: array<vec4<u32>>;
    @group(0) @binding(3) var<storage, read_write> output: array<u32>;
    @group(2) @binding(1) var<uniform> add: vec3<u32>;
    @compute @workgroup_size(1) fn main() { output[0] = input[0].w + add.z; }";

fn works(guest: &mut Guest) -> String {
    let doubled = compute(guest, DOUBLE, &[1, 2, 3], [1, 1, 1]);
    let bits = [0x3f80_0001, 1, 0x7f80_0001, 0x8000_0000].map(|bits: u32| bits);
    let floats = compute(guest, FLOATS, &bits, [1, 1, 1]);
    let counted = compute(guest, COUNTING, &[27; 16], [2, 1, 1]);
    format!("{doubled} {floats} {counted}")
}

fn textures(guest: &mut Guest) -> String {
    let (texture, view) = (guest.id(), guest.id());
    let shape = TextureShape {
        usage: texture_usage::STORAGE_BINDING | texture_usage::COPY_SRC,
        format: TextureFormat::Rgba8Uint,
        dimension: TextureDimension::D2,
        size: [4, 4, 1],
        mip_levels: 1,
    };
    guest.stream.create_texture(texture, &shape, "picture");
    let all = ViewShape { dimension: None, base_mip_level: 0, mip_levels: None, base_layer: 0, layers: None };
    guest.stream.create_texture_view(view, texture, &all, "view");
    let shader = guest.shader(TEXTURE);
    let pipeline = guest.pipeline(0, shader);
    let (layout, group) = (guest.auto_layout(pipeline), guest.id());
    let bound = BindGroupEntry { binding: 0, resource: view, offset: 0, size: 0 };
    guest.stream.create_bind_group(group, "texels", layout, &[bound]);
    guest.dispatch(pipeline, group, [1, 1, 1]);
    let target = guest.buffer(usage::COPY_DST | usage::COPY_SRC, 1024);
    guest.submit(|to| {
        let from = fizz_gpu_abi::TexelPlace { texture, mip_level: 0, origin: [0; 3] };
        let into = fizz_gpu_abi::TexelBuffer {
            buffer: target,
            offset: 0,
            bytes_per_row: Some(256),
            rows_per_image: None,
        };
        to.copy_texture_to_buffer(&from, &into, [4, 4, 1]);
    });
    format!("{:x?} {:x?}", guest.read(target, 0, 4), guest.read(target, 768, 4))
}

/// Layouts that do not fit a shader, each in its own way.
fn misfits(guest: &mut Guest) -> String {
    let good = [entry(0, BindingKind::ReadOnlyStorage, 0), entry(3, BindingKind::Storage, 0)];
    let uniform = entry(1, BindingKind::Uniform, 0);
    let (first, second, none) = (guest.id(), guest.id(), guest.id());
    guest.stream.create_bind_group_layout(first, "first", &good);
    guest.stream.create_bind_group_layout(second, "second", &[uniform]);
    guest.stream.create_bind_group_layout(none, "none", &[]);
    let shader = guest.shader(TWO);
    let try_groups = |guest: &mut Guest, groups: &[u32]| {
        let layout = guest.id();
        guest.stream.create_pipeline_layout(layout, "pipelines", groups, 0);
        guest.pipeline(layout, shader);
    };
    try_groups(guest, &[first, 0, second]);
    try_groups(guest, &[first, none, second]);
    try_groups(guest, &[first]);
    try_groups(guest, &[second, none, second]);
    for change in [
        entry(3, BindingKind::ReadOnlyStorage, 0),
        entry(3, BindingKind::Uniform, 0),
        entry(3, BindingKind::Storage, 2),
        LayoutEntry { visible: false, ..good[1] },
        LayoutEntry {
            texture: Some(TextureBinding { format: TextureFormat::R32Uint, dimension: ViewDimension::D2 }),
            ..entry(3, BindingKind::ReadOnlyTexture, 0)
        },
    ] {
        let changed = guest.id();
        guest.stream.create_bind_group_layout(changed, "changed", &[good[0], change]);
        try_groups(guest, &[changed, none, second]);
    }
    let texture = |format, dimension| LayoutEntry {
        texture: Some(TextureBinding { format, dimension }),
        ..entry(0, BindingKind::WriteOnlyTexture, 0)
    };
    explicit(guest, TEXTURE, &[texture(TextureFormat::Rgba8Uint, ViewDimension::D2)]);
    explicit(guest, TEXTURE, &[texture(TextureFormat::Rgba8Sint, ViewDimension::D2)]);
    explicit(guest, TEXTURE, &[texture(TextureFormat::Rgba8Uint, ViewDimension::D2Array)]);
    let reads = LayoutEntry {
        kind: BindingKind::ReadOnlyTexture,
        ..texture(TextureFormat::Rgba8Uint, ViewDimension::D2)
    };
    explicit(guest, TEXTURE, &[reads]);
    "misfits".to_owned()
}

/// Bind groups and pipelines that made layouts of their own.
fn automatic(guest: &mut Guest) -> String {
    let shader = guest.shader(DOUBLE);
    let (one, other) = (guest.pipeline(0, shader), guest.pipeline(0, shader));
    let (of_one, again) = (guest.auto_layout(one), guest.auto_layout(one));
    let (plain, plain_layout) = explicit(guest, DOUBLE, &[entry(0, BindingKind::Storage, 4)]);
    let data = guest.data(&[5]);
    let (group, same) = (guest.group(of_one, &[data]), guest.group(again, &[data]));
    let plain_group = guest.group(plain_layout, &[data]);
    for (pipeline, group) in
        [(one, group), (one, same), (other, group), (plain, group), (one, plain_group), (plain, plain_group)]
    {
        guest.dispatch(pipeline, group, [1, 1, 1]);
    }
    // A group in which nothing is bound fits whatever it is of, and the layout cannot be another pipeline's.
    let (empty, above, layout) = (guest.id(), guest.id(), guest.id());
    guest.stream.get_bind_group_layout(empty, one, 3);
    guest.stream.get_bind_group_layout(above, one, 4);
    guest.stream.create_pipeline_layout(layout, "stolen", &[of_one], 0);
    let nothing = guest.group(empty, &[]);
    guest.submit(|to| {
        to.begin_pass("");
        to.set_pipeline(other);
        to.set_bind_group(3, nothing, &[]);
        to.dispatch(1, 1, 1);
        to.end_pass();
    });
    // Its layout fits the words, and not what the shader wants of them.
    let texel = explicit(guest, TWO, &[]);
    guest.stream.get_bind_group_layout(1000, texel.0, 0);
    format!("{:?}", guest.read(data, 0, 1))
}

/// Sizes that are looked at when dispatching.
fn sizes(guest: &mut Guest) -> String {
    const LONG: &str = "
        struct Tail { head: vec4<u32>, tail: array<u32> }
        @group(0) @binding(2) var<storage, read_write> data: Tail;
        @compute @workgroup_size(1) fn main() { data.tail[0] = arrayLength(&data.tail); }";
    let late = entry(2, BindingKind::Storage, 0);
    let (pipeline, layout) = explicit(guest, LONG, &[late]);
    let moving = LayoutEntry { dynamic_offset: true, ..late };
    let (moves, moves_layout) = explicit(guest, LONG, &[moving]);
    let early = explicit(guest, LONG, &[entry(2, BindingKind::Storage, 20)]);
    let data = guest.data(&[0; 128]);
    let mut said = Vec::new();
    for (offset, size) in [(0, 20), (0, 16), (256, WHOLE), (0, 36), (256, 16)] {
        for (layout, pipeline, offsets) in
            [(layout, pipeline, &[][..]), (moves_layout, moves, &[0][..]), (early.1, early.0, &[][..])]
        {
            let group = guest.id();
            let bound = BindGroupEntry { binding: 2, resource: data, offset, size };
            guest.stream.create_bind_group(group, "group", layout, &[bound]);
            guest.submit(|to| {
                to.begin_pass("");
                to.set_pipeline(pipeline);
                to.set_bind_group(0, group, offsets);
                to.dispatch(1, 1, 1);
                to.end_pass();
            });
            said.push(guest.read(data, offset, 5)[4]);
        }
    }
    // The same where the counts are read from a buffer; and nothing at all is bound.
    let counts = guest.buffer(usage::INDIRECT | usage::COPY_DST, 12);
    let short = guest.id();
    let bound = BindGroupEntry { binding: 2, resource: data, offset: 0, size: 16 };
    guest.stream.create_bind_group(short, "short", layout, &[bound]);
    for group in [short, 0] {
        guest.submit(|to| {
            to.begin_pass("");
            to.set_pipeline(pipeline);
            to.set_bind_group(0, group, &[]);
            to.dispatch_indirect(counts, 0);
            to.end_pass();
        });
    }
    format!("{said:?}")
}

fn timestamps(guest: &mut Guest) -> String {
    let set = guest.id();
    guest.stream.create_query_set(set, QueryKind::Timestamp, 2, "times");
    let data = guest.data(&[27; 16]);
    let into = guest.buffer(usage::QUERY_RESOLVE | usage::COPY_SRC, 256);
    let shader = guest.shader(COUNTING);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.submit(|to| to.write_timestamp(set, 0));
    guest.dispatch(pipeline, group, [2, 1, 1]);
    guest.submit(|to| {
        to.write_timestamp(set, 1);
        to.resolve_queries(set, 0, 2, into, 0);
    });
    format!("{:x?}", guest.read(into, 0, 4))
}

fn limits(guest: &mut Guest) -> String {
    let many = |count: usize| {
        let variables = (0..count)
            .map(|n| format!("@group(0) @binding({n}) var<storage, read_write> v{n}: array<u32>;\n"));
        let uses = (0..count).map(|n| format!("v{n}[0] = 1u;\n"));
        let (variables, uses): (String, String) = (variables.collect(), uses.collect());
        format!("{variables} @compute @workgroup_size(1) fn main() {{ {uses} }}")
    };
    for wgsl in [
        many(8),
        many(9),
        "@compute @workgroup_size(257) fn main() {}".to_owned(),
        "@group(4) @binding(0) var<storage, read_write> v: array<u32>;
         @compute @workgroup_size(1) fn main() { v[0] = 1u; }"
            .to_owned(),
    ] {
        let shader = guest.shader(&wgsl);
        guest.pipeline(0, shader);
    }
    "limits".to_owned()
}

/// Bytes that are bound twice, once to be written.
fn shared(guest: &mut Guest) -> String {
    let shader = guest.shader(
        "@group(0) @binding(0) var<storage, read_write> a: array<u32>;
         @group(0) @binding(1) var<storage, read> b: array<u32>;
         @group(0) @binding(2) var<storage, read> c: array<u32>;
         @compute @workgroup_size(1) fn main() { a[0] = b[0] + c[0]; }",
    );
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let (one, two) = (guest.data(&[1; 256]), guest.data(&[2; 256]));
    let places = [
        [(one, 0, 16), (two, 0, 16), (two, 0, WHOLE)],
        [(one, 0, 256), (one, 256, 256), (two, 0, 16)],
        [(one, 0, 260), (one, 256, 256), (two, 0, 16)],
        [(one, 256, 16), (two, 0, 16), (one, 0, WHOLE)],
        [(one, 0, WHOLE), (one, 0, WHOLE), (one, 0, WHOLE)],
    ];
    for bound in places {
        let group = guest.id();
        let entries: Vec<_> = (0..)
            .zip(bound)
            .map(|(binding, (resource, offset, size))| BindGroupEntry { binding, resource, offset, size })
            .collect();
        guest.stream.create_bind_group(group, "group", layout, &entries);
        guest.dispatch(pipeline, group, [1, 1, 1]);
    }
    // What the layout hides from the shader, it cannot write to.
    let hidden = LayoutEntry { visible: false, ..entry(1, BindingKind::Storage, 0) };
    let (pipeline, layout) = explicit(guest, DOUBLE, &[entry(0, BindingKind::Storage, 0), hidden]);
    let group = guest.group(layout, &[one, one]);
    guest.dispatch(pipeline, group, [1, 1, 1]);
    // Another layout says other things of what the shader does not use.
    for other in [BindingKind::ReadOnlyStorage, BindingKind::Uniform] {
        let layout = guest.id();
        let entries = [entry(0, BindingKind::Storage, 0), LayoutEntry { kind: other, ..hidden }];
        guest.stream.create_bind_group_layout(layout, "other", &entries);
        let data = guest.buffer(usage::STORAGE | usage::UNIFORM, 256);
        let group = guest.group(layout, &[one, data]);
        guest.dispatch(pipeline, group, [1, 1, 1]);
    }
    format!("{:x?}", guest.read(one, 0, 1))
}

/// Texels that two bindings have in common.
fn shared_texels(guest: &mut Guest) -> String {
    let shader = guest.shader(
        "@group(0) @binding(0) var a: texture_storage_2d<r32float, write>;
         @group(0) @binding(1) var b: texture_storage_2d<r32float, write>;
         @compute @workgroup_size(1) fn main() {
             textureStore(a, vec2u(), vec4f(1)); textureStore(b, vec2u(), vec4f(2));
         }",
    );
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let shape = TextureShape {
        usage: texture_usage::STORAGE_BINDING,
        format: TextureFormat::R32Float,
        dimension: TextureDimension::D2,
        size: [4, 4, 2],
        mip_levels: 2,
    };
    let (one, other) = (guest.id(), guest.id());
    guest.stream.create_texture(one, &shape, "one");
    guest.stream.create_texture(other, &TextureShape { format: TextureFormat::R32Uint, ..shape }, "other");
    let mut view = |texture, base_mip_level, base_layer| {
        let dimension = Some(ViewDimension::D2);
        let (mip_levels, layers) = (Some(1), None);
        let seen = ViewShape { dimension, base_mip_level, mip_levels, base_layer, layers };
        let id = guest.id();
        guest.stream.create_texture_view(id, texture, &seen, "view");
        id
    };
    let (first, again, level, layer) = (view(one, 0, 0), view(one, 0, 0), view(one, 1, 0), view(one, 0, 1));
    let words = view(other, 0, 0);
    for pair in [[first, level], [level, layer], [layer, first], [first, again], [first, words]] {
        let group = guest.id();
        let entries: Vec<_> = (0..)
            .zip(pair)
            .map(|(binding, resource)| BindGroupEntry { binding, resource, offset: 0, size: 0 })
            .collect();
        guest.stream.create_bind_group(group, "group", layout, &entries);
        guest.dispatch(pipeline, group, [1, 1, 1]);
    }
    "shared".to_owned()
}

/// More than the reference device compiles, though a driver might: refused by both.
fn large(guest: &mut Guest) -> String {
    for lines in [1000, 6000] {
        let lines = "x = sin(x) + pow(x, 1.5);\n".repeat(lines);
        let shader = guest.shader(&format!(
            "@group(0) @binding(0) var<storage, read_write> v: array<f32>;
             @compute @workgroup_size(1) fn main() {{ var x = v[0]; {lines} v[0] = x; }}"
        ));
        guest.pipeline(0, shader);
    }
    "large".to_owned()
}

#[test]
fn every_device_answers_alike() {
    let scripts: &[Script<'_>] = &[
        ("works", &works),
        ("textures", &textures),
        ("misfits", &misfits),
        ("automatic", &automatic),
        ("sizes", &sizes),
        ("timestamps", &timestamps),
        ("limits", &limits),
        ("large", &large),
        ("shared", &shared),
        ("shared texels", &shared_texels),
    ];
    let mut devices = devices().into_iter().map(|(name, device)| (name, told(&device, scripts)));
    let Some((_, first)) = devices.next() else { return };
    insta::assert_snapshot!(first);
    for (name, other) in devices {
        assert_eq!(first, other, "{name}");
    }
}

#[test]
fn the_jobs_class_decides_what_a_session_is() {
    for (_, device) in devices() {
        let open = |job: Class, asked: Class, wanted: u64| {
            let mut session = device.session(&Quotas { class: job, ..QUOTAS }).unwrap();
            let mut caps = [0; Caps::SIZE];
            let request = OpenRequest { features: wanted, ..OpenRequest::new(asked) };
            match session.open(&request.to_bytes(), &mut caps).unwrap() {
                answer if answer < 0 => Err(answer),
                _ => Ok(Caps::from_bytes(&caps).unwrap()),
            }
        };
        for asked in [Class::Job, Class::Exact] {
            let caps = open(Class::Exact, asked, 0).unwrap();
            assert_eq!(caps.class, Class::Exact.code());
        }
        assert_eq!(open(Class::Exact, Class::Fast, 0), Err(status::UNSUPPORTED));
        let known = features::STORAGE_TEXTURES | features::TIMESTAMPS | features::INDIRECT_DISPATCH;
        assert_eq!(open(Class::Exact, Class::Job, known).unwrap().features, known);
        assert_eq!(open(Class::Exact, Class::Job, features::IMMEDIATES), Err(status::UNSUPPORTED));
        assert_eq!(open(Class::Fast, Class::Exact, 0).unwrap().class, Class::Exact.code());
    }
}

#[test]
fn what_is_not_exact_says_where_and_what_to_do() {
    const WGSL: &str = "
        @group(0) @binding(0) var<storage, read_write> data: array<atomic<u32>>;
        fn folded() -> f32 {
            return exp(2.5);
        }
        @compute @workgroup_size(1) fn bad() { atomicStore(&data[0], bitcast<u32>(folded())); }
        @compute @workgroup_size(1) fn good() { atomicStore(&data[0], 7u); }";
    for (_, device) in devices() {
        let mut guest = Guest::with_class(&device, EXACT, Class::Job);
        // The shader itself is good, and so is its other entry point.
        let shader = guest.shader(WGSL);
        guest.clean();
        let (good, bad) = (guest.id(), guest.id());
        guest.stream.create_compute_pipeline(good, "good", 0, shader, Some("good"), true, [].into_iter());
        guest.clean();
        guest.stream.create_compute_pipeline(bad, "bad", 0, shader, Some("bad"), true, [].into_iter());
        let text = guest.invalid();
        for part in [
            "entry point 'bad' of shader 'shader' is not exact",
            "exp",
            "line 4, column 20",
            "--gpu-class fast",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
