//! Exact shaders on two devices.

use std::sync::LazyLock;

use fizz_suite::{Device, agree_on, agree_watched, made, vulkan};

/// The input chooses an exact shader. The adapter at hand and the reference device give the same bits, and the same gas. So does the reference with races watched,
/// which finds none: such shaders have none.
pub fn exact(data: &[u8]) {
    let (wgsl, case) = made(data);
    if let Err(error) = agree_watched(&REFERENCE, &wgsl, &case) {
        panic!("watched for races: {error}");
    }
    let Some(device) = &*DEVICE else { return };
    if let Err(error) = agree_on(device, &REFERENCE, &wgsl, &case) {
        panic!("adapter and reference differ: {error}");
    }
}

static REFERENCE: LazyLock<Device> = LazyLock::new(|| Device::reference(1).expect("an engine"));

static DEVICE: LazyLock<Option<Device>> = LazyLock::new(|| {
    let adapters = Device::adapters();
    let found = adapters.iter().find_map(|adapter| Device::open(adapter, Some(vulkan(adapter)?)).ok());
    if found.is_none() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI must have a GPU adapter (install lavapipe)"
        );
        eprintln!("no GPU adapter: the target `exact` compares the reference with itself alone");
    }
    found
});
