//! Which adapters compute exactly, and what the probe of that finds.

mod common;

use fizz_gpu::OwnSqrt;
use std::path::Path;
use std::time::Duration;

/// What the reference device computes: the probe of an adapter is compared with these, when the program is built.
const DIGESTS: &str = include_str!("../src/admission/digests.txt");

/// `FIZZ_BLESS=1` writes the digests anew, after a deliberate change of the probe or of what shaders mean.
#[test]
fn the_reference_computes_what_adapters_are_held_to() {
    let computed = common::reference().probe().unwrap();
    if std::env::var_os("FIZZ_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admission/digests.txt");
        std::fs::write(path, &computed).unwrap();
        return;
    }
    assert_eq!(computed, DIGESTS);
}

#[test]
fn an_adapter_that_computes_as_the_reference_does_is_admitted() {
    let Some(hardware) = common::hardware() else { return };
    assert!(!hardware.is_exact());
    let begun = std::time::Instant::now();
    let admitted = hardware.admitted().unwrap();
    println!("admitted in {:?}", begun.elapsed());
    assert!(admitted.is_exact());
    assert_eq!(admitted.probe().unwrap(), DIGESTS);
}

/// Given the time, a processor's root is proven for all numbers; sessions use it, and the probe finds the same bits.
#[test]
fn a_processors_own_square_root_is_proven_and_used() {
    let Some(hardware) = common::hardware() else { return };
    let software = hardware.summary().software();
    let begun = std::time::Instant::now();
    let admitted = hardware.admitted_within(Duration::from_secs(600)).unwrap();
    println!("{:?} in {:?}", admitted.own_sqrt(), begun.elapsed());
    // What another adapter's is, nobody knows before.
    if software {
        assert_eq!(admitted.own_sqrt(), Some(OwnSqrt::Proven));
    }
    assert_eq!(admitted.probe().unwrap(), DIGESTS);
}
