//! Lists inside commands, checked once and read in place.

use crate::bytes::Reader;
use crate::error::Fault;
use crate::values::{BindGroupEntry, BindingKind, LayoutEntry, TextureBinding, TextureFormat, ViewDimension};
use core::fmt;
use core::marker::PhantomData;

/// An item of fixed size in a [`List`].
pub trait Item: Sized {
    /// Bytes in the stream.
    const SIZE: usize;
    /// The item in exactly [`Self::SIZE`] bytes.
    fn parse(bytes: &[u8]) -> Result<Self, Fault>;
}

impl Item for u32 {
    const SIZE: usize = 4;

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        Reader(bytes).u32()
    }
}

impl Item for LayoutEntry {
    const SIZE: usize = 28;

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut from = Reader(bytes);
        let binding = from.u32()?;
        let kind = BindingKind::read(&mut from)?;
        let dynamic = if kind.is_texture() { 0 } else { LayoutEntry::DYNAMIC };
        let flags = from.bits(dynamic | LayoutEntry::VISIBLE, "layout entry flags")?;
        let texture = if kind.is_texture() {
            let format = TextureFormat::read(&mut from)?;
            Some(TextureBinding { format, dimension: ViewDimension::read(&mut from)? })
        } else {
            from.bits(0, "texture format")?;
            from.bits(0, "view dimension")?;
            None
        };
        let min_size = from.u64()?;
        if kind.is_texture() && min_size != 0 {
            return Err(Fault::Value("least size"));
        }
        Ok(LayoutEntry {
            binding,
            kind,
            dynamic_offset: flags & LayoutEntry::DYNAMIC != 0,
            visible: flags & LayoutEntry::VISIBLE != 0,
            min_size,
            texture,
        })
    }
}

impl Item for BindGroupEntry {
    const SIZE: usize = 24;

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut from = Reader(bytes);
        Ok(BindGroupEntry {
            binding: from.u32()?,
            resource: from.id()?,
            offset: from.u64()?,
            size: from.u64()?,
        })
    }
}

/// Items that were all checked when the command was decoded.
pub struct List<'a, T> {
    bytes: &'a [u8],
    item: PhantomData<fn() -> T>,
}

impl<'a, T: Item> List<'a, T> {
    pub(crate) fn read(from: &mut Reader<'a>) -> Result<Self, Fault> {
        let count = from.u32()? as usize;
        let bytes = from.take(count.checked_mul(T::SIZE).ok_or(Fault::Short)?)?;
        for chunk in bytes.chunks_exact(T::SIZE) {
            T::parse(chunk)?;
        }
        Ok(List { bytes, item: PhantomData })
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.bytes.len() / T::SIZE
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The items in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + Clone + use<'a, T> {
        self.bytes.chunks_exact(T::SIZE).map(|chunk| T::parse(chunk).expect("checked when decoded"))
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T: Item + fmt::Debug> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Pipeline constants: names with values.
#[derive(Clone, Copy, PartialEq)]
pub struct Constants<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Constants<'a> {
    pub(crate) fn read(from: &mut Reader<'a>) -> Result<Self, Fault> {
        let count = from.u32()?;
        let start = from.0;
        for _ in 0..count {
            Self::item(from)?;
        }
        Ok(Constants { count, bytes: &start[..start.len() - from.0.len()] })
    }

    fn item(from: &mut Reader<'a>) -> Result<(&'a str, f64), Fault> {
        Ok((from.long_text()?, from.f64()?))
    }

    /// Number of constants.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, f64)> + use<'a> {
        let mut rest = Reader(self.bytes);
        (0..self.count).map(move |_| Self::item(&mut rest).expect("checked when decoded"))
    }
}

impl fmt::Debug for Constants<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
