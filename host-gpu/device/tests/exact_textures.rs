//! Texels of exact shaders: every format, against what the standards say, on every device.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // A test fails by panicking; numbers are cut as formats cut them.

mod common;

use common::{Guest, QUOTAS};
use fizz_gpu::{Hardware, Quotas};
use fizz_gpu_abi::{
    Class, TexelBuffer, TexelPlace, TextureDimension, TextureFormat, TextureShape, ViewShape, WHOLE,
    texture_usage, usage,
};

/// Texels that are written, in x and y; a texel more on each side is tried.
const SIDE: u32 = 16;
const TRIED: u32 = SIDE + 2;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Float,
    Uint,
    Sint,
    Unorm,
    Snorm,
}

/// The format, its name in WGSL, channels, bits of a channel.
const FORMATS: [(TextureFormat, &str, u32, u32, Kind); 16] = [
    (TextureFormat::R32Uint, "r32uint", 1, 32, Kind::Uint),
    (TextureFormat::R32Sint, "r32sint", 1, 32, Kind::Sint),
    (TextureFormat::R32Float, "r32float", 1, 32, Kind::Float),
    (TextureFormat::Rgba8Unorm, "rgba8unorm", 4, 8, Kind::Unorm),
    (TextureFormat::Rgba8Snorm, "rgba8snorm", 4, 8, Kind::Snorm),
    (TextureFormat::Rgba8Uint, "rgba8uint", 4, 8, Kind::Uint),
    (TextureFormat::Rgba8Sint, "rgba8sint", 4, 8, Kind::Sint),
    (TextureFormat::Rg32Uint, "rg32uint", 2, 32, Kind::Uint),
    (TextureFormat::Rg32Sint, "rg32sint", 2, 32, Kind::Sint),
    (TextureFormat::Rg32Float, "rg32float", 2, 32, Kind::Float),
    (TextureFormat::Rgba16Uint, "rgba16uint", 4, 16, Kind::Uint),
    (TextureFormat::Rgba16Sint, "rgba16sint", 4, 16, Kind::Sint),
    (TextureFormat::Rgba16Float, "rgba16float", 4, 16, Kind::Float),
    (TextureFormat::Rgba32Uint, "rgba32uint", 4, 32, Kind::Uint),
    (TextureFormat::Rgba32Sint, "rgba32sint", 4, 32, Kind::Sint),
    (TextureFormat::Rgba32Float, "rgba32float", 4, 32, Kind::Float),
];

fn float(bits: u32) -> f64 {
    f64::from(f32::from_bits(bits))
}

/// IEEE 754 binary16, nearest, ties to even.
fn to_half(bits: u32) -> u32 {
    let (value, sign) = (float(bits), bits >> 31 << 15);
    if value.is_nan() {
        return 0x7e00;
    }
    let size = value.abs();
    if size >= 65520.0 {
        return sign | 0x7c00;
    }
    let power = if size == 0.0 { -14 } else { (size.log2().floor() as i32).max(-14) };
    // A denormal, or a mantissa with its first digit, which carries into the exponent by itself.
    let digits = (size * 2_f64.powi(10 - power)).round_ties_even() as u32;
    let above = (power + 14) as u32;
    sign | (digits + (above << 10))
}

fn from_half(half: u32) -> u32 {
    let (power, digits) = (half >> 10 & 31, f64::from(half & 1023));
    let size = match power {
        31 if half & 1023 != 0 => return 0x7fc0_0000,
        31 => f64::INFINITY,
        0 => digits * 2_f64.powi(-24),
        _ => (1024.0 + digits) * 2_f64.powi(power as i32 - 25),
    };
    (half >> 15 << 31) | (size as f32).to_bits()
}

