//! Races between invocations, found on the reference device through sessions.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Guest, QUOTAS};
use fizz_gpu::{Access, Hardware, Quotas, Race, RaceCheck, Races, SharedMemory};
use fizz_gpu_abi::{
    BindGroupEntry, Class, TextureDimension, TextureFormat, TextureShape, ViewShape, texture_usage,
};
use std::sync::Arc;

const EXACT: Quotas = Quotas { class: Class::Exact, ..QUOTAS };

fn watched() -> (Hardware, RaceCheck) {
    let engine = fizz_reference_engine::Wasmtime::new().unwrap();
    let check = RaceCheck::default();
    (Hardware::reference_with_race_check(Arc::new(engine), &check).unwrap(), check)
}

/// Runs a shader's one entry point on buffers; gives the buffers afterwards, and the gas.
fn run_on(hardware: &Hardware, wgsl: &str, counts: [u32; 3], buffers: &[Vec<u32>]) -> (Vec<Vec<u32>>, u64) {
    let mut guest = Guest::with_class(hardware, EXACT, Class::Exact);
    let ids: Vec<u32> = buffers.iter().map(|words| guest.data(words)).collect();
    let shader = guest.shader(wgsl);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &ids);
    guest.dispatch(pipeline, group, counts);
    guest.clean();
    let after = ids.iter().zip(buffers).map(|(id, words)| guest.read(*id, 0, words.len())).collect();
    (after, guest.session.gas())
}

/// The same with races watched.
fn run(wgsl: &str, counts: [u32; 3], buffers: &[Vec<u32>]) -> (Races, Vec<Vec<u32>>) {
    let (hardware, check) = watched();
    let (after, gas) = run_on(&hardware, wgsl, counts, buffers);
    let races = check.races();
    assert!(!races.incomplete);
    // What is watched computes the same.
    let plain = run_on(&common::reference(), wgsl, counts, buffers);
    if races.found.is_empty() {
        assert_eq!((&after, gas), (&plain.0, plain.1));
    }
    (races, after)
}

fn one(races: &Races) -> &Race {
    assert_eq!(races.found.len(), 1, "{races:#?}");
    &races.found[0]
}

/// Line and column of each side, and what it did.
fn places(race: &Race) -> [(u32, u32, Access); 2] {
    race.touches.clone().map(|touch| (touch.line, touch.column, touch.access))
}

#[test]
fn workgroups_that_write_one_word_are_named() {
    let wgsl = "@group(0) @binding(0) var<storage, read_write> sums: array<u32>;
@compute @workgroup_size(4, 2)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
    if (index == 5u) {
        sums[0] = group.x;
    }
}";
    let (races, _) = run(wgsl, [2, 1, 1], &[vec![0; 4]]);
    let race = one(&races);
    assert_eq!(race.memory, SharedMemory::Storage);
    assert_eq!(places(race), [(5, 9, Access::Write); 2]);
    let [first, second] = &race.touches;
    assert_eq!((first.workgroup, second.workgroup), ([0, 0, 0], [1, 0, 0]));
    assert_eq!((first.invocation, second.invocation), ([1, 1, 0], [1, 1, 0]));
    assert_eq!((&*first.variable, &*first.shader), ("sums", "shader"));
    assert_eq!(
        first.to_string(),
        "write of `sums` at shader 'shader', line 5, column 9, by invocation (1, 1, 0) of workgroup (0, 0, 0)"
    );
}

#[test]
fn equal_values_race_too() {
    let wgsl = "@group(0) @binding(0) var<storage, read_write> flag: u32;
@compute @workgroup_size(64) fn main() { flag = 1u; }";
    let (races, after) = run(wgsl, [1, 1, 1], &[vec![0]]);
    assert_eq!(after[0], [1]);
    let race = one(&races);
    assert_eq!(places(race), [(2, 42, Access::Write); 2]);
    assert_eq!([0, 1].map(|side| race.touches[side].invocation), [[0, 0, 0], [1, 0, 0]]);
}

/// A reduction in workgroup memory, with what stands between its steps.
fn reduction(between: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
var<workgroup> other: array<u32, 8>;
var<workgroup> sums: array<u32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3u) {{
    sums[index] = data[group.x * 64u + index];
    workgroupBarrier();
    for (var step = 32u; step > 0u; step /= 2u) {{
        if (index < step) {{
            sums[index] += sums[index + step];
        }}
        {between}
    }}
    if (index == 0u) {{ data[group.x * 64u] = sums[0] + other[1]; }}
}}"
    )
}

