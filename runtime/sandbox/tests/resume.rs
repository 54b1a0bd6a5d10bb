//! Checkpoint and resume at random steps of random scripts, with the oracle of the fuzz target `resume`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[allow(dead_code, unreachable_pub, reason = "the module belongs to the fuzz targets")]
#[path = "../../../fuzz/src/steps.rs"]
mod steps;

#[test]
fn random_scripts_resumed_at_random_chunks_end_as_the_whole_run() {
    let mut random = blake3::Hasher::new().update(b"scripts").finalize_xof();
    for _ in 0..150 {
        let mut bytes = [0; 41];
        random.fill(&mut bytes);
        let length = usize::from(bytes[40] % 40);
        steps::resume(&bytes[..=length]);
    }
}

#[test]
fn stored_states_are_taken_whole_and_broken() {
    for stored in steps::stored() {
        steps::snapshot(&stored);
        for at in (0..stored.len()).filter(|at| *at < 1_500 || at % 4_001 == 0) {
            let mut broken = stored.clone();
            broken[at] ^= 1 << (at % 8);
            steps::snapshot(&broken);
        }
    }
}
