//! Non-local means: each pixel becomes a mean of the pixels around it, weighted by how alike their
//! neighbourhoods are (Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005).
//!
//! This is the path without a GPU. It walks over the offsets of the search window and, for each, over the
//! tile, so that the distance of two patches is nine terms that neighbours share. All sums are whole numbers
//! that fit into 32 bits, so the order does not matter and the GPU comes to the same bytes.

use crate::grid::Tile;
use crate::picture::Picture;
use crate::weights::Weights;

/// How far a patch reaches from its middle, in pixels: patches are 3 by 3. The shader is written for this.
const PATCH: usize = 1;

/// How far the search reaches, in pixels: the window is 17 by 17.
pub(crate) const SEARCH: usize = 8;

/// A tile with what lies around it.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Columns of the tile.
    pub(crate) width: usize,
    /// Rows of the tile.
    pub(crate) height: usize,
    /// How far the search reaches.
    pub(crate) search: usize,
    /// The tile and `halo` pixels on each side, row by row.
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Block {
    /// Cuts a tile out of a picture, with all that its pixels depend on. Beyond the picture's edge, the
    /// picture is mirrored.
    pub(crate) fn cut(picture: &Picture, tile: &Tile) -> Self {
        Self::cut_for(picture, tile, SEARCH)
    }

    /// The same, for a search of another reach.
    pub(crate) fn cut_for(picture: &Picture, tile: &Tile, search: usize) -> Self {
        let halo = (search + PATCH) as i64;
        let columns: Vec<u32> = (-halo..i64::from(tile.width) + halo)
            .map(|x| mirror(i64::from(tile.x) + x, picture.width))
            .collect();
        let rows =
            (-halo..i64::from(tile.height) + halo).map(|y| mirror(i64::from(tile.y) + y, picture.height));
        let pixels = rows.flat_map(|y| columns.iter().map(move |&x| picture.at(x, y))).collect();
        Self { width: tile.width as usize, height: tile.height as usize, search, pixels }
    }

    /// How many pixels there are around the tile on each side.
    pub(crate) fn halo(&self) -> usize {
        self.search + PATCH
    }

    /// Pixels of a row, halo included.
    pub(crate) fn stride(&self) -> usize {
        self.width + 2 * self.halo()
    }

    /// How many patches each patch is compared with, itself included.
    pub(crate) fn comparisons(&self) -> usize {
        (2 * self.search + 1).pow(2)
    }
}

/// Where a coordinate comes to lie that is mirrored at both edges until it is inside.
fn mirror(at: i64, side: u32) -> u32 {
    let side = i64::from(side);
    let at = at.rem_euclid(2 * side);
    at.min(2 * side - 1 - at) as u32
}

/// The weighted sums that become a pixel.
#[derive(Clone, Copy, Default)]
struct Sums {
    colour: [u32; 3],
    weight: u32,
    heaviest: u32,
}

impl Sums {
    fn add(&mut self, pixel: [u8; 3], weight: u32) {
        for (sum, sample) in self.colour.iter_mut().zip(pixel) {
            *sum += weight * u32::from(sample);
        }
        self.weight += weight;
    }
}

/// The tile without its noise.
pub(crate) fn denoise(block: &Block, weights: &Weights) -> Picture {
    let (halo, stride) = (block.halo(), block.stride());
    let mut sums = vec![Sums::default(); block.width * block.height];
    let mut rows = Rows::new(block.width);
    for down in 0..=2 * block.search {
        for right in 0..=2 * block.search {
            if (down, right) == (block.search, block.search) {
                continue;
            }
            // Both start one patch radius outside the tile, the second one shifted by the offset.
            let here = &block.pixels[(halo - PATCH) * stride + halo - PATCH..];
            let there = &block.pixels[down * stride + right..];
            rows.compare(0, here, there);
            rows.compare(1, &here[stride..], &there[stride..]);
            for (y, sums) in sums.chunks_exact_mut(block.width).enumerate() {
                let below = (y + 2) * stride;
                rows.compare(y + 2, &here[below..], &there[below..]);
                let middle = &there[(y + PATCH) * stride + PATCH..];
                for ((sums, distance), &pixel) in sums.iter_mut().zip(rows.distances()).zip(middle) {
                    let weight = weights.of(distance);
                    sums.heaviest = sums.heaviest.max(weight);
                    sums.add(pixel, weight);
                }
            }
        }
    }
    let pixels = sums.iter().enumerate().map(|(i, sums)| {
        let (x, y) = (i % block.width, i / block.width);
        finish(*sums, block.pixels[(y + halo) * stride + x + halo])
    });
    Picture { width: block.width as u32, height: block.height as u32, pixels: pixels.collect() }
}

/// Adds the pixel itself, which is as like as its best match and would drown all others with full weight.
fn finish(mut sums: Sums, own: [u8; 3]) -> [u8; 3] {
    sums.add(own, sums.heaviest.max(1));
    sums.colour.map(|sum| ((sum + sums.weight / 2) / sums.weight) as u8)
}

/// The last three rows of squared differences, each already summed over three neighbours.
struct Rows {
    squares: Vec<u32>,
    sums: [Vec<u32>; 3],
}

