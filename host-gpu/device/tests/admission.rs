//! Which adapters compute exactly, and what the probe of that finds.

mod common;

use fizz_gpu::Hardware;

fn exact() -> Option<Hardware> {
    let begun = std::time::Instant::now();
    let hardware = common::hardware()?.admitted();
    println!("{:?}", begun.elapsed());
    Some(hardware.unwrap())
}

#[test]
fn lavapipe_is_admitted() {
    let Some(hardware) = exact() else { return };
    assert!(hardware.is_exact());
}
