//! Pictures of digits, drawn by the program itself: glyphs of 5 × 7 points on 8 × 8, moved, faded and soiled.

/// Points along each side of a picture.
pub(crate) const SIDE: usize = 8;
/// Points of a picture.
pub(crate) const POINTS: usize = SIDE * SIDE;
/// Digits to tell apart.
pub(crate) const CLASSES: usize = 10;

/// The ten glyphs, one byte to a row of five points, the highest bit leftmost.
const GLYPHS: [[u8; 7]; CLASSES] = [
    [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
    [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
];

/// Numbers that only look random: xorshift64*, Vigna 2016, <https://doi.org/10.1145/2845077>.
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// At least 0 and less than 1, in steps of 2⁻²⁴.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Less than `end`.
    fn below(&mut self, end: usize) -> usize {
        (((self.next() >> 32) * end as u64) >> 32) as usize
    }
}

/// Pictures and what they show.
pub(crate) struct Digits {
    /// [`POINTS`] numbers for each picture, row by row.
    pub(crate) pictures: Vec<f32>,
    /// The digit in each picture.
    pub(crate) labels: Vec<u8>,
}

impl Digits {
    /// As many pictures as are asked for, all that the sequence has next.
    pub(crate) fn draw(count: usize, random: &mut Random) -> Digits {
        let mut digits =
            Digits { pictures: Vec::with_capacity(count * POINTS), labels: Vec::with_capacity(count) };
        for _ in 0..count {
            let label = random.below(CLASSES);
            digits.labels.push(label as u8);
            digits.pictures.extend(draw(&GLYPHS[label], random));
        }
        digits
    }
}

fn draw(glyph: &[u8; 7], random: &mut Random) -> [f32; POINTS] {
    let mut picture = [0.0; POINTS];
    let (left, top, ink) = (random.below(4), random.below(2), 0.6 + 0.4 * random.unit());
    for (y, row) in glyph.iter().enumerate() {
        for x in 0..5 {
            if (row >> (4 - x)) & 1 == 1 {
                picture[(top + y) * SIDE + left + x] = ink;
            }
        }
    }
    picture.map(|point| point + 0.5 * (random.unit() - 0.5))
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, Digits, POINTS, Random};

    #[test]
    fn every_digit_is_drawn_and_no_two_pictures_are_the_same() {
        let digits = Digits::draw(200, &mut Random::new(1));
        for class in 0..CLASSES {
            assert!(digits.labels.iter().any(|label| usize::from(*label) == class), "{class}");
        }
        let pictures: Vec<&[f32]> = digits.pictures.chunks(POINTS).collect();
        assert_eq!(pictures.len(), 200);
        for (index, picture) in pictures.iter().enumerate() {
            assert!(!pictures[..index].contains(picture));
        }
    }
}
