//! Random exact shaders: an adapter and the reference give the same bits and the same gas. `FIZZ_MADE=N` runs N of them.

use fizz_suite::{Device, Reference, agree, made, vulkan};

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

#[test]
fn made_shaders_give_the_same_bits_everywhere() {
    let adapters = Device::adapters();
    let Some((adapter, target)) = adapters.iter().find_map(|found| Some((found, vulkan(found)?))) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have a Vulkan adapter");
        eprintln!("skipped: no adapter");
        return;
    };
    let device = Device::open(adapter, Some(target)).expect("a device");
    let reference = Reference::new(1).expect("an engine");
    let count = std::env::var("FIZZ_MADE").ok().and_then(|count| count.parse().ok()).unwrap_or(20);
    let mut ran = 0;
    for of in 0..count {
        match agree(&device, &reference, &choices(of)) {
            Ok(found) => ran += u32::from(found),
            Err(error) => panic!("shader {of}: {error}"),
        }
    }
    assert!(ran * 2 > count, "{ran} of {count}");
}
