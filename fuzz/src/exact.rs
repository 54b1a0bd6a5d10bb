//! Exact shaders on two devices.

use std::sync::LazyLock;

use fizz_suite::{Device, Reference, agree, vulkan};

/// The input chooses an exact shader. The adapter at hand and the reference device give the same bits, and the same gas.
pub fn exact(data: &[u8]) {
    let Some(device) = &*DEVICE else { return };
    if let Err(error) = agree(device, &REFERENCE, data) {
        panic!("adapter and reference differ: {error}");
    }
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| Reference::new(1).expect("an engine"));

static DEVICE: LazyLock<Option<Device>> = LazyLock::new(|| {
    let adapters = Device::adapters();
    let found = adapters.iter().find_map(|adapter| Device::open(adapter, Some(vulkan(adapter)?)).ok());
    if found.is_none() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI must have a GPU adapter (install lavapipe)"
        );
        eprintln!("no GPU adapter: the target `exact` does nothing");
    }
    found
});