/// The bits of a channel for the 32 bits of a number.
fn encode(kind: Kind, bits: u32, number: u32) -> u32 {
    let value = float(number);
    let mask = u32::MAX >> (32 - bits);
    match (kind, bits) {
        (Kind::Float, 32) if value.is_nan() => 0x7fc0_0000,
        (_, 32) => number,
        (Kind::Float, _) => to_half(number),
        (Kind::Uint, _) => number.min(mask),
        (Kind::Sint, _) => {
            let most = (mask >> 1) as i32;
            (number as i32).clamp(-most - 1, most) as u32 & mask
        }
        // Which number a NaN is, WGSL leaves open.
        (Kind::Unorm, _) if value.is_nan() => 0,
        (Kind::Snorm, _) if value.is_nan() => 0x81,
        (Kind::Unorm, _) => {
            let scaled = 255.0 * value.clamp(0.0, 1.0) as f32;
            (0.5 + scaled).floor() as u32
        }
        (Kind::Snorm, _) => {
            let scaled = 127.0 * value.clamp(-1.0, 1.0) as f32;
            (0.5 + scaled).floor() as i32 as u32 & mask
        }
    }
}

/// The number of a channel.
fn decode(kind: Kind, bits: u32, channel: u32) -> u32 {
    let signed = (channel << (32 - bits)) as i32 >> (32 - bits);
    match (kind, bits) {
        (Kind::Sint, _) => signed as u32,
        (Kind::Uint, _) | (_, 32) => channel,
        (Kind::Float, _) => from_half(channel),
        (Kind::Unorm, _) => (channel as f32 / 255.0).to_bits(),
        (Kind::Snorm, _) => (signed as f32 / 127.0).max(-1.0).to_bits(),
    }
}

/// Numbers of every class.
fn numbers(seed: u32) -> impl FnMut() -> u32 {
    let mut state = u64::from(seed) << 32 | 0x9e37;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (state >> 32) as u32;
        match (state >> 20) % 8 {
            0 => word,
            1 => [0, 1 << 31, 1, 0x7f80_0000, 0xff80_0000, 0x7fc0_1234, 0xff80_0001, 0x7f7f_ffff]
                [word as usize % 8],
            // What fits, and what nearly does.
            2 => word % 70_000,
            3 => (word % 300).wrapping_sub(150),
            4 => (word as f32 / 4_294_967_296.0).to_bits(),
            5 => (word as f32 / 2_147_483_648.0 - 1.0).to_bits(),
            // Halves of steps, and what a half cannot hold.
            6 => ((word % 511) as f32 / 510.0).to_bits(),
            _ => (0x3300_0000 + word % 0x1500_0000) | (word & 1 << 31),
        }
    }
}

