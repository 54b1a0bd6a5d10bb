//! Every kernel gives what its oracle computes, and the same on every device.
#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use fizz_suite::{Device, Kernel, Loaded, Pipeline, Scale, Way, check, kernels, vulkan};

/// The adapter at hand, software or not. Where there is none: fails in CI, else says so.
fn hardware() -> Option<Device> {
    let adapters = Device::adapters();
    let Some((adapter, target)) = adapters.iter().find_map(|found| Some((found, vulkan(found)?))) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must have a Vulkan adapter");
        eprintln!("skipped: no adapter");
        return None;
    };
    Some(Device::open(adapter, Some(target)).unwrap())
}

/// Result and gas of a kernel.
fn run(device: &Device, kernel: &Kernel, way: Way) -> (Vec<u32>, u64) {
    let ran = || {
        let shader = check(kernel)?;
        let case = (kernel.case)(Scale::Equality);
        let pipeline = Pipeline::new(device, &shader, &case, way)?;
        let loaded: Loaded<'_> = pipeline.load(device, &case)?;
        loaded.run()?;
        Ok((loaded.result()?, loaded.gas()?))
    };
    ran().unwrap_or_else(|error: fizz_suite::Failure| panic!("{} ({way:?}): {error}", kernel.name))
}

#[test]
fn names_are_different_and_every_kernel_overwrites_its_result() {
    let mut names: Vec<_> = kernels().iter().map(|kernel| kernel.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), kernels().len());
    for kernel in kernels() {
        let case = (kernel.case)(Scale::Equality);
        assert!(kernel.judge(&case, case.result().1).is_err(), "{}: nothing to do", kernel.name);
    }
}

#[test]
fn exact_kernels_give_what_their_oracles_compute() {
    let Some(device) = hardware() else { return };
    let mut wrong = Vec::new();
    for kernel in kernels() {
        let case = (kernel.case)(Scale::Equality);
        for way in [Way::Exact, Way::MeteredExact] {
            let (got, _) = run(&device, kernel, way);
            if let Err(error) = kernel.judge(&case, &got) {
                wrong.push(format!("{} ({way:?}): {error}", kernel.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gas_does_not_hang_on_how_a_kernel_is_lowered() {
    let Some(device) = hardware() else { return };
    for kernel in kernels() {
        let (_, plain) = run(&device, kernel, Way::Metered);
        let (_, exact) = run(&device, kernel, Way::MeteredExact);
        assert_eq!(plain, exact, "{}", kernel.name);
        assert!(exact > 0, "{}", kernel.name);
    }
}
