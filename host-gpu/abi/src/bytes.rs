//! Reading and writing little-endian fields.

use crate::error::Fault;
use crate::{MAX_TEXT, NOT_GIVEN};
use alloc::vec::Vec;

/// Takes fields off the front of a payload.
#[derive(Clone)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Fault::Short)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Fault::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Fault> {
        self.u64().map(f64::from_bits)
    }

    /// An id that must name something.
    pub(crate) fn id(&mut self) -> Result<u32, Fault> {
        match self.u32()? {
            0 => Err(Fault::ZeroId),
            id => Ok(id),
        }
    }

    /// A number that may be left out.
    pub(crate) fn given(&mut self) -> Result<Option<u32>, Fault> {
        Ok(Some(self.u32()?).filter(|value| *value != NOT_GIVEN))
    }

    /// Three numbers.
    pub(crate) fn triple(&mut self) -> Result<[u32; 3], Fault> {
        Ok([self.u32()?, self.u32()?, self.u32()?])
    }

    /// Bits of which only those in `known` may be set.
    pub(crate) fn bits(&mut self, known: u32, field: &'static str) -> Result<u32, Fault> {
        let bits = self.u32()?;
        if bits & !known == 0 { Ok(bits) } else { Err(Fault::Value(field)) }
    }

    pub(crate) fn bytes(&mut self, longest: usize) -> Result<&'a [u8], Fault> {
        let len = self.u32()? as usize;
        if len > longest {
            return Err(Fault::TooLong);
        }
        let data = self.take(len)?;
        let padding = self.take(len.wrapping_neg() % 4)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Fault::Padding);
        }
        Ok(data)
    }

    /// Text of any length that fits the command.
    pub(crate) fn long_text(&mut self) -> Result<&'a str, Fault> {
        core::str::from_utf8(self.bytes(usize::MAX)?).map_err(|_| Fault::Text)
    }

    /// A label or message.
    pub(crate) fn text(&mut self) -> Result<&'a str, Fault> {
        core::str::from_utf8(self.bytes(MAX_TEXT)?).map_err(|_| Fault::Text)
    }

    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
    }
}

/// Appends fields.
pub(crate) trait Put {
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_bytes(&mut self, data: &[u8]);
    fn put_text(&mut self, text: &str);
}

impl Put for Vec<u8> {
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_bytes(&mut self, data: &[u8]) {
        self.put_u32(count(data.len()));
        self.extend_from_slice(data);
        self.resize(self.len() + (data.len().wrapping_neg() % 4), 0);
    }

    fn put_text(&mut self, text: &str) {
        self.put_bytes(cut(text, MAX_TEXT).as_bytes());
    }
}

/// A length as the stream's `u32`.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).expect("a command field is shorter than 4 GiB")
}

/// The longest beginning of `text` of at most `longest` bytes that is still UTF-8.
pub(crate) fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
