//! Indices out of bounds: zero from memory that invocations share, nothing done to it, the last element of an invocation's own.

use crate::gpu::{self, MODES, gpu};
use fizz_shader::exact::{Modes, Native};

/// Indices that a shader is given: within, at the end, far out, and negative ones.
const INDICES: [u32; 10] = [0, 1, 2, 3, 4, 7, 8, 1000, 0x8000_0000, u32::MAX];

/// Runs `body` for each index `u` (and `i`, its bits) and gives what it left in `output`, a word for each, and in `data`.
#[track_caller]
fn run(body: &str) -> Option<(Vec<u32>, Vec<u32>)> {
    let gpu = gpu()?;
    let touch = "atomicAdd(&counts[0], 0u);";
    let wgsl = format!(
        "struct Inner {{ v: vec4<u32>, n: array<u32, 4> }}
         @group(0) @binding(0) var<storage> indices: array<u32>;
         @group(0) @binding(1) var<storage, read_write> output: array<u32>;
         @group(0) @binding(2) var<storage, read_write> data: array<u32>;
         @group(0) @binding(3) var<storage, read_write> fixed: array<Inner, 4>;
         @group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>, 4>;
         @group(0) @binding(5) var<storage, read_write> matrix: mat4x4<f32>;
         var<workgroup> tile: array<array<u32, 4>, 3>;
         var<workgroup> shared_counts: array<atomic<u32>, 4>;
         var<private> mine: array<u32, 4>;
         @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3<u32>) {{
             let u = indices[id.x];
             let i = bitcast<i32>(u);
             for (var k = 0u; k < 12u; k++) {{ tile[k / 4u][k % 4u] = 100u + k; }}
             for (var k = 0u; k < 4u; k++) {{ mine[k] = 200u + k; atomicStore(&shared_counts[k], 300u + k); }}
             // So that all bindings are in the layout.
             output[id.x] = data[0] + fixed[0].v.x + u32(matrix[0][0]);
             {touch}
             {body}
         }}"
    );
    let module = gpu::lowered(&wgsl, &Native::NONE);
    let pipeline = gpu.pipeline(&module, &MODES);
    let count = INDICES.len();
    let fixed = (0..32).map(|word| 10 + word).collect();
    let matrix = (0..16_u8).map(|word| f32::from(word).to_bits()).collect();
    let buffers = [INDICES.to_vec(), vec![9; count], vec![50, 51, 52, 53], fixed, vec![0; 4], matrix];
    let left = gpu.run(&pipeline, &buffers, count as u32);
    let rest = left[2..].concat();
    Some((left[1].clone(), rest))
}

/// What is loaded is this word where the index is below `length`, and 0 elsewhere.
#[track_caller]
fn zero_outside(body: &str, length: u32, within: impl Fn(u32) -> u32) {
    let Some((output, _)) = run(body) else { return };
    let wanted: Vec<u32> = INDICES.iter().map(|u| if *u < length { within(*u) } else { 0 }).collect();
    assert_eq!(output, wanted, "{body}");
}

/// What is loaded is that of the last place outside.
#[track_caller]
fn last_outside(body: &str, length: u32, within: impl Fn(u32) -> u32) {
    let Some((output, _)) = run(body) else { return };
    let wanted: Vec<u32> = INDICES.iter().map(|u| within((*u).min(length - 1))).collect();
    assert_eq!(output, wanted, "{body}");
}

#[test]
fn loads_from_storage() {
    zero_outside("output[id.x] = data[u];", 4, |u| 50 + u);
    zero_outside("output[id.x] = data[i];", 4, |u| 50 + u);
    zero_outside("output[id.x] = fixed[u].v.y;", 4, |u| 11 + 8 * u);
    zero_outside("output[id.x] = fixed[1].n[u];", 4, |u| 22 + u);
    zero_outside("output[id.x] = fixed[u].n[i];", 4, |u| 14 + 9 * u);
    zero_outside("output[id.x] = fixed[1].v[u];", 4, |u| 18 + u);
    zero_outside("output[id.x] = fixed[u].v.zw.y;", 4, |u| 13 + 8 * u);
    zero_outside("let whole = fixed[u]; output[id.x] = whole.n[2];", 4, |u| 16 + 8 * u);
    zero_outside("output[id.x] = u32(matrix[u][1]);", 4, |u| 4 * u + 1);
    zero_outside("output[id.x] = u32(matrix[1][i]);", 4, |u| 4 + u);
    // One of two indices is enough to be outside.
    zero_outside("output[id.x] = fixed[u].n[3u - min(u, 3u) + 1u];", 4, |u| {
        if u == 0 { 0 } else { 14 + 8 * u + 4 - u }
    });
    zero_outside("let p = &fixed[u]; output[id.x] = (*p).v.x;", 4, |u| 10 + 8 * u);
    zero_outside("output[id.x] = data[5 + i * 0];", 0, |_| 0);
    zero_outside("output[id.x] = data[7];", 0, |_| 0);
}

