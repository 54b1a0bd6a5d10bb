//! How textures lie in memory.

/// A texture view as programs see it: five little-endian words at the address that a program gets for a storage texture.
///
/// Texels are stored as they are in buffers, rows without gaps, then the rows of a slice or layer, then the next one. A level of a texture is one
/// such block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewShape {
    /// Address of the view's first texel.
    pub address: u32,
    /// Bytes of all its texels.
    pub bytes: u32,
    /// Texels in a row.
    pub width: u32,
    /// Rows; 1 for textures of one dimension.
    pub height: u32,
    /// Slices of a texture of three dimensions, or layers.
    pub depth: u32,
}

impl ViewShape {
    /// Bytes in memory.
    pub const SIZE: u32 = 20;
    /// Where width, height and depth are among the words.
    pub(crate) const EXTENT: [u32; 3] = [2, 3, 4];

    /// As words.
    pub(crate) fn words(self) -> [u32; 5] {
        [self.address, self.bytes, self.width, self.height, self.depth]
    }
}
