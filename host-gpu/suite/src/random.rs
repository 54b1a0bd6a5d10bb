//! Inputs that look random, and are the same on every machine.

/// A permuted congruential generator of 32 bits.
pub(crate) struct Random(u32);

impl Random {
    pub(crate) fn new(seed: u32) -> Self {
        Random(seed)
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((self.0 >> ((self.0 >> 28) + 4)) ^ self.0).wrapping_mul(277_803_737);
        (word >> 22) ^ word
    }

    pub(crate) fn words(&mut self, count: u32) -> Vec<u32> {
        (0..count).map(|_| self.word()).collect()
    }

    /// From −1 to 1, with 24 bits each.
    pub(crate) fn real(&mut self) -> f32 {
        (self.word() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    /// The bits of numbers from −1 to 1.
    pub(crate) fn reals(&mut self, count: u32) -> Vec<u32> {
        (0..count).map(|_| self.real().to_bits()).collect()
    }

    /// The bits of numbers of which few are ordinary: any bits, subnormal numbers, zeros, infinities, NaN with a payload, and neighbours of powers of two.
    pub(crate) fn strange(&mut self, count: u32) -> Vec<u32> {
        let mut one = || {
            let word = self.word();
            let sign = word & 0x8000_0000;
            match self.word() % 8 {
                0..3 => word,
                3 => self.real().to_bits(),
                4 => sign | (word & 0x007f_ffff),
                5 => sign | (word & 0x7f80_0000),
                6 => (sign | (word & 0x7f80_0000)).wrapping_sub(1 + (word & 1)),
                _ => sign | [0, 0x7f80_0000, 0x7fc0_0001, 0x0080_0000, 0x7f7f_ffff][(word % 5) as usize],
            }
        };
        (0..count).map(|_| one()).collect()
    }
}