#[test]
fn loads_from_workgroup_memory() {
    zero_outside("output[id.x] = tile[u][1];", 3, |u| 101 + 4 * u);
    zero_outside("output[id.x] = tile[2][i];", 4, |u| 108 + u);
    zero_outside("let row = tile[u]; output[id.x] = row[3];", 3, |u| 103 + 4 * u);
    zero_outside("output[id.x] = atomicLoad(&shared_counts[u]);", 4, |u| 300 + u);
    zero_outside("output[id.x] = workgroupUniformLoad(&tile[u])[0];", 3, |u| 100 + 4 * u);
    zero_outside("output[id.x] = workgroupUniformLoad(&tile[u][2]);", 3, |u| 102 + 4 * u);
}

#[test]
fn variables_and_values() {
    last_outside("output[id.x] = mine[u];", 4, |u| 200 + u);
    last_outside("output[id.x] = mine[i];", 4, |u| 200 + u);
    last_outside("output[id.x] = vec3(7u, 8u, 9u)[u];", 3, |u| 7 + u);
    last_outside("let v = vec4(data[0], data[1], 5u, 6u); output[id.x] = v[i];", 4, |u| {
        [50, 51, 5, 6][u as usize]
    });
    last_outside("const TABLE = array<u32, 3>(4u, 6u, 8u); output[id.x] = TABLE[u];", 3, |u| 4 + 2 * u);
    last_outside("var own = array<u32, 3>(4u, 6u, 8u); own[u] += 1u; output[id.x] = own[u];", 3, |u| {
        5 + 2 * u
    });
    last_outside("var own = vec3(4u, 6u, 8u); own[i] += 1u; output[id.x] = own[i];", 3, |u| 5 + 2 * u);
    last_outside("mine[u] = 7u; output[id.x] = mine[0] + mine[1] + mine[2] + mine[3];", 4, |u| 813 - 200 - u);
}

