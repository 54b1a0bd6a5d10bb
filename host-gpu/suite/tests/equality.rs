//! Every kernel gives what its oracle computes, and the same on every device.
#![allow(clippy::unwrap_used, clippy::panic)] // A test fails by panicking.

use fizz_suite::{Device, Failure, Kernel, Loaded, Pipeline, Scale, Way, check, compare, kernels, vulkan};

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
    ran(device, kernel, way).unwrap_or_else(|error| panic!("{} ({way:?}): {error}", kernel.name))
}

fn ran(device: &Device, kernel: &Kernel, way: Way) -> Result<(Vec<u32>, u64), Failure> {
    let shader = check(kernel)?;
    let case = (kernel.case)(Scale::Equality);
    let pipeline = Pipeline::new(device, &shader, &case, way)?;
    let loaded: Loaded<'_> = pipeline.load(device, &case)?;
    loaded.run()?;
    Ok((loaded.result()?, loaded.gas()?))
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
fn the_reference_gives_what_the_oracles_compute_and_what_hardware_gives() {
    let device = hardware();
    let [reference, threads] = [1, 3].map(|threads| Device::reference(threads).unwrap());
    let mut wrong = Vec::new();
    for kernel in kernels() {
        let case = (kernel.case)(Scale::Equality);
        let (words, gas) = match ran(&reference, kernel, Way::MeteredExact) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{}: {error}", kernel.name));
                continue;
            }
        };
        if let Err(error) = kernel.judge(&case, &words) {
            wrong.push(format!("{}: {error}", kernel.name));
        }
        // However the work is spread.
        let spread = run(&threads, kernel, Way::MeteredExact);
        assert_eq!(spread, (words.clone(), gas), "{} on threads", kernel.name);
        if let Some(device) = &device {
            let (got, counted) = run(device, kernel, Way::MeteredExact);
            if let Err(error) = compare(&got, &words) {
                wrong.push(format!("{}: on hardware, {error} of the reference", kernel.name));
            }
            assert_eq!(counted, gas, "{}: gas", kernel.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_kernel_races() {
    let check_races = fizz_reference::RaceCheck::default();
    let (plain, watched) = (Device::reference(1).unwrap(), Device::watched(&check_races).unwrap());
    for kernel in kernels() {
        let [one, other] = [&plain, &watched].map(|device| run(device, kernel, Way::MeteredExact));
        assert!(one == other, "{}: watched, it gives something else", kernel.name);
        assert_eq!(check_races.races(), fizz_reference::Races::default(), "{}", kernel.name);
    }
}