/// What is in the texture after all numbers were stored, and what a shader loads of it, gas at the end.
fn played(
    device: &Hardware,
    (format, name): (TextureFormat, &str),
    kind: Kind,
    words: &[u32],
) -> (Vec<u32>, Vec<u32>, u64) {
    let number = match kind {
        Kind::Uint => "u32",
        Kind::Sint => "i32",
        _ => "f32",
    };
    let mut guest = Guest::with_class(device, Quotas { class: Class::Exact, ..QUOTAS }, Class::Job);
    let made = guest.id();
    let usage = texture_usage::STORAGE_BINDING | texture_usage::COPY_SRC;
    let size = [SIDE, SIDE, 1];
    let shape = TextureShape { usage, format, dimension: TextureDimension::D2, size, mip_levels: 1 };
    guest.stream.create_texture(made, &shape, "texels");
    let view = guest.id();
    guest.stream.create_texture_view(view, made, &ViewShape::default(), "view");
    let values = guest.data(words);
    let stores = guest.shader(&format!(
        "@group(0) @binding(0) var<storage> values: array<vec4u>;
        @group(0) @binding(1) var target_texture: texture_storage_2d<{name}, write>;
        @compute @workgroup_size(6, 3) fn main(@builtin(global_invocation_id) id: vec3u) {{
            let value = bitcast<vec4<{number}>>(values[id.y * {TRIED} + id.x]);
            textureStore(target_texture, vec2i(id.xy) - 1, value);
        }}"
    ));
    let pipeline = guest.pipeline(0, stores);
    let layout = guest.auto_layout(pipeline);
    let bound = guest.bind(layout, &[(values, WHOLE), (view, 0)]);
    guest.dispatch(pipeline, bound, [TRIED / 6, TRIED / 3, 1]);
    let loads = guest.shader(&format!(
        "@group(0) @binding(0) var<storage, read_write> values: array<vec4u>;
        @group(0) @binding(1) var source: texture_storage_2d<{name}, read>;
        fn texel(t: texture_storage_2d<{name}, read>, at: vec2i) -> vec4<{number}> {{ return textureLoad(t, at); }}
        @compute @workgroup_size(6, 3) fn main(@builtin(global_invocation_id) id: vec3u) {{
            let size = textureDimensions(source);
            let value = texel(source, vec2i(id.xy) - 1);
            values[id.y * (size.x + 2u) + id.x] = bitcast<vec4u>(value);
        }}"
    ));
    let pipeline = guest.pipeline(0, loads);
    let layout = guest.auto_layout(pipeline);
    let loaded = guest.data(&vec![7; (4 * TRIED * TRIED) as usize]);
    let bound = guest.bind(layout, &[(loaded, WHOLE), (view, 0)]);
    guest.dispatch(pipeline, bound, [TRIED / 6, TRIED / 3, 1]);
    let copy = guest.buffer(usage::COPY_SRC | usage::COPY_DST, u64::from(SIDE * 256));
    guest.submit(|to| {
        let lies = TexelBuffer { buffer: copy, offset: 0, bytes_per_row: Some(256), rows_per_image: None };
        let place = TexelPlace { texture: made, mip_level: 0, origin: [0; 3] };
        to.copy_texture_to_buffer(&place, &lies, size);
    });
    guest.clean();
    let texels = guest.read(copy, 0, (SIDE * 64) as usize);
    let seen = guest.read(loaded, 0, (4 * TRIED * TRIED) as usize);
    (texels, seen, guest.session.gas())
}

#[test]
fn every_format_holds_what_the_standards_say_on_every_device() {
    let driver = common::hardware().map(|found| ("the driver", found.unproven().unwrap()));
    let devices: Vec<_> = driver.into_iter().chain([("the reference", common::reference())]).collect();
    for (index, (format, name, channels, bits, kind)) in (0..).zip(FORMATS) {
        let mut number = numbers(index);
        let words: Vec<u32> = (0..4 * TRIED * TRIED).map(|_| number()).collect();
        let texel_words = (channels * bits / 32) as usize;
        let channel = |x: u32, y: u32, channel: u32| {
            encode(kind, bits, words[(4 * ((y + 1) * TRIED + x + 1) + channel) as usize])
        };
        let mut texels = vec![0; (SIDE * 64) as usize];
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            for at in 0..channels {
                let word = (y * 64 + x * texel_words as u32 + at * bits / 32) as usize;
                texels[word] |= channel(x, y, at) << (at * bits % 32);
            }
        }
        let mut seen = Vec::new();
        for (y, x) in (0..TRIED).flat_map(|y| (0..TRIED).map(move |x| (y, x))) {
            let within = (1..=SIDE).contains(&x) && (1..=SIDE).contains(&y);
            for at in 0..4 {
                let lacking = if at < 3 {
                    0
                } else if kind == Kind::Float {
                    1_f32.to_bits()
                } else {
                    1
                };
                seen.push(match (at < channels, within) {
                    (true, true) => decode(kind, bits, channel(x - 1, y - 1, at)),
                    (true, false) => 0,
                    (false, _) => lacking,
                });
            }
        }
        let mut gas = Vec::new();
        for (device, hardware) in &devices {
            let found = played(hardware, (format, name), kind, &words);
            for (at, (wanted, found)) in texels.iter().zip(&found.0).enumerate() {
                assert_eq!(wanted, found, "{name}, {device}: word {at} of the texture");
            }
            for (at, (wanted, found)) in seen.iter().zip(&found.1).enumerate() {
                assert_eq!(wanted, found, "{name}, {device}: number {at} that was loaded; {:08x}", words[at]);
            }
            gas.push(found.2);
        }
        assert!(gas.windows(2).all(|pair| pair[0] == pair[1]), "{name}: {gas:?}");
    }
}
