//! The building blocks of `sdk/kernels`, in the sandbox.

use crate::support::Home;

/// What the example prints, on any machine.
const OUTPUT: &str = include_str!("../../../../sdk/kernels/examples/blocks/output.txt");

#[test]
fn blocks_give_the_same_bits_on_every_device_and_do_not_race() {
    let home = Home::new();
    home.write("blocks.wasm", fizz_examples::BLOCKS);
    // The example itself fails where a block gives anything else than its documents say.
    let ran = home.fizz(["run", "blocks.wasm", "--gpu", "reference"]).expect(0);
    assert_eq!(ran.stdout, OUTPUT);
    let checked = home.fizz(["check", "blocks.wasm"]).expect(0);
    assert_eq!(checked.stdout.lines().next_back(), Some("same"), "{}", checked.stdout);
}
