#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use super::*;

#[track_caller]
fn alike(gpu: &Gpu, native: &Native) {
    for found in compare(gpu, native).unwrap() {
        assert_eq!((found.different, &found.first), (0, &None), "{}", found.name);
        assert!(found.accurate, "{}", found.accuracy);
    }
}

/// The first Vulkan adapter. Where there is none: fails in CI, else says so.
fn adapter() -> Option<Gpu> {
    let found = Gpu::first();
    if found.is_none() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI must have a GPU adapter (install lavapipe)"
        );
        eprintln!("skipped: no adapter");
    }
    found
}

#[test]
fn the_adapter_computes_what_the_functions_give() {
    if let Some(gpu) = adapter() {
        alike(&gpu, &Native::NONE);
    }
}

/// As it does them by itself, and as the library does them.
#[test]
fn the_reference_device_computes_what_the_functions_give() {
    let gpu = Gpu::reference(2).unwrap();
    alike(&gpu, &Native::REFERENCE);
    alike(&gpu, &Native::NONE);
}

/// What the quotient's exactness rests on: the reciprocal of every divisor is low, by no more than fits the remainder's 32 bits.
#[test]
fn reciprocals_are_low() {
    let mut program = Program::new(exact::library().unwrap(), "fizz_reciprocal");
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    let divisors: Vec<u32> = (1 << 23..1 << 24).collect();
    for divisors in divisors.chunks(lanes::LANES) {
        for (lane, divisor) in program.argument(0).iter_mut().zip(divisors) {
            *lane = (*divisor as f32).to_bits();
        }
        for (divisor, found) in divisors.iter().zip(program.run()) {
            // The product has 48 bits.
            let lacks = 1.0 - f64::from(*divisor) * f64::from(f32::from_bits(*found));
            (least, most) = (least.min(lacks), most.max(lacks));
        }
    }
    println!("reciprocals lack {least:e} to {most:e}");
    assert!(least > 2_f64.powi(-24) && most < 3.6e-6, "{least:e} {most:e}");
}

/// The first estimate of a root is as good as it is said to be.
#[test]
fn seeds_of_roots_are_near() {
    let mut program = Program::new(exact::library().unwrap(), "fizz_root_seed");
    let mut most = 0.0_f64;
    let numbers: Vec<u32> = (1.0_f32.to_bits()..4.0_f32.to_bits()).collect();
    for numbers in numbers.chunks(lanes::LANES) {
        program.argument(0)[..numbers.len()].copy_from_slice(numbers);
        for (number, found) in numbers.iter().zip(program.run()) {
            let [number, found] = [*number, *found].map(|bits| f64::from(f32::from_bits(bits)));
            most = most.max((1.0 - found * number.sqrt()).abs());
        }
    }
    println!("seeds of roots are {most:e} off");
    assert!(most < 6.6e-4, "{most:e}");
}

/// The oracles of roots and quotients agree with each other and with what the host's processor does.
#[test]
fn oracles_agree() {
    let same = |left: u32, right: u32| {
        left == right || f32::from_bits(left).is_nan() && f32::from_bits(right).is_nan()
    };
    for [x, y] in inputs::inputs(table::Takes::Two) {
        let [a, b] = [x, y].map(f32::from_bits);
        assert!(same(oracle::root(x, 0), oracle::whole_root(x)), "sqrt({x:#x})");
        assert!(same(oracle::root(x, 0), a.sqrt().to_bits()), "sqrt({x:#x})");
        assert!(same(oracle::quotient(x, y), (a / b).to_bits()), "{x:#x} / {y:#x}");
    }
}

/// Prints how much longer quotients and roots take by the library than by the device.
#[test]
#[ignore = "a measurement"]
fn all_ratios() {
    let Some(gpu) = adapter() else { return };
    let inputs: Vec<_> =
        (0..inputs::PAIRS as u32).map(|index| [0x3f80_0000 + index * 7, 0x3fc0_0000 + index]).collect();
    let wide = Native { divide: true, sqrt: true, ..Native::NONE };
    let chain = |step: &str| {
        let value = (0..32).fold("a".to_owned(), |value, _| step.replace('#', &value));
        format!("bitcast<u32>({value})")
    };
    let base = gpu.timed("x", &Native::NONE, &inputs, 10).1;
    for step in
        ["(# / b + a)", "(sqrt(#) + a)", "(inverseSqrt(#) + a)", "(exp(# * -0.5) + a)", "(log(#) + a)"]
    {
        let wgsl = chain(step);
        let library = gpu.timed(&wgsl, &Native::NONE, &inputs, 10).1 - base;
        let device = gpu.timed(&wgsl, &wide, &inputs, 10).1 - base;
        let each = |seconds: f64| seconds * 1e9 / (32 * inputs::PAIRS) as f64;
        println!(
            "{step}: {:.2} ns by the library, {:.2} ns with the device's own quotients and roots: {:.1} times",
            each(library),
            each(device),
            library / device
        );
    }
}
