//! What the network learns, as plain numbers.
//!
//! A picture goes through 8 filters of 3 × 3 points, the largest of each 2 × 2 is kept, 32 hidden units see all of
//! that, and 10 outputs see those.

use crate::data::{CLASSES, Random, SIDE};

/// Filters of the convolution.
pub(crate) const FILTERS: usize = 8;
/// Points along each side of a filter. Pictures are taken to be 0 outside.
pub(crate) const REACH: usize = 3;
/// Points along each side of what is kept of a filtered picture.
pub(crate) const POOLED: usize = SIDE / 2;
/// What the hidden units see.
pub(crate) const FEATURES: usize = FILTERS * POOLED * POOLED;
/// Hidden units.
pub(crate) const HIDDEN: usize = 32;

/// The layers, and how many numbers each has.
pub(crate) const LAYERS: [(&str, usize); 6] = [
    ("filters", FILTERS * REACH * REACH),
    ("filter bias", FILTERS),
    ("hidden", FEATURES * HIDDEN),
    ("hidden bias", HIDDEN),
    ("output", HIDDEN * CLASSES),
    ("output bias", CLASSES),
];

/// The numbers of all layers, in the order of [`LAYERS`]. Those of `hidden` and `output` lie by input.
#[derive(Clone)]
pub(crate) struct Weights<T>(pub(crate) [Vec<T>; 6]);

impl Weights<f32> {
    /// Uniform within ±√(6 / inputs), He and others 2015, <https://arxiv.org/abs/1502.01852>; biases are 0.
    pub(crate) fn random(random: &mut Random) -> Weights<f32> {
        let inputs = [REACH * REACH, 0, FEATURES, 0, HIDDEN, 0];
        Weights(std::array::from_fn(|layer| {
            let bound = if inputs[layer] == 0 { 0.0 } else { (6.0 / inputs[layer] as f32).sqrt() };
            (0..LAYERS[layer].1).map(|_| bound * (2.0 * random.unit() - 1.0)).collect()
        }))
    }

    /// The same numbers with more digits.
    pub(crate) fn widen(&self) -> Weights<f64> {
        Weights(std::array::from_fn(|layer| self.0[layer].iter().copied().map(f64::from).collect()))
    }

    /// All numbers, little-endian.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|number| number.to_le_bytes()).collect()
    }
}
