//! The grid that cuts a picture into tiles, and puts it together again.

use crate::picture::Picture;
use std::fmt;
use std::str::FromStr;

/// The most columns, and rows, of a grid.
const MOST: u32 = 1000;

/// The side of a tile that is worth a task, in pixels.
const GOOD_SIDE: u32 = 150;

/// Columns and rows of tiles. Written `COLSxROWS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    columns: u32,
    rows: u32,
}

/// A rectangle of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Grid {
    /// A grid of tiles of about 150 by 150 pixels.
    pub(crate) fn suggest(picture: &Picture) -> Self {
        let cut = |side: u32| ((side + GOOD_SIDE / 2) / GOOD_SIDE).clamp(1, MOST);
        Self { columns: cut(picture.width), rows: cut(picture.height) }
    }

    /// Tile `index` of a picture, counted from 0, row by row.
    ///
    /// # Errors
    /// Where there is no such tile, or the grid has more columns or rows than the picture has pixels.
    pub(crate) fn tile(self, picture: &Picture, index: u32) -> Result<Tile, String> {
        if index >= self.columns * self.rows {
            return Err(format!("a grid of {self} has no tile {index}"));
        }
        if self.columns > picture.width || self.rows > picture.height {
            return Err(format!(
                "a grid of {self} is too fine for {}x{} pixels",
                picture.width, picture.height
            ));
        }
        let (x, width) = part(picture.width, self.columns, index % self.columns);
        let (y, height) = part(picture.height, self.rows, index / self.columns);
        Ok(Tile { x, y, width, height })
    }

    /// All tiles of a picture, in order. None if the grid is too fine for it.
    pub(crate) fn tiles(self, picture: &Picture) -> impl Iterator<Item = Tile> {
        (0..self.columns * self.rows).map_while(move |index| self.tile(picture, index).ok())
    }

    /// A picture of the size of `like`, from all its tiles in order.
    ///
    /// # Errors
    /// Where a tile is missing or of the wrong size.
    pub(crate) fn join(self, like: &Picture, parts: &[Picture]) -> Result<Picture, String> {
        let wanted = (self.columns * self.rows) as usize;
        if parts.len() != wanted {
            return Err(format!("a grid of {self} has {wanted} tiles, not {}", parts.len()));
        }
        let stride = like.width as usize;
        let mut pixels = vec![[0; 3]; like.pixels.len()];
        for (index, part) in parts.iter().enumerate() {
            let tile = self.tile(like, index as u32)?;
            if (part.width, part.height) != (tile.width, tile.height) {
                return Err(format!(
                    "tile {index} is {}x{} and should be {}x{}",
                    part.width, part.height, tile.width, tile.height
                ));
            }
            for (row, line) in part.pixels.chunks_exact(part.width as usize).enumerate() {
                let start = (tile.y as usize + row) * stride + tile.x as usize;
                pixels[start..start + line.len()].copy_from_slice(line);
            }
        }
        Ok(Picture { width: like.width, height: like.height, pixels })
    }
}

/// Start and length of part `index` of `side`, cut into `parts` whose lengths differ by at most one.
fn part(side: u32, parts: u32, index: u32) -> (u32, u32) {
    let edge = |index: u32| (u64::from(side) * u64::from(index) / u64::from(parts)) as u32;
    (edge(index), edge(index + 1) - edge(index))
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.columns, self.rows)
    }
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |word: &str| word.parse().ok().filter(|n| (1..=MOST).contains(n));
        text.split_once('x')
            .and_then(|(columns, rows)| Some(Self { columns: number(columns)?, rows: number(rows)? }))
            .ok_or_else(|| format!("{text:?} is not a grid: write COLSxROWS, each from 1 to {MOST}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Grid, Picture};

    fn picture(width: u32, height: u32) -> Picture {
        let pixels = (0..width * height).map(|i| [i as u8, (i >> 8) as u8, 7]).collect();
        Picture { width, height, pixels }
    }

    #[test]
    fn tiles_join_to_the_picture_they_were_cut_from() {
        for (grid, width, height) in [("1x1", 9, 5), ("4x3", 31, 17), ("9x5", 9, 5), ("2x7", 20, 7)] {
            let (grid, picture): (Grid, _) = (grid.parse().unwrap(), picture(width, height));
            let cut = |tile: super::Tile| {
                let rows = tile.y..tile.y + tile.height;
                let pixels = rows.flat_map(|y| (tile.x..tile.x + tile.width).map(move |x| (x, y)));
                let pixels = pixels.map(|(x, y)| picture.at(x, y)).collect();
                Picture { width: tile.width, height: tile.height, pixels }
            };
            let tiles: Vec<Picture> = grid.tiles(&picture).map(cut).collect();
            assert_eq!(grid.join(&picture, &tiles).unwrap(), picture);
            grid.join(&picture, &tiles[1..]).unwrap_err();
        }
    }

    #[test]
    fn a_tile_of_another_size_is_refused() {
        let grid: Grid = "2x1".parse().unwrap();
        let error = grid.join(&picture(5, 4), &[picture(3, 4), picture(2, 4)]).unwrap_err();
        assert_eq!(error, "tile 0 is 3x4 and should be 2x4");
    }

    #[test]
    fn grids_that_make_no_sense_are_refused() {
        for text in ["", "4", "x", "0x3", "4x", "4x-1", "1001x1", "99999999999x1"] {
            text.parse::<Grid>().unwrap_err();
        }
        "6x1".parse::<Grid>().unwrap().tile(&picture(5, 5), 0).unwrap_err();
        "2x2".parse::<Grid>().unwrap().tile(&picture(5, 5), 4).unwrap_err();
    }

    #[test]
    fn the_suggestion_suits_the_size() {
        assert_eq!(Grid::suggest(&picture(600, 400)).to_string(), "4x3");
        assert_eq!(Grid::suggest(&picture(1, 1)).to_string(), "1x1");
    }
}
