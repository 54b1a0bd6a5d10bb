//! Inputs of all classes.

use super::table::Takes;

/// Pairs per function.
pub(crate) const PAIRS: usize = 1 << 20;

const SPECIAL: [u32; 32] = [
    0,
    1,
    2,
    0x007f_ffff,
    0x0080_0000,
    0x0080_0001,
    0x00ff_ffff,
    0x0100_0000,
    0x3300_0000,
    0x3380_0000,
    0x3387_ffff,
    0x3880_0000,
    0x387f_ffff,
    0x3f00_0000,
    0x3f7f_ffff,
    0x3f80_0000,
    0x3f80_0001,
    0x3fff_ffff,
    0x4000_0000,
    0x4040_0000,
    0x477f_e000,
    0x477f_efff,
    0x477f_f000,
    0x4b00_0000,
    0x4f00_0000,
    0x4eff_ffff,
    0x4f80_0000,
    0x7e80_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7f80_0001,
    0x7fc0_0000,
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    fn below(&mut self, count: u32) -> u32 {
        self.next() % count
    }

    /// Its exponent within [low, high].
    fn float(&mut self, low: i32, high: i32) -> u32 {
        let exponent = low + self.below((high - low + 1) as u32) as i32;
        self.next() & 0x807f_ffff | ((exponent + 127) as u32) << 23
    }

    /// A special number or one beside it.
    fn special(&mut self) -> u32 {
        let number = SPECIAL[self.below(SPECIAL.len() as u32) as usize];
        let beside = if self.below(2) == 0 { 0 } else { self.below(9).wrapping_sub(4) };
        number.wrapping_add(beside) ^ self.next() & 0x8000_0000
    }

    /// Uniform within [-most, most].
    fn uniform(&mut self, most: f32) -> u32 {
        ((self.next() as f32 / 2_147_483_648.0 - 1.0) * most).to_bits()
    }

    /// A pair whose quotient lies close to the middle between two floats of the given exponent.
    fn halfway(&mut self, exponent: i32) -> [u32; 2] {
        let divisor = self.float(-3, 3);
        let quotient = u64::from(self.next() | 1) >> 7 | 1 << 24 | 1;
        let dividend = quotient as f64 * f64::from(f32::from_bits(divisor)) * 2_f64.powi(exponent - 24);
        let dividend = (dividend as f32).to_bits().wrapping_add(self.below(3).wrapping_sub(1));
        [dividend, divisor]
    }

    /// A pair whose power is a number, and often a large or small one.
    fn power(&mut self) -> [u32; 2] {
        let x = match self.below(3) {
            0 => self.float(-126, 127),
            1 => self.float(-3, 3),
            _ => 0x3f80_0000_u32.wrapping_add(self.below(1 << 20)).wrapping_sub(1 << 19),
        } & 0x7fff_ffff;
        let log = f32::from_bits(x).log2();
        let power = f32::from_bits(self.uniform(155.0));
        [x, (power / log).to_bits()]
    }
}

/// Words for both arguments.
pub(crate) fn inputs(takes: Takes) -> Vec<[u32; 2]> {
    others(takes, 0)
}

/// Others of the same classes, by a number.
pub(crate) fn others(takes: Takes, seed: u64) -> Vec<[u32; 2]> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed.wrapping_mul(0xd1b5_4a32_d192_ed03));
    (0..PAIRS)
        .map(|index| match (takes, index % 8) {
            (Takes::Half, _) => [index as u32, 0],
            (Takes::Power, 0) => [random.special(), random.next()],
            (Takes::Power, 1) => [random.next(), random.next()],
            (Takes::Power, _) => [random.next(), random.below(600).wrapping_sub(300)],
            (_, 0) => [random.special(), random.special()],
            (_, 1) => [random.next(), random.next()],
            (_, 2) => [random.float(-24, 24), random.float(-24, 24)],
            (_, 3) => [random.float(-2, 2), random.float(-126, 127)],
            (Takes::One, 4) => [random.uniform(110.0), 0],
            (Takes::One, 5) => [random.next() & 0x80ff_ffff, 0],
            (Takes::One, 6) => [random.uniform(2.0), 0],
            (Takes::One, _) => [0x3f80_0000_u32.wrapping_add(random.below(1 << 16)).wrapping_sub(1 << 15), 0],
            (_, 4) => {
                let exponent = random.below(240) as i32 - 120;
                random.halfway(exponent)
            }
            (_, 5) => {
                let exponent = random.below(28) as i32 - 151;
                random.halfway(exponent)
            }
            (_, 6) => random.power(),
            (_, _) => [random.next() & 0x80ff_ffff, random.next() & 0x80ff_ffff],
        })
        .collect()
}
