//! The board: a torus of cells, 64 to a word.

/// Cells on a torus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Board {
    /// Words of one row.
    words: usize,
    rows: Vec<u64>,
    /// The next generation, while it is made.
    next: Vec<u64>,
}

impl Board {
    /// A board of `64 × words` by `height` cells, both at least 1, filled from a seed: each cell lives with the
    /// chance of one half.
    pub(crate) fn random(words: usize, height: usize, mut seed: u64) -> Board {
        // SplitMix64, from "Fast splittable pseudorandom number generators" (Steele, Lea, Flood 2014).
        let mut random = || {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        let rows = (0..words * height).map(|_| random()).collect();
        Board { words, rows, next: vec![0; words * height] }
    }

    /// Cells in a row, and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        (64 * self.words, self.rows.len() / self.words)
    }

    /// Living cells.
    pub(crate) fn population(&self) -> u64 {
        self.rows.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether a cell lives.
    pub(crate) fn lives(&self, x: usize, y: usize) -> bool {
        self.rows[y * self.words + x / 64] >> (x % 64) & 1 == 1
    }

    /// One generation: a cell is born with three neighbours, and lives on with two or three.
    pub(crate) fn advance(&mut self) {
        let (words, height) = (self.words, self.rows.len() / self.words);
        for y in 0..height {
            let above = &self.rows[(y + height - 1) % height * words..][..words];
            let here = &self.rows[y * words..][..words];
            let below = &self.rows[(y + 1) % height * words..][..words];
            for x in 0..words {
                let (left, right) = ((x + words - 1) % words, (x + 1) % words);
                // Of each row the word, and its cells' neighbours to the left and to the right.
                let three =
                    |row: &[u64]| [row[x] << 1 | row[left] >> 63, row[x], row[x] >> 1 | row[right] << 63];
                let ([a, b, c], [d, alive, e], [f, g, h]) = (three(above), three(here), three(below));
                self.next[y * words + x] = rule(alive, [a, b, c, d, e, f, g, h]);
            }
        }
        std::mem::swap(&mut self.rows, &mut self.next);
    }
}

/// The rule for 64 cells at once: counts neighbours in three binary digits, of which the last takes all from four on.
fn rule(alive: u64, neighbours: [u64; 8]) -> u64 {
    let (mut ones, mut twos, mut fours) = (0, 0, 0);
    for cell in neighbours {
        let carry = ones & cell;
        ones ^= cell;
        fours |= twos & carry;
        twos ^= carry;
    }
    twos & !fours & (ones | alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule by counting.
    fn slow(board: &Board, x: usize, y: usize) -> bool {
        let (width, height) = board.size();
        let around = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)];
        let count = around
            .iter()
            .filter(|(dx, dy)| board.lives((x + dx + width - 1) % width, (y + dy + height - 1) % height))
            .count();
        count == 3 || count == 2 && board.lives(x, y)
    }

    #[test]
    fn words_do_what_counting_does() {
        for (words, height) in [(1, 1), (1, 7), (2, 5), (3, 64)] {
            let before = Board::random(words, height, 7);
            let mut after = before.clone();
            after.advance();
            for y in 0..height {
                for x in 0..64 * words {
                    assert_eq!(after.lives(x, y), slow(&before, x, y), "({x}, {y}) of {words} × {height}");
                }
            }
        }
    }
}