impl Rows {
    fn new(width: usize) -> Self {
        Self { squares: vec![0; width + 2], sums: [0; 3].map(|_| vec![0; width]) }
    }

    /// Compares row `index` of two pictures, and forgets row `index - 3`.
    fn compare(&mut self, index: usize, here: &[[u8; 3]], there: &[[u8; 3]]) {
        for (square, (a, b)) in self.squares.iter_mut().zip(here.iter().zip(there)) {
            let [r, g, b] = [0, 1, 2].map(|channel| i32::from(a[channel]) - i32::from(b[channel]));
            *square = (r * r + g * g + b * b) as u32;
        }
        for (sum, three) in self.sums[index % 3].iter_mut().zip(self.squares.windows(3)) {
            *sum = three[0] + three[1] + three[2];
        }
    }

    /// The distances of the patches whose last row was compared last.
    fn distances(&self) -> impl Iterator<Item = u32> {
        let [a, b, c] = &self.sums;
        a.iter().zip(b).zip(c).map(|((a, b), c)| a + b + c)
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, SEARCH, denoise, mirror};
    use crate::grid::{Grid, Tile};
    use crate::noise;
    use crate::picture::Picture;
    use crate::sensor;
    use crate::weights::Weights;

    fn noisy(width: u32, height: u32) -> (Picture, Picture) {
        let level =
            |x: u32, y: u32| if (x / 9 + y / 7).is_multiple_of(2) { [200, 120, 40] } else { [60, 90, 150] };
        let pixels = (0..width * height).map(|i| level(i % width, i / width)).collect();
        let clean = Picture { width, height, pixels };
        let noisy = sensor::photograph(&clean, 12.0, 5).unwrap();
        (clean, noisy)
    }

    #[test]
    fn edges_are_mirrored() {
        assert_eq!([-3, -2, -1, 0, 1, 2, 3, 4, 5].map(|at| mirror(at, 3)), [2, 1, 0, 0, 1, 2, 2, 1, 0]);
        assert_eq!([-5, 0, 7].map(|at| mirror(at, 1)), [0, 0, 0]);
    }

    #[test]
    fn it_is_the_definition() {
        let (_, picture) = noisy(23, 19);
        let weights = Weights::for_noise(noise::estimate(&picture));
        let tile = Tile { x: 3, y: 0, width: 12, height: 19 };
        let result = denoise(&Block::cut(&picture, &tile), &weights);
        let at = |x: i64, y: i64| picture.at(mirror(x, 23), mirror(y, 19)).map(u32::from);
        let near = || (-1..=1).flat_map(|v| (-1..=1).map(move |u| (u, v)));
        let reach = SEARCH as i64;
        for (y, x) in [(0, 0), (0, 11), (9, 5), (18, 0), (18, 11)] {
            let (px, py) = (i64::from(tile.x) + x, y);
            let (mut colour, mut total, mut heaviest) = ([0u32; 3], 0, 0);
            for (u, v) in (-reach..=reach).flat_map(|v| (-reach..=reach).map(move |u| (u, v))) {
                if (u, v) == (0, 0) {
                    continue;
                }
                let distance = near()
                    .flat_map(|(i, j)| {
                        let (a, b) = (at(px + i, py + j), at(px + u + i, py + v + j));
                        [0, 1, 2].map(|c| a[c].abs_diff(b[c]).pow(2))
                    })
                    .sum();
                let weight = weights.of(distance);
                heaviest = heaviest.max(weight);
                total += weight;
                let other = at(px + u, py + v);
                colour = [0, 1, 2].map(|c| colour[c] + weight * other[c]);
            }
            let (own, heaviest) = (at(px, py), heaviest.max(1));
            total += heaviest;
            let wanted = [0, 1, 2].map(|c| ((colour[c] + heaviest * own[c] + total / 2) / total) as u8);
            assert_eq!(result.at(x as u32, y as u32), wanted, "at {x},{y}");
        }
    }

    #[test]
    fn it_takes_noise_out_and_the_grid_does_not_show() {
        let (clean, picture) = noisy(64, 48);
        let weights = Weights::for_noise(noise::estimate(&picture));
        let with = |grid: &str| {
            let grid: Grid = grid.parse().unwrap();
            let tiles: Vec<Picture> =
                grid.tiles(&picture).map(|tile| denoise(&Block::cut(&picture, &tile), &weights)).collect();
            grid.join(&picture, &tiles).unwrap()
        };
        let whole = with("1x1");
        assert!(whole.difference(&clean).unwrap() < 0.2 * picture.difference(&clean).unwrap());
        assert_eq!(whole, with("5x3"));
    }

    #[test]
    fn largest_sums_fit() {
        // Every patch is like every other, and every sample is the largest: debug builds check the sums.
        let picture = Picture { width: 4, height: 4, pixels: vec![[255; 3]; 16] };
        let tile = Tile { x: 0, y: 0, width: 4, height: 4 };
        assert_eq!(denoise(&Block::cut(&picture, &tile), &Weights::for_noise(0.0)), picture);
    }
}
