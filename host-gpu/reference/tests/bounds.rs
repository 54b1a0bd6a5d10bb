//! Out of bounds in every way: loads give zero, stores and atomics do nothing, and nothing else is touched.
//!
//! What lies around buffers, arguments and scratch is looked at after each run, by [`common`].
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{run, words};

/// Indices around the ends of arrays and of memory.
const WILD: [u32; 20] = [
    0,
    1,
    4,
    5,
    6,
    7,
    8,
    9,
    12,
    63,
    64,
    65,
    0x3fff_ffff,
    0x4000_0000,
    0x4000_0001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffc,
    0xffff_fffe,
    0xffff_ffff,
];

/// Ways to have an index: one for each invocation, one for all, and rows across the end.
const INDICES: [&str; 4] =
    ["input[id.x % 20u]", "input[group.x % 20u]", "input[group.x % 20u] + local", "input[id.x % 20u] * 3u"];

fn index(way: usize, id: u32) -> u32 {
    let (local, group) = (id % 8, id / 8);
    match way {
        0 => WILD[id as usize % 20],
        1 => WILD[group as usize % 20],
        2 => WILD[group as usize % 20].wrapping_add(local),
        _ => WILD[id as usize % 20].wrapping_mul(3),
    }
}

fn shader(declarations: &str, way: usize, body: &str) -> String {
    format!(
        "struct Item {{ a: vec3f, b: array<u32, 3> }}
        @group(0) @binding(0) var<storage> input: array<u32>;
        @group(0) @binding(1) var<storage, read_write> out: array<u32>;
        {declarations}
        @compute @workgroup_size(8)
        fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {{
            let at = {};
            {body}
        }}",
        INDICES[way]
    )
}

#[test]
fn loads_give_zero() {
    let data: Vec<u32> = (0..64).map(|n| n + 1000).collect();
    let more = "@group(0) @binding(2) var<storage> data: array<u32>; @group(0) @binding(3) var<storage, read_write> items: array<Item>;
        @group(0) @binding(4) var<uniform> table: array<vec4u, 4>; var<workgroup> shared_data: array<u32, 6>;";
    for way in 0..INDICES.len() {
        let body = "if (local < 6u) { shared_data[local] = local + 50u; } workgroupBarrier();
            out[id.x * 5u] = data[at]; out[id.x * 5u + 1u] = items[at].b[at % 5u]; out[id.x * 5u + 2u] = table[at].y;
            out[id.x * 5u + 3u] = shared_data[at]; out[id.x * 5u + 4u] = data[at] + arrayLength(&items);";
        let given = [
            words(0, &WILD),
            words(1, &[7; 160 * 5]),
            words(2, &data[..7]),
            words(3, &data),
            words(4, &data[..16]),
        ];
        let out = run(&shader(more, way, body), [20, 1, 1], &given);
        let out = out[1].words();
        for id in 0..160 {
            let at = index(way, id) as usize;
            let of = |index: usize, len: usize, value: u32| if index < len { value } else { 0 };
            // An item is 32 bytes: 8 words.
            let inner = at % 5;
            let expected = [
                of(at, 7, 1000 + at as u32),
                if at < 8 && inner < 3 { 1000 + at as u32 * 8 + 3 + inner as u32 } else { 0 },
                of(at, 4, 1001 + at as u32 * 4),
                of(at, 6, 50 + at as u32),
                of(at, 7, 1000 + at as u32) + 8,
            ];
            assert_eq!(out[id as usize * 5..][..5], expected, "way {way}, index {at:#x}");
        }
    }
}

