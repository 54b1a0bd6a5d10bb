//! What a camera would have made of a picture in the dark: the noise of a sensor.
//!
//! Light comes as photons, and a pixel that expects `n` of them counts a Poisson number around `n` (shot
//! noise); reading the count adds a normal error (read noise). Levels are taken as square roots of light,
//! which is close to the curve of sRGB. Under that curve shot noise has nearly the same deviation at all
//! levels, `255 / (2 √full)` where `full` is the count at level 255, and read noise shows in the dark.
//! Colour filters and compression, which spread the noise of a real camera over neighbours, are left out.

use crate::picture::Picture;
use crate::weights::exp_of_minus;

/// Read noise, in photons.
const READ_NOISE: f64 = 1.0;

/// Counts beyond this are drawn from the normal distribution, which is then as good and much faster.
const LARGE: f64 = 80.0;

/// The picture as a sensor would see it whose shot noise is `sigma` levels of 255. Equal seeds, equal bytes.
///
/// # Errors
/// Where `sigma` is not between 1 and 60.
pub(crate) fn photograph(picture: &Picture, sigma: f64, seed: u64) -> Result<Picture, String> {
    if !(1.0..=60.0).contains(&sigma) {
        return Err(format!("the noise {sigma} is not between 1 and 60"));
    }
    let full = (255.0 / (2.0 * sigma)).powi(2);
    let expected: Vec<f64> = (0..256).map(|level| (f64::from(level) / 255.0).powi(2) * full).collect();
    let nothing: Vec<f64> = expected.iter().map(|&photons| exp_of_minus(photons.min(LARGE))).collect();
    let mut random = Random::new(seed);
    let mut expose = |level: u8| {
        let level = usize::from(level);
        let photons = random.poisson(expected[level], nothing[level]) + READ_NOISE * random.normal();
        (255.0 * (photons / full).clamp(0.0, 1.0).sqrt() + 0.5) as u8
    };
    let pixels = picture.pixels.iter().map(|pixel| pixel.map(&mut expose)).collect();
    Ok(Picture { width: picture.width, height: picture.height, pixels })
}

/// SplitMix64 (Steele, Lea and Flood, 2014), and two distributions drawn from it.
///
/// Only additions, multiplications, divisions and square roots: equal on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to just below 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, deviation 1: the sum of twelve uniform numbers (Irwin–Hall), which has no tail beyond 6.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A count around `mean`, by inversion. `nothing` is the probability of none, `exp(-mean)`.
    fn poisson(&mut self, mean: f64, nothing: f64) -> f64 {
        if mean > LARGE {
            return mean + mean.sqrt() * self.normal();
        }
        let target = self.uniform();
        let (mut count, mut probability, mut sum) = (0.0, nothing, nothing);
        // The end is for the last digits, where the sum may stop short of one.
        while sum < target && count < 4.0 * LARGE {
            count += 1.0;
            probability *= mean / count;
            sum += probability;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, photograph};
    use crate::picture::Picture;
    use crate::weights::exp_of_minus;

    /// Mean and variance of `n` draws.
    fn moments(n: u32, mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let draws: Vec<f64> = (0..n).map(|_| draw()).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n))
    }

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut random = Random::new(1);
        let (mean, variance) = moments(100_000, || random.normal());
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        for expected in [0.0, 0.5, 7.0, 60.0, 500.0] {
            let (mean, variance) = moments(100_000, || random.poisson(expected, exp_of_minus(expected)));
            let near = |x: f64| (x - expected).abs() <= 0.03 * expected;
            assert!(near(mean) && near(variance), "{expected}: {mean} {variance}");
        }
    }

    #[test]
    fn the_noise_is_what_was_asked_for_and_the_seed_decides_it() {
        let grey = Picture { width: 100, height: 100, pixels: vec![[128; 3]; 10_000] };
        for sigma in [2.0, 8.0, 20.0] {
            let noisy = photograph(&grey, sigma, 9).unwrap();
            let found = noisy.difference(&grey).unwrap().sqrt();
            assert!((found / sigma - 1.0).abs() < 0.1, "{found} for {sigma}");
            assert_eq!(noisy, photograph(&grey, sigma, 9).unwrap());
            assert_ne!(noisy, photograph(&grey, sigma, 10).unwrap());
        }
        for sigma in [0.0, -1.0, 61.0, f64::NAN, f64::INFINITY] {
            photograph(&grey, sigma, 9).unwrap_err();
        }
    }
}
