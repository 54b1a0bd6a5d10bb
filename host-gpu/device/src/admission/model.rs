//! What the control groups give on the host: as they stand there, and as compilers spoil them.

use super::groups::{CONTROLS, inputs};
use super::run::{INVOCATIONS, digest};

/// What a compiler or a device does to floats.
#[derive(Clone, Copy, PartialEq)]
enum Spoiled {
    /// Nothing.
    Not,
    /// Products are fused with sums.
    Fused,
    /// Sums are done in the other order.
    Reordered,
    /// Subnormal numbers count as zero.
    Flushed,
    /// What holds of real numbers is taken to hold.
    Real,
}

/// Bits as a shader shows them.
fn bits(x: f32) -> u32 {
    if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() }
}

/// The control groups' results for one triple, in their order.
fn compute([x, y, z]: [f32; 3], how: Spoiled) -> [Vec<u32>; 4] {
    let flush = |x: f32| match how {
        Spoiled::Flushed if x.is_subnormal() => 0.0_f32.copysign(x),
        _ => x,
    };
    let [x, y, z] = [x, y, z].map(flush);
    let (add, mul) = (|a: f32, b: f32| flush(a + b), |a: f32, b: f32| flush(a * b));
    let fused = |a: f32, b: f32, c: f32| {
        if how == Spoiled::Fused { flush(a.mul_add(b, c)) } else { add(mul(a, b), c) }
    };
    let (reordered, real) = (how == Spoiled::Reordered, how == Spoiled::Real);
    let sums = if reordered {
        [y, add(x, add(y, z)), add(add(x, y), z)]
    } else {
        [add(add(x, y), -x), add(add(x, y), z), add(x, add(y, z))]
    };
    let rules =
        if real { [0.0, 0.0, x, -x, -x] } else { [add(x, -x), mul(x, 0.0), add(x, 0.0), add(0.0, -x), -x] };
    [
        vec![fused(x, y, z), fused(-x, y, z), fused(x, y, -z)],
        sums.to_vec(),
        vec![mul(x, 0.5), add(x, y), mul(x, y)],
        rules.to_vec(),
    ]
    .map(|values| values.into_iter().map(bits).collect())
}

/// The digests of the control groups.
fn digests(how: Spoiled) -> Vec<(&'static str, String)> {
    let words = inputs(INVOCATIONS);
    let triples = words.chunks_exact(3).map(|triple| [0, 1, 2].map(|at| f32::from_bits(triple[at])));
    let results: Vec<_> = triples.map(|triple| compute(triple, how)).collect();
    let group = |place: usize| {
        let count = CONTROLS[place].expressions.len();
        let values = (0..count).flat_map(|expression| results.iter().map(move |all| all[place][expression]));
        let bytes: Vec<u8> = values.flat_map(u32::to_le_bytes).collect();
        (CONTROLS[place].name, digest(&bytes))
    };
    (0..CONTROLS.len()).map(group).collect()
}

#[test]
fn each_control_fails_where_its_fault_is() {
    let good = digests(Spoiled::Not);
    assert_eq!(super::differing(&good), None, "{good:?}");
    for (how, name) in [
        (Spoiled::Fused, "contraction"),
        (Spoiled::Reordered, "order of sums"),
        (Spoiled::Flushed, "subnormal numbers"),
        (Spoiled::Real, "rules of real numbers"),
    ] {
        let spoiled = digests(how);
        let found = spoiled.iter().find(|(group, _)| *group == name).unwrap();
        assert_eq!(super::differing(std::slice::from_ref(found)), Some(name));
    }
    // What fuses or reorders shows nowhere else, so the name in a refusal says what is wrong.
    assert_eq!(super::differing(&digests(Spoiled::Fused)), Some("contraction"));
    assert_eq!(super::differing(&digests(Spoiled::Reordered)), Some("order of sums"));
}
