//! How much noise a picture has, measured from the picture itself.

use crate::picture::Picture;

/// What the median of the absolute values of a normal distribution is to its standard deviation.
const MEDIAN_TO_DEVIATION: f64 = 0.6745;

/// The standard deviation of the noise, in levels of 0 to 255.
///
/// The estimator of Donoho and Johnstone (1994): the median of the absolute diagonal details of the Haar
/// wavelet. Edges and texture are large but rare among them, so the median is that of the noise.
pub(crate) fn estimate(picture: &Picture) -> f64 {
    // The details are half of `|a - b - c + d|`, which is at most 510.
    let mut counts = [0u64; 511];
    for y in 1..picture.height {
        for x in 1..picture.width {
            let corners = [(x - 1, y - 1), (x, y - 1), (x - 1, y), (x, y)].map(|(x, y)| picture.at(x, y));
            for channel in 0..3 {
                let [a, b, c, d] = corners.map(|pixel| i32::from(pixel[channel]));
                counts[(a - b - c + d).unsigned_abs() as usize] += 1;
            }
        }
    }
    median(&counts) / 2.0 / MEDIAN_TO_DEVIATION
}

/// The median of whole numbers that were counted, each taken as spread evenly over half a unit on both sides.
fn median(counts: &[u64]) -> f64 {
    let half = counts.iter().sum::<u64>() as f64 / 2.0;
    let mut below = 0.0;
    for (value, &count) in counts.iter().enumerate() {
        let count = count as f64;
        if count > 0.0 && below + count >= half {
            return (value as f64 - 0.5 + (half - below) / count).max(0.0);
        }
        below += count;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::{estimate, median};
    use crate::picture::Picture;
    use crate::sensor::Random;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[0, 0, 4]), 2.0);
        assert_eq!(median(&[1, 1, 1]), 1.0);
        assert_eq!(median(&[0, 2, 2]), 1.5);
    }

    #[test]
    fn the_noise_is_found_under_edges() {
        let mut random = Random::new(3);
        for sigma in [4.0, 10.0, 25.0] {
            let side = 128u32;
            let pixels = (0..side * side)
                .map(|i| {
                    let (x, y) = (i % side, i / side);
                    let level = if (x / 16 + y / 16).is_multiple_of(2) { 90.0 } else { 160.0 };
                    [0; 3].map(|_: u8| (level + sigma * random.normal() + 0.5) as u8)
                })
                .collect();
            let found = estimate(&Picture { width: side, height: side, pixels });
            assert!((found / sigma - 1.0).abs() < 0.05, "{found} for {sigma}");
        }
    }

    #[test]
    fn a_flat_picture_and_a_single_pixel_have_none() {
        for side in [1, 9] {
            let pixels = vec![[200, 100, 50]; (side * side) as usize];
            assert!(estimate(&Picture { width: side, height: side, pixels }) < 0.4);
        }
    }
}