#[test]
fn a_missing_barrier_in_a_loop_is_found_and_the_reduction_with_it_is_silent() {
    let (races, after) = run(&reduction("workgroupBarrier();"), [4, 1, 1], &[vec![1; 256]]);
    assert_eq!(races, Races::default());
    assert_eq!(after[0][64], 64);
    for wrong in ["", "storageBarrier();"] {
        let (races, _) = run(&reduction(wrong), [2, 1, 1], &[vec![1; 128]]);
        assert!(!races.found.is_empty());
        for race in &races.found {
            assert_eq!(race.memory, SharedMemory::Workgroup);
            assert!(race.touches.iter().all(|touch| touch.variable == "sums"));
            assert_eq!(race.touches[0].workgroup, race.touches[1].workgroup);
        }
        let pair =
            |race: &Race| race.touches.iter().map(|touch| (touch.line, touch.access)).collect::<Vec<_>>();
        assert!(
            races.found.iter().any(|race| {
                let pair = pair(race);
                pair.contains(&(10, Access::Write)) && pair.contains(&(10, Access::Read))
            }),
            "{races:#?}"
        );
    }
}

#[test]
fn a_barrier_orders_its_own_memory_alone() {
    let shader = |barrier: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(16)
fn main(@builtin(local_invocation_index) index: u32) {{
    data[index] = index;
    {barrier}
    result[index] = data[15u - index];
}}"
        )
    };
    let buffers = [vec![0; 16], vec![0; 16]];
    assert_eq!(run(&shader("storageBarrier();"), [1, 1, 1], &buffers).0, Races::default());
    for wrong in ["", "workgroupBarrier();"] {
        let (races, _) = run(&shader(wrong), [1, 1, 1], &buffers);
        let mut sides = places(one(&races));
        sides.sort_unstable();
        assert_eq!(sides, [(5, 5, Access::Write), (7, 21, Access::Read)]);
    }
    // No barrier orders workgroups.
    let (races, _) = run(&shader("storageBarrier();"), [2, 1, 1], &buffers);
    assert!(!races.found.is_empty());
}

#[test]
fn out_of_bounds_touches_nothing_and_calls_are_looked_into() {
    let wgsl = "@group(0) @binding(0) var<storage, read_write> data: array<f32>;
fn put(at: u32, value: f32) {
    data[at] = sqrt(value);
}
@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
    put(id.x, 4.0);
    put(1000000u, 1.0);
}";
    assert_eq!(run(wgsl, [2, 1, 1], &[vec![0; 64]]).0, Races::default());
    let (races, _) = run(&wgsl.replace("1000000u", "63u"), [2, 1, 1], &[vec![0; 64]]);
    assert_eq!(places(one(&races)), [(3, 5, Access::Write); 2]);
}

#[test]
fn a_histogram_with_atomics_is_silent() {
    let wgsl = "@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>, 16>;
var<workgroup> local: array<atomic<u32>, 16>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) index: u32) {
    atomicAdd(&local[data[id.x] % 16u], 1u);
    workgroupBarrier();
    if (index < 16u) { atomicAdd(&bins[index], atomicLoad(&local[index])); }
}";
    let data: Vec<u32> = (0..256_u32).map(|value| value.wrapping_mul(0x9e37_79b9) >> 7).collect();
    let (races, after) = run(wgsl, [4, 1, 1], &[data.clone(), vec![0; 16]]);
    assert_eq!(races, Races::default());
    assert_eq!(after[1].iter().sum::<u32>(), 256);
}

#[test]
fn tiled_matrix_multiplication_is_silent_unless_a_barrier_is_left_out() {
    let wgsl = "@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> left: array<array<f32, 8>, 8>;
var<workgroup> right: array<array<f32, 8>, 8>;
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) at: vec3u) {
    var sum = 0.0;
    for (var tile = 0u; tile < 4u; tile += 1u) {
        left[at.y][at.x] = a[id.y * 32u + tile * 8u + at.x];
        right[at.y][at.x] = b[(tile * 8u + at.y) * 32u + id.x];
        workgroupBarrier();
        for (var k = 0u; k < 8u; k += 1u) {
            sum += left[at.y][k] * right[k][at.x];
        }
        workgroupBarrier(); // again
    }
    c[id.y * 32u + id.x] = sum;
}";
    let ones = vec![1.0_f32.to_bits(); 1024];
    let buffers = [ones.clone(), ones, vec![0; 1024]];
    let (races, after) = run(wgsl, [4, 4, 1], &buffers);
    assert_eq!(races, Races::default());
    assert!(after[2].iter().all(|value| *value == 32.0_f32.to_bits()));
    let (races, _) = run(&wgsl.replace("workgroupBarrier(); // again", ""), [4, 4, 1], &buffers);
    let lines: Vec<_> = races
        .found
        .iter()
        .map(|race| {
            let mut sides = places(race).map(|(line, column, _)| (line, column));
            sides.sort_unstable();
            sides
        })
        .collect();
    assert_eq!(lines, [[(10, 9), (14, 20)], [(11, 9), (14, 36)]]);
}

