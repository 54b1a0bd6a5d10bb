//! Which adapters compute exactly, and what the probe of that finds.

mod common;

use std::path::Path;

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
