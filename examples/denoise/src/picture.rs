//! A picture in memory.

/// An 8-bit RGB picture, row by row from the top left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Columns, at least one.
    pub(crate) width: u32,
    /// Rows, at least one.
    pub(crate) height: u32,
    /// `width * height` pixels.
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// The pixel in column `x` and row `y`, both inside the picture.
    pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.pixels[y as usize * self.width as usize + x as usize]
    }

    /// The mean of the squared differences of all samples.
    ///
    /// # Errors
    /// Where the pictures differ in size.
    pub(crate) fn difference(&self, other: &Self) -> Result<f64, String> {
        if (self.width, self.height) != (other.width, other.height) {
            return Err(format!(
                "a picture of {}x{} cannot be compared with one of {}x{}",
                self.width, self.height, other.width, other.height
            ));
        }
        let samples = self.pixels.as_flattened().iter().zip(other.pixels.as_flattened());
        let sum: u64 = samples.map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
        Ok(sum as f64 / (self.pixels.len() * 3) as f64)
    }
}