#[test]
fn dispatches_are_ordered_and_their_parts_are_not() {
    // One step of a bitonic sort: each dispatch reads what the one before wrote.
    let wgsl = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32, 2>;
@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let other = id.x ^ step[1];
    if (other > id.x) {
        let up = (id.x & step[0]) == 0u;
        let one = data[id.x];
        let two = data[other];
        if ((one > two) == up) {
            data[id.x] = two;
            data[other] = one;
        }
    }
}";
    let sort = |hardware: &Hardware| {
        let mut guest = Guest::with_class(hardware, EXACT, Class::Exact);
        let numbers: Vec<u32> = (0..128_u32).map(|value| value.wrapping_mul(0x9e37_79b9)).collect();
        let data = guest.data(&numbers);
        let shader = guest.shader(wgsl);
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        for (size, step) in (1..=7).flat_map(|log| (0..log).rev().map(move |step| (1 << log, 1 << step))) {
            let step = guest.data(&[size, step]);
            let group = guest.group(layout, &[data, step]);
            guest.dispatch(pipeline, group, [8, 1, 1]);
        }
        guest.clean();
        let sorted = guest.read(data, 0, 128);
        assert!(sorted.is_sorted());
    };
    let (hardware, check) = watched();
    sort(&hardware);
    assert_eq!(check.races(), Races::default());
    // In parts of one workgroup each, a dispatch is still one.
    sort(&hardware.clone().with_slice_gas(1));
    assert_eq!(check.races(), Races::default());
    let racy = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3u) {
    for (var i = 0u; i < 5u; i += 1u) { data[i] += id.x; }
}";
    let (hardware, check) = watched();
    let mut guest = Guest::with_class(&hardware.with_slice_gas(1), EXACT, Class::Exact);
    let data = guest.data(&[0; 8]);
    let shader = guest.shader(racy);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.dispatch(pipeline, group, [3, 2, 1]);
    guest.clean();
    guest.read(data, 0, 1);
    let races = check.races().found;
    assert!(!races.is_empty());
    assert_eq!(races[0].touches[0].workgroup, [0, 0, 0]);
    assert_eq!(races[0].touches[1].workgroup, [1, 0, 0]);
}

#[test]
fn a_uniform_load_stands_between_barriers() {
    let wgsl = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
var<workgroup> most: u32;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) index: u32, @builtin(global_invocation_id) id: vec3u) {
    if (index == 3u) { most = data[id.x]; }
    let read = workgroupUniformLoad(&most);
    if (index == 5u) { most = read + 1u; }
    let again = workgroupUniformLoad(&most);
    data[id.x] = again;
}";
    let (races, after) = run(wgsl, [2, 1, 1], &[(0..64).collect()]);
    assert_eq!(races, Races::default());
    assert_eq!((after[0][0], after[0][63]), (4, 36));
    let (races, _) = run(
        &wgsl.replace("workgroupUniformLoad(&most);\n    if", "most;\n    if"),
        [2, 1, 1],
        &[(0..64).collect()],
    );
    let mut lines: Vec<_> =
        races.found.iter().flat_map(|race| race.touches.clone()).map(|side| side.line).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines, [5, 6, 7]);
}

#[test]
fn invocations_that_leave_a_loop_one_by_one_are_told_apart() {
    // Loops of different lengths run for eight invocations at once.
    let wgsl = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(8, 4, 2)
fn main(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3u) {
    let own = (group.x + 2u * group.y) * 64u + index;
    for (var turn = 0u; turn < index; turn += 1u) {
        data[own] += turn;
        if (turn == 20u && index % 23u == 0u) { data[600] += 1u; }
    }
}";
    let (races, after) = run(&wgsl.replace("data[600] += 1u;", ""), [2, 2, 1], &[vec![0; 601]]);
    assert_eq!(races, Races::default());
    assert_eq!(after[0][63], 62 * 63 / 2);
    let (races, _) = run(wgsl, [1, 2, 1], &[vec![0; 601]]);
    assert!(!races.found.is_empty());
    for race in &races.found {
        for touch in &race.touches {
            assert_eq!((touch.line, &*touch.variable), (7, "data"));
            // Numbers 23 and 46 alone.
            assert!([[7, 2, 0], [6, 1, 1]].contains(&touch.invocation), "{race}");
        }
    }
}

