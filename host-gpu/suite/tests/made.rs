//! Random exact shaders: an adapter and the reference give the same bits and the same gas. `FIZZ_MADE=N` runs N of them, `FIZZ_MADE_FROM=M` others.

use fizz_suite::{Device, Target, agree, agree_watched, made, vulkan};

/// Bytes that look random, from a number.
fn choices(of: u32) -> Vec<u8> {
    let mut state = of.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    (0..500).map(|_| next()).collect()
}

#[test]
fn nearly_all_bytes_choose_exact_shaders() {
    let accepted = (0..200).filter(|of| {
        let (wgsl, _) = made(&choices(*of));
        let shader = fizz_shader::check(&wgsl, "made", &fizz_shader::ShaderLimits::default());
        shader.is_ok_and(|shader| shader.classify("main").is_empty())
    });
    let accepted = accepted.count();
    assert!(accepted > 150, "{accepted} of 200");
}

/// What differed once: a load that the driver knew to be out of bounds gave a zero that it knew, and `0 * x` was `0`.
#[test]
fn zeros_from_out_of_bounds_are_not_folded() {
    let Some((device, reference)) = both() else { return };
    let wgsl = "@group(0) @binding(0) var<storage, read> reals: array<f32>;
        @group(0) @binding(1) var<storage, read> words: array<u32>;
        @group(0) @binding(2) var<storage, read_write> result: array<u32>;
        struct Pair { a: f32, b: mat2x2f }
        var<workgroup> tile: array<f32, 64>;
        var<workgroup> pairs: array<Pair, 4>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) own: u32) {
            let n = words[id.x];
            let outside = tile[n - n - 74u];
            let pair = pairs[n - n + 4u];
            let sums = vec3f(reals[n & 127u] % outside, outside * reals[own], outside + -outside * reals[own]);
            let others = vec2f(pair.a * reals[own], pair.b[1].x * reals[n & 127u]);
            result[id.x] = bitcast<u32>(sums.x) ^ reverseBits(bitcast<u32>(sums.y)) ^ (bitcast<u32>(sums.z) >> 7u)
                ^ (bitcast<u32>(others.x) >> 3u) ^ reverseBits(bitcast<u32>(others.y) >> 5u);
        }";
    let (_, case) = made(&choices(0));
    assert_eq!(fizz_suite::agree_on(&device, &reference, wgsl, &case), Ok(true));
}

#[test]
fn bytes_of_words_are_packed_alike() {
    let Some((device, reference)) = both() else { return };
    let wgsl = "@group(0) @binding(0) var<storage, read> reals: array<f32>;
        @group(0) @binding(1) var<storage, read> words: array<u32>;
        @group(0) @binding(2) var<storage, read_write> result: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
            let n = words[id.x];
            let signed = unpack4xI8(n) * vec4i(3, -5, 7, 11) + sign(vec4i(vec4u(n)));
            let packed = pack4xI8(signed) ^ pack4xI8Clamp(signed) ^ pack4xU8(unpack4xU8(n) + 250u) ^ pack4xU8Clamp(unpack4xU8(n) + 9u);
            result[id.x] = packed + bitcast<u32>(reals[0]);
        }";
    let (_, case) = made(&choices(0));
    assert_eq!(fizz_suite::agree_on(&device, &reference, wgsl, &case), Ok(true));
}

fn both() -> Option<(Device, Device)> {
    let adapters = Device::adapters();
    let Some((adapter, target)) = adapters.iter().find_map(|found| Some((found, vulkan(found)?))) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have a Vulkan adapter");
        eprintln!("skipped: no adapter");
        return None;
    };
    let device = Device::open(adapter, Some(target)).expect("a device");
    Some((device, Device::reference(1).expect("an engine")))
}

/// Where a processor plays the GPU, whose roots are those of IEEE 754: shaders that use its own give the same bits. What differed once: its compiler
/// knew that a root is not negative, and `abs` of -0 was -0.
#[test]
fn a_processors_own_roots_give_the_same_bits_in_made_shaders() {
    let of_processor = |adapter: &wgpu::Adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu;
    let adapters = Device::adapters();
    let Some(adapter) = adapters.iter().find(|adapter| of_processor(adapter)) else { return };
    let Some(Target::Vulkan { mut native, modes }) = vulkan(adapter) else { return };
    native.sqrt = true;
    let device = Device::open(adapter, Some(Target::Vulkan { native, modes })).expect("a device");
    let reference = Device::reference(1).expect("an engine");
    let wgsl = "@group(0) @binding(0) var<storage, read> reals: array<f32>;
        @group(0) @binding(1) var<storage, read> words: array<u32>;
        @group(0) @binding(2) var<storage, read_write> result: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
            let zero = bitcast<f32>(words[id.x] << 31u);
            let root = sqrt(vec2f(zero, reals[id.x & 127u]));
            let signs = bitcast<vec2u>(abs(root)) ^ reverseBits(bitcast<vec2u>(root * root + zero));
            let least = max(root.x, zero) - min(abs(root.x), -zero);
            result[id.x] = signs.x ^ (signs.y >> 5u) ^ bitcast<u32>(1.0 / least) ^ select(0u, 1u, root.y >= 0.0);
        }";
    let (_, case) = made(&choices(0));
    assert_eq!(fizz_suite::agree_on(&device, &reference, wgsl, &case), Ok(true));
    for of in 1000..1040 {
        agree(&device, &reference, &choices(of)).unwrap_or_else(|error| panic!("shader {of}: {error}"));
    }
}

#[test]
fn made_shaders_give_the_same_bits_everywhere() {
    let Some((device, reference)) = both() else { return };
    most_run(|of| agree(&device, &reference, &choices(of)));
}

/// Does something with each of the shaders; more than half of them must run.
fn most_run(each: impl Fn(u32) -> Result<bool, String>) {
    let number = |name| std::env::var(name).ok().and_then(|count| count.parse::<u32>().ok());
    let (first, count) = (number("FIZZ_MADE_FROM").unwrap_or(0), number("FIZZ_MADE").unwrap_or(200));
    let mut ran = 0;
    for of in first..first + count {
        match each(of) {
            Ok(found) => ran += u32::from(found),
            Err(error) => panic!("shader {of}: {error}"),
        }
    }
    assert!(ran * 2 > count, "{ran} of {count}");
}

#[test]
fn made_shaders_do_not_race_and_watched_they_give_the_same() {
    let reference = Device::reference(1).expect("an engine");
    let watched = |wgsl: &str, case: &fizz_suite::Case| agree_watched(&reference, wgsl, case);
    most_run(|of| {
        let (wgsl, case) = made(&choices(of));
        watched(&wgsl, &case)
    });
    // All write the words of the first.
    let (wgsl, case) = made(&choices(0));
    let races = watched(&wgsl.replace("result[id.x * ", "result[0u * "), &case).unwrap_err();
    assert!(races.contains("variable: \"result\""), "{races}");
}
