//! The network computed plainly on the processor, with 64-bit numbers: what the GPU is measured against.

use crate::data::{CLASSES, POINTS, SIDE};
use crate::weights::{FEATURES, FILTERS, HIDDEN, POOLED, REACH, Weights};

/// All that is computed on the way from a picture to its scores.
struct Pass {
    /// Where in the filtered picture each feature comes from, and the feature.
    features: Vec<(usize, f64)>,
    hidden: Vec<f64>,
    scores: [f64; CLASSES],
}

/// The scores of one picture, one for each digit.
pub(crate) fn scores(weights: &Weights<f64>, picture: &[f32]) -> [f64; CLASSES] {
    pass(weights, picture).scores
}

/// The index in the picture that a filter's point reads, where it is in the picture.
fn source(x: usize, y: usize, i: usize, j: usize) -> Option<usize> {
    let (x, y) = ((x + i).checked_sub(REACH / 2)?, (y + j).checked_sub(REACH / 2)?);
    (x < SIDE && y < SIDE).then_some(y * SIDE + x)
}

fn pass(Weights(w): &Weights<f64>, picture: &[f32]) -> Pass {
    let filtered = |filter: usize, x: usize, y: usize| {
        let mut sum = w[1][filter];
        for j in 0..REACH {
            for i in 0..REACH {
                if let Some(from) = source(x, y, i, j) {
                    sum += w[0][(filter * REACH + j) * REACH + i] * f64::from(picture[from]);
                }
            }
        }
        sum.max(0.0)
    };
    let mut features = Vec::with_capacity(FEATURES);
    for filter in 0..FILTERS {
        for y in 0..POOLED {
            for x in 0..POOLED {
                let mut best = (0, f64::NEG_INFINITY);
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (x, y) = (2 * x + dx, 2 * y + dy);
                    let value = filtered(filter, x, y);
                    if value > best.1 {
                        best = (y * SIDE + x, value);
                    }
                }
                features.push(best);
            }
        }
    }
    let mut hidden = w[3].clone();
    for (feature, (_, value)) in features.iter().enumerate() {
        for (unit, sum) in hidden.iter_mut().enumerate() {
            *sum += value * w[2][feature * HIDDEN + unit];
        }
    }
    hidden.iter_mut().for_each(|sum| *sum = sum.max(0.0));
    let scores = std::array::from_fn(|class| {
        w[5][class]
            + hidden.iter().enumerate().map(|(unit, value)| value * w[4][unit * CLASSES + class]).sum::<f64>()
    });
    Pass { features, hidden, scores }
}

/// One step of gradient descent on the mean cross entropy of a batch. Returns that mean, before the step.
pub(crate) fn step(weights: &mut Weights<f64>, pictures: &[f32], labels: &[u8], rate: f64) -> f64 {
    let mut slope = Weights(std::array::from_fn(|layer| vec![0.0; weights.0[layer].len()]));
    let mut loss = 0.0;
    for (picture, label) in pictures.chunks(POINTS).zip(labels) {
        loss += descend(weights, &mut slope, picture, usize::from(*label));
    }
    let count = labels.len() as f64;
    for (layer, slope) in weights.0.iter_mut().zip(&slope.0) {
        for (weight, slope) in layer.iter_mut().zip(slope) {
            *weight -= rate * slope / count;
        }
    }
    loss / count
}

/// Adds one picture's slopes to the sum, and returns its cross entropy.
fn descend(weights: &Weights<f64>, slope: &mut Weights<f64>, picture: &[f32], label: usize) -> f64 {
    let Weights(w) = weights;
    let Weights([filters, filter_bias, hidden, hidden_bias, output, output_bias]) = slope;
    let pass = pass(weights, picture);
    let top = pass.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total = pass.scores.iter().map(|score| (score - top).exp()).sum::<f64>().ln() + top;
    let at_output: [f64; CLASSES] = std::array::from_fn(|class| {
        (pass.scores[class] - total).exp() - if class == label { 1.0 } else { 0.0 }
    });
    let mut at_hidden = [0.0; HIDDEN];
    for (class, slope) in at_output.iter().enumerate() {
        output_bias[class] += slope;
        for unit in 0..HIDDEN {
            output[unit * CLASSES + class] += slope * pass.hidden[unit];
            at_hidden[unit] += slope * w[4][unit * CLASSES + class];
        }
    }
    for unit in 0..HIDDEN {
        if pass.hidden[unit] == 0.0 {
            at_hidden[unit] = 0.0;
        }
        hidden_bias[unit] += at_hidden[unit];
    }
    for (feature, (place, value)) in pass.features.iter().enumerate() {
        let mut at_feature = 0.0;
        for unit in 0..HIDDEN {
            hidden[feature * HIDDEN + unit] += at_hidden[unit] * value;
            at_feature += at_hidden[unit] * w[2][feature * HIDDEN + unit];
        }
        if *value == 0.0 {
            continue;
        }
        let filter = feature / (POOLED * POOLED);
        filter_bias[filter] += at_feature;
        for j in 0..REACH {
            for i in 0..REACH {
                if let Some(from) = source(place % SIDE, place / SIDE, i, j) {
                    filters[(filter * REACH + j) * REACH + i] += at_feature * f64::from(picture[from]);
                }
            }
        }
    }
    total - pass.scores[label]
}

#[cfg(test)]
mod tests {
    use super::{scores, step};
    use crate::data::{Digits, POINTS, Random};
    use crate::weights::Weights;

    fn loss(weights: &Weights<f64>, digits: &Digits) -> f64 {
        let each = digits.pictures.chunks(POINTS).zip(&digits.labels).map(|(picture, label)| {
            let scores = scores(weights, picture);
            scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[usize::from(*label)]
        });
        each.sum::<f64>() / digits.labels.len() as f64
    }

    #[test]
    fn a_step_goes_against_the_slope_of_the_loss() {
        let mut random = Random::new(3);
        let digits = Digits::draw(5, &mut random);
        let before = Weights::random(&mut random).widen();
        let mut after = before.clone();
        let rate = 1e-3;
        let said = step(&mut after, &digits.pictures, &digits.labels, rate);
        assert!((said - loss(&before, &digits)).abs() < 1e-12);
        for layer in 0..before.0.len() {
            for index in (0..before.0[layer].len()).step_by(7) {
                let taken = (before.0[layer][index] - after.0[layer][index]) / rate;
                let at = |change: f64| {
                    let mut weights = before.clone();
                    weights.0[layer][index] += change;
                    loss(&weights, &digits)
                };
                let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((taken - slope).abs() < 1e-5, "{layer}/{index}: {taken} {slope}");
            }
        }
    }
}