#[test]
fn stores_and_atomics_outside_do_nothing() {
    let within = |length: u32| INDICES.iter().filter(move |u| **u < length);
    let Some((_, left)) = run("data[u] = 1u;") else { return };
    assert_eq!(left[..4], [1; 4]);
    let (_, left) = run("fixed[u].n[1] = 1u;").unwrap();
    let mut wanted: Vec<u32> = (10..42).collect();
    within(4).for_each(|u| wanted[8 * *u as usize + 5] = 1);
    assert_eq!(left[4..36], wanted);
    let (_, left) = run("fixed[2].v[i] = 1u;").unwrap();
    let mut wanted: Vec<u32> = (10..42).collect();
    within(4).for_each(|u| wanted[16 + *u as usize] = 1);
    assert_eq!(left[4..36], wanted);
    let (_, left) = run("fixed[u] = Inner();").unwrap();
    assert_eq!(left[4..36], [0; 32]);
    let (_, left) = run("atomicAdd(&counts[u], 3u); atomicAdd(&counts[i], 4u);").unwrap();
    assert_eq!(left[36..40], [7; 4]);
    let (output, _) = run("atomicAdd(&shared_counts[u], 10u); tile[u][u] = 7u; tile[i][0] += 0u;
         for (var k = 0u; k < 4u; k++) { output[id.x] += atomicLoad(&shared_counts[k]); }
         for (var k = 0u; k < 12u; k++) { output[id.x] += tile[k / 4u][k % 4u]; }")
    .unwrap();
    let all = 60 + 1206 + (0..12).map(|k| 100 + k).sum::<u32>();
    let wanted: Vec<u32> = INDICES
        .iter()
        .map(|u| all + if *u < 4 { 10 } else { 0 } - if *u < 3 { 93 + 5 * u } else { 0 })
        .collect();
    assert_eq!(output, wanted);
}

#[test]
fn shifts_and_integers() {
    let word = |expression: &str, expected: &dyn Fn(u32) -> u32| {
        let Some((output, _)) = run(&format!("output[id.x] = {expression};")) else { return };
        let wanted: Vec<u32> = INDICES.iter().map(|u| expected(*u)).collect();
        assert_eq!(output, wanted, "{expression}");
    };
    word("1u << u", &|u| 1_u32.wrapping_shl(u));
    word("0xf0000000u >> u", &|u| 0xf000_0000_u32.wrapping_shr(u));
    word("bitcast<u32>(bitcast<i32>(0xf0000000u) >> u)", &|u| {
        0xf000_0000_u32.cast_signed().wrapping_shr(u).cast_unsigned()
    });
    word("(vec2(3u, 4u) << vec2(u, 1u)).x", &|u| 3_u32.wrapping_shl(u));
    word("17u / u", &|u| 17_u32.checked_div(u).unwrap_or(17));
    word("17u % u", &|u| 17_u32.checked_rem(u).unwrap_or(0));
    word("u / (u - u)", &|u| u);
    word("bitcast<u32>(i / -1)", &|u| u.cast_signed().wrapping_div(-1).cast_unsigned());
    word("bitcast<u32>(i % -1)", &|_| 0);
    word("bitcast<u32>(i % 3)", &|u| (u.cast_signed() % 3).cast_unsigned());
    word("bitcast<u32>(clamp(i, 5, 2))", &|_| 2);
    word("bitcast<u32>(abs(i))", &|u| u.cast_signed().wrapping_abs().cast_unsigned());
    word("bitcast<u32>(sign(i)) + bitcast<u32>(sign(vec2(i - 1, 0)).x * 10)", &|u| {
        let below = u.cast_signed().wrapping_sub(1);
        (u.cast_signed().signum() + 10 * below.signum()).cast_unsigned()
    });
    word("pack4xU8(vec4(u, 300u, 2u, 255u))", &|u| 0xff02_2c00 | u & 0xff);
    word("pack4xI8(vec4(i, -1, 2, -128))", &|u| 0x8002_ff00 | u & 0xff);
    word("pack4xU8Clamp(vec4(u, 300u, 2u, 255u))", &|u| 0xff02_ff00 | u.min(255));
    word("pack4xI8Clamp(vec4(i, -1, 200, -200))", &|u| {
        0x807f_ff00 | u32::from(u.cast_signed().clamp(-128, 127).to_le_bytes()[0])
    });
    word("bitcast<u32>(dot(unpack4xI8(u), vec4(1, 1000, 1000000, 100000000)))", &|u| {
        let [a, b, c, d] = u.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        let sum = d.wrapping_mul(100_000_000).wrapping_add(c * 1_000_000 + b * 1000 + a);
        sum.cast_unsigned()
    });
    word("dot(unpack4xU8(u), vec4(1u, 1000u, 1000000u, 100000000u))", &|u| {
        let [a, b, c, d] = u.to_le_bytes().map(u32::from);
        d.wrapping_mul(100_000_000).wrapping_add(c * 1_000_000 + b * 1000 + a)
    });
    word("bitcast<u32>(dot4I8Packed(u, 0x7f808182u))", &|u| {
        let bytes = |word: u32| word.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        bytes(u).iter().zip(bytes(0x7f80_8182)).map(|(a, b)| a * b).sum::<i32>().cast_unsigned()
    });
}

#[test]
fn workgroup_memory_begins_with_zeros() {
    let Some(gpu) = gpu() else { return };
    let wgsl = "struct Part { a: array<u32, 3>, b: atomic<u32>, c: array<vec3<f32>, 2> }
        @group(0) @binding(0) var<storage, read_write> output: array<u32>;
        var<workgroup> one: u32;
        var<workgroup> words: array<u32, 300>;
        var<workgroup> parts: array<Part, 5>;
        var<workgroup> pair: mat2x2<f32>;
        @compute @workgroup_size(32) fn main(@builtin(local_invocation_index) at: u32, @builtin(workgroup_id) id: vec3<u32>) {
            var sum = one + u32(pair[at & 1u].y);
            for (var k = 0u; k < 300u; k++) { sum |= words[k]; }
            for (var k = 0u; k < 5u; k++) {
                sum |= parts[k].a[0] | parts[k].a[2] | atomicLoad(&parts[k].b) | u32(parts[k].c[at & 1u].z);
            }
            output[id.x * 32u + at] = sum;
            workgroupBarrier();
            // For the next workgroup that gets this memory.
            for (var k = at; k < 300u; k += 32u) { words[k] = 77u; }
            if at < 5u {
                parts[at].a = array<u32, 3>(7u, 7u, 7u);
                atomicStore(&parts[at].b, 8u);
                parts[at].c[0] = vec3(9.0);
                parts[at].c[1] = vec3(9.0);
            }
            if at == 0u { one = 3u; pair = mat2x2(4.0, 4.0, 4.0, 4.0); }
        }";
    let in_struct = wgsl
        .replace("struct Part", "struct Given { @builtin(local_invocation_index) at: u32 } struct Part")
        .replace(
            "@builtin(local_invocation_index) at: u32, @builtin(workgroup_id)",
            "given: Given, @builtin(workgroup_id)",
        )
        .replace("var sum", "let at = given.at; var sum");
    for module in [wgsl, &in_struct].map(|wgsl| gpu::lowered(wgsl, &Native::NONE)) {
        for modes in [MODES, Modes { zero_init_native: false, ..MODES }] {
            let pipeline = gpu.pipeline(&module, &modes);
            let left = gpu.run(&pipeline, &[vec![5; 32 * 64]], 64);
            assert_eq!(left[0], vec![0; 32 * 64], "{modes:?}");
        }
    }
}
