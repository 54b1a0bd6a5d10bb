//! What the likeness of two patches is worth.

/// Pixels of a patch times samples of a pixel: what a distance is a sum over.
const SAMPLES: f64 = 27.0;

/// How fast a weight falls, as a part of the noise. From Buades, Coll and Morel, "Non-Local Means Denoising",
/// Image Processing On Line 1 (2011), table for colour pictures with patches of 3 by 3.
const FILTERING: f64 = 0.6;

/// The largest weight. A sum of 17 × 17 of them, times 255, fits into 32 bits.
const LARGEST: f64 = 32_767.0;

/// Entries of a table.
const ENTRIES: u32 = 1024;

/// A table from the distance of two patches to a weight.
///
/// The distance is the sum of the squared differences of their 27 samples. It is exact, and so is the table:
/// it is made with nothing but additions, multiplications and divisions, which all machines round alike.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// A distance is divided by two to this power to give an index.
    pub(crate) shift: u32,
    /// Weights from 32,767 down to 0. Distances beyond the table have the last one.
    pub(crate) table: Vec<u32>,
}

impl Weights {
    /// `exp(-max(d² - 2 σ², 0) / (0.6 σ)²)`, with `d²` the mean squared difference of two patches and `σ` the
    /// noise's standard deviation: two noisy views of the same thing are on average `2 σ²` apart, and full
    /// weight is due up to there.
    pub(crate) fn for_noise(sigma: f64) -> Self {
        // A picture without noise would divide by zero, and no 8-bit picture has less than this.
        let sigma = sigma.max(0.3);
        let distance = |exponent: f64| (2.0 + exponent * FILTERING * FILTERING) * sigma * sigma * SAMPLES;
        let weight = |square: f64| {
            let beyond = (square / SAMPLES - 2.0 * sigma * sigma).max(0.0);
            LARGEST * exp_of_minus(beyond / (FILTERING * FILTERING * sigma * sigma))
        };
        // At this exponent the weight is less than one half, which rounds to nothing.
        let end = distance(11.1);
        let shift = (0..21).find(|&shift| end < f64::from(ENTRIES << shift)).unwrap_or(21);
        // Each entry is the weight in the middle of the distances it stands for.
        let width = f64::from(1u32 << shift);
        let mut table: Vec<u32> =
            (0..ENTRIES).map(|entry| (weight((f64::from(entry) + 0.5) * width) + 0.5) as u32).collect();
        if let Some(last) = table.last_mut() {
            *last = 0;
        }
        Self { shift, table }
    }

    /// The weight of a distance.
    pub(crate) fn of(&self, distance: u32) -> u32 {
        let last = self.table.len() - 1;
        self.table[((distance >> self.shift) as usize).min(last)]
    }
}

/// `exp(-x)` for `x` from 0, to about eleven digits, the same on every machine.
///
/// `exp(-x / 4096)` by its series, then squared twelve times.
pub(crate) fn exp_of_minus(x: f64) -> f64 {
    let small = x / 4096.0;
    let mut sum = 1.0;
    for order in (1..=8).rev() {
        sum = 1.0 - sum * small / f64::from(order);
    }
    // Beyond 700 the series itself would be poor; the true value is as good as zero.
    if x > 700.0 { 0.0 } else { (0..12).fold(sum, |power, _| power * power) }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Weights, exp_of_minus};

    #[test]
    fn the_exponential_is_right() {
        for i in 0..2000 {
            let x = f64::from(i) * 0.01;
            let error = exp_of_minus(x) / (-x).exp() - 1.0;
            assert!(error.abs() < 1e-10, "{x}: {error}");
        }
        assert_eq!(exp_of_minus(1e6), 0.0);
    }

    #[test]
    fn likeness_up_to_the_noise_has_full_weight_and_none_at_the_end() {
        for sigma in [0.0, 0.5, 3.0, 17.0, 60.0, 255.0] {
            let weights = Weights::for_noise(sigma);
            let noise = (27.0 * 2.0 * sigma * sigma * 0.9) as u32;
            assert!(f64::from(weights.of(noise)) > 0.9 * LARGEST, "sigma {sigma}");
            assert_eq!(weights.of(u32::MAX), 0);
            assert!(weights.table.is_sorted_by(|a, b| a >= b));
            assert!(weights.table.iter().all(|&weight| f64::from(weight) <= LARGEST));
        }
    }

    #[test]
    fn the_table_is_finely_divided() {
        for sigma in [1.0, 5.0, 20.0, 60.0] {
            let weights = Weights::for_noise(sigma);
            let between = weights.table.iter().filter(|&&w| w > 0 && f64::from(w) < LARGEST).count();
            assert!(between > 100, "only {between} steps at sigma {sigma}");
        }
    }
}
