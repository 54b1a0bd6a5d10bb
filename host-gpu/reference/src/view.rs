//! How textures lie in memory.

/// A texture view as programs see it: eight little-endian words at the address that a program gets for a storage texture.
///
/// Texels are stored as they are in buffers, rows without gaps, then the rows of a slice or layer, then the next one. A level of a texture is one
/// such block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewShape {
    /// Address of the view's first texel.
    pub address: u32,
    /// Texels in a row.
    pub width: u32,
    /// Rows; 1 for textures of one dimension.
    pub height: u32,
    /// Slices of a texture of three dimensions, or layers.
    pub depth: u32,
    /// Bytes from a row to the next.
    pub row_bytes: u32,
    /// Bytes from a slice or layer to the next.
    pub slice_bytes: u32,
}

impl ViewShape {
    /// Bytes in memory.
    pub const SIZE: u32 = 32;

    /// As words; the last two are zero.
    pub(crate) fn words(self) -> [u32; 8] {
        [self.address, self.width, self.height, self.depth, self.row_bytes, self.slice_bytes, 0, 0]
    }
}