#[test]
fn stores_and_atomics_do_nothing() {
    let more = "@group(0) @binding(2) var<storage, read_write> data: array<u32>; @group(0) @binding(3) var<storage, read_write> items: array<Item, 2>;
        @group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>>; var<workgroup> shared_data: array<u32, 6>; var<workgroup> shared_counts: array<atomic<u32>, 5>;";
    for way in 0..INDICES.len() {
        for guard in ["true", "local != 3u"] {
            let body = format!(
                "if ({guard}) {{ data[at] = at + 1u; items[at].b[at] = 9u; items[at].a = vec3f(1.0); shared_data[at] = 3u;
                    atomicAdd(&counts[at], 1u); atomicMax(&shared_counts[at], 5u); }}
                workgroupBarrier();
                out[id.x] = shared_data[local % 6u] + atomicLoad(&shared_counts[local % 5u]);"
            );
            let given = [
                words(0, &WILD),
                words(1, &[7; 160]),
                words(2, &[0; 7]),
                words(3, &[0; 16]),
                words(4, &[0; 9]),
            ];
            let after = run(&shader(more, way, &body), [20, 1, 1], &given);
            let (mut data, mut items, mut counts) = ([0_u32; 7], [0_u32; 16], [0_u32; 9]);
            for id in 0..160 {
                if guard != "true" && id % 8 == 3 {
                    continue;
                }
                let at = index(way, id) as usize;
                if at < 7 {
                    data[at] = at as u32 + 1;
                }
                if at < 2 {
                    items[at * 8 + 3 + at] = 9;
                    items[at * 8..][..3].fill(1_f32.to_bits());
                }
                if at < 9 {
                    counts[at] += 1;
                }
            }
            assert_eq!(after[2].words(), data, "way {way}");
            assert_eq!(after[3].words(), items, "way {way}");
            assert_eq!(after[4].words(), counts, "way {way}");
        }
    }
}

#[test]
fn variables_clamp() {
    for way in 0..INDICES.len() {
        let body = "var a = array<u32, 5>(10u, 11u, 12u, 13u, 14u); a[at] += 100u; var v = vec3u(1u, 2u, 3u); v[at] = 9u;
            var m: array<array<u32, 3>, 4>; m[at][local] = 77u; var sum = 0u;
            for (var i = 0u; i < 5u; i++) { sum = sum * 2u + a[i]; }
            for (var i = 0u; i < 12u; i++) { sum = sum * 3u + m[i / 3u][i % 3u]; }
            out[id.x] = sum + v.x + v.y * 100u + v.z * 10000u + a[at] * 1000000u;";
        let out = run(&shader("", way, body), [20, 1, 1], &[words(0, &WILD), words(1, &[7; 160])]);
        for (id, found) in out[1].words().into_iter().enumerate() {
            let at = index(way, id as u32) as usize;
            let (mut a, mut v, mut m) = ([10_u32, 11, 12, 13, 14], [1_u32, 2, 3], [[0_u32; 3]; 4]);
            a[at.min(4)] += 100;
            v[at.min(2)] = 9;
            m[at.min(3)][(id % 8).min(2)] = 77;
            let sum = a.iter().fold(0_u32, |sum, value| sum.wrapping_mul(2).wrapping_add(*value));
            let sum = m.iter().flatten().fold(sum, |sum, value| sum.wrapping_mul(3).wrapping_add(*value));
            let vector = v[0].wrapping_add(v[1] * 100).wrapping_add(v[2] * 10000);
            let expected = sum.wrapping_add(vector).wrapping_add(a[at.min(4)].wrapping_mul(1_000_000));
            assert_eq!(found, expected, "way {way}, index {at:#x}");
        }
    }
}

#[test]
fn bindings_too_small_end_the_run() {
    let wgsl = "struct Big { a: array<u32, 100>, b: array<u32> } @group(0) @binding(0) var<storage, read_write> big: Big;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { big.a[id.x] = 1u; big.b[id.x] = 2u; }";
    for bytes in [0, 1, 99, 100, 101, 120] {
        let out = run(wgsl, [3, 1, 1], &[words(0, &vec![0; bytes])]);
        let expected: Vec<u32> = (0..bytes)
            .map(|at| {
                if bytes < 100 {
                    0
                } else if at < 100 {
                    1
                } else {
                    2
                }
            })
            .collect();
        assert_eq!(out[0].words(), expected, "{bytes} words");
    }
}