#[test]
fn at_most_sixteen_pairs_are_told_and_always_the_same() {
    let stores: String = (0..40).map(|word| format!("    data[{word}] = id.x;\n")).collect();
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(5)
fn main(@builtin(global_invocation_id) id: vec3u) {{
{stores}}}"
    );
    let (races, _) = run(&wgsl, [3, 1, 1], &[vec![0; 64]]);
    let lines: Vec<u32> = races.found.iter().map(|race| race.touches[0].line).collect();
    assert_eq!(lines, (4..20).collect::<Vec<_>>());
    assert_eq!(run(&wgsl, [3, 1, 1], &[vec![0; 64]]).0, races);
}

/// Races on a texture of 16 × 4 words that a shader reads and writes, in one workgroup.
fn on_texels(body: &str) -> Races {
    on_texels_of(TextureFormat::R32Sint, "r32sint, read_write", body)
}

/// Races on a texture of 16 × 4 texels, in one workgroup.
fn on_texels_of(format: TextureFormat, kind: &str, body: &str) -> Races {
    let (hardware, check) = watched();
    let mut guest = Guest::with_class(&hardware, EXACT, Class::Exact);
    let (texture, view, group) = (guest.id(), guest.id(), guest.id());
    let shape = TextureShape {
        usage: texture_usage::STORAGE_BINDING,
        format,
        dimension: TextureDimension::D2,
        size: [16, 4, 1],
        mip_levels: 1,
    };
    guest.stream.create_texture(texture, &shape, "texels");
    guest.stream.create_texture_view(view, texture, &ViewShape::default(), "view");
    let shader = guest.shader(&format!(
        "@group(0) @binding(0) var t: texture_storage_2d<{kind}>;
@compute @workgroup_size(16, 4) fn main(@builtin(local_invocation_id) id: vec3u) {{
{body}
}}"
    ));
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let bound = BindGroupEntry { binding: 0, resource: view, offset: 0, size: 0 };
    guest.stream.create_bind_group(group, "group", layout, &[bound]);
    guest.dispatch(pipeline, group, [1, 1, 1]);
    guest.clean();
    guest.session.close().unwrap();
    check.races()
}

#[test]
fn texels_race_unless_a_barrier_of_textures_stands_between() {
    let shift = |between: &str| {
        on_texels(&format!(
            "textureStore(t, id.xy, vec4i(i32(id.x)));
             {between}
             let value = textureLoad(t, vec2i(id.xy) - vec2(1, 0));
             {between}
             textureStore(t, id.xy, value);"
        ))
    };
    assert_eq!(shift("textureBarrier();"), Races::default());
    for wrong in ["", "storageBarrier();", "workgroupBarrier();"] {
        let races = shift(wrong);
        assert!(!races.found.is_empty(), "{wrong}");
        for race in &races.found {
            assert_eq!(race.memory, SharedMemory::Texture);
            assert!(race.touches.iter().all(|touch| touch.variable == "t"));
        }
    }
    // Outside of the texture nothing is touched.
    assert_eq!(on_texels("textureStore(t, vec2(-1, 0), vec4i());"), Races::default());
    let race = on_texels("textureStore(t, vec2(id.y, 0u), vec4i());");
    assert_eq!(places(one(&race)), [(3, 1, Access::Write); 2]);
    // Texels of several words, beside each other and on each other.
    for (format, name) in
        [(TextureFormat::Rgba32Float, "rgba32float"), (TextureFormat::Rg32Float, "rg32float")]
    {
        let kind = format!("{name}, write");
        let races = on_texels_of(format, &kind, "textureStore(t, id.xy, vec4f(1));");
        assert_eq!(races, Races::default(), "{name}");
        let race = on_texels_of(format, &kind, "textureStore(t, id.xy / vec2(2, 1), vec4f(1));");
        assert_eq!(places(one(&race)), [(3, 1, Access::Write); 2], "{name}");
    }
}
