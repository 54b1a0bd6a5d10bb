//! Shaders that a generator makes, the one of the fuzz target `wgsl`: most are accepted, and all of these can be metered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[allow(unreachable_pub, reason = "the module belongs to the fuzz targets")]
#[path = "../../../fuzz/src/wgsl/mod.rs"]
mod wgsl;

use fizz_shader::meter::MeterOptions;
use fizz_shader::{Reason, ShaderLimits, check};

#[test]
fn most_are_accepted_and_all_of_these_are_metered() {
    let mut seed = 1u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    let (mut refused, mut loops, mut unwritten) = (Vec::new(), 0, 0);
    for _ in 0..300 {
        let bytes: Vec<u8> = (0..600).map(|_| random()).collect();
        let text = wgsl::made(&bytes);
        let shader = match check(&text, "", &ShaderLimits::default()) {
            Ok(shader) => shader,
            Err(error) => {
                assert_ne!(error.reason, Reason::Host, "{error}\n{text}");
                refused.push(error.message);
                continue;
            }
        };
        loops += usize::from(text.contains("for (") || text.contains("while ") || text.contains("loop {"));
        for entry in &shader.entry_points {
            // A constant of the pipeline can make an index wrong.
            if shader.specialize(&entry.name, "", &[]).is_err() {
                continue;
            }
            match shader.meter(&entry.name, "", &[], MeterOptions { find_cuts: true }) {
                Ok((_, metered)) => assert!(metered.fixed <= metered.most),
                Err(error) => {
                    let naga = error.message.starts_with("the shader front end cannot");
                    unwritten += usize::from(naga);
                    assert!(naga || error.reason == Reason::Limit, "{error}\n{text}");
                }
            }
        }
    }
    // See `what_naga_cannot_write_is_refused`.
    assert!(unwritten < 30, "{unwritten} cannot be written");
    refused.sort();
    assert!(refused.len() < 40, "{} of 300 are refused: {refused:#?}", refused.len());
    assert!(loops > 100, "only {loops} have loops");
}
