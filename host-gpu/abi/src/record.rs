//! The records that `take_error` gives: errors, answers of popped scopes, shader messages.
//!
//! ```text
//! u32 kind | u32 size of the record | u32 subject | u32 code | u32 line | u32 column | u32 offset | u32 length | text
//! ```
//! `text` is as in the stream: `u32` length, UTF-8, zeros up to a multiple of 4.

use crate::bytes::{Put, Reader, count, cut};
use crate::error::Fault;
use crate::values::{ErrorClass, Severity, coded};
use crate::{MAX_RECORD, bytes};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

coded! {
    /// What a record tells.
    RecordKind, "record kind" {
        /// An error that no scope caught; the code is an [`ErrorClass`].
        Uncaptured = 1,
        /// The answer of a `POP_ERROR_SCOPE`; the code is an [`ErrorClass`], or 0 for "no error".
        Scope = 2,
        /// A message about a shader; the code is a [`Severity`].
        Shader = 3,
    }
}

/// A record with its text borrowed from the encoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// What it tells.
    pub kind: RecordKind,
    /// Scope: how many scopes remain open. Shader: its id. Else 0.
    pub subject: u32,
    /// An [`ErrorClass`] or a [`Severity`]; 0 for a scope without error.
    pub code: u32,
    /// Line in the WGSL, from 1; 0 if unknown or not about a shader.
    pub line: u32,
    /// Column in the line, from 1, in bytes (WebGPU's `linePos` counts the same in ASCII); 0 if unknown.
    pub column: u32,
    /// First byte in the WGSL.
    pub offset: u32,
    /// Bytes in the WGSL.
    pub length: u32,
    /// The message.
    pub text: &'a str,
}

impl<'a> RecordRef<'a> {
    const FIXED: usize = 36;

    /// The error's class, where the record is about one.
    pub fn class(&self) -> Option<ErrorClass> {
        if self.kind == RecordKind::Shader { None } else { ErrorClass::from_code(self.code) }
    }

    /// The message's weight, where the record is about a shader.
    pub fn severity(&self) -> Option<Severity> {
        if self.kind == RecordKind::Shader { Severity::from_code(self.code) } else { None }
    }

    /// Reads one record that fills `bytes`.
    ///
    /// # Errors
    /// Anything that [`RecordRef::to_bytes`] does not make.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut from = Reader(bytes);
        let kind = RecordKind::read(&mut from)?;
        if from.u32()? as usize != bytes.len() || bytes.len() > MAX_RECORD {
            return Err(Fault::Size);
        }
        let record = RecordRef {
            kind,
            subject: from.u32()?,
            code: from.u32()?,
            line: from.u32()?,
            column: from.u32()?,
            offset: from.u32()?,
            length: from.u32()?,
            text: from.long_text()?,
        };
        from.end()?;
        let known = match kind {
            RecordKind::Uncaptured => record.class().is_some(),
            RecordKind::Scope => record.code == 0 || record.class().is_some(),
            RecordKind::Shader => record.severity().is_some(),
        };
        if known { Ok(record) } else { Err(Fault::Value("record code")) }
    }

    /// The record's bytes, at most [`MAX_RECORD`]; a longer text is cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = cut(self.text, MAX_RECORD - Self::FIXED);
        let size = Self::FIXED + text.len().next_multiple_of(4);
        let mut to = Vec::with_capacity(size);
        let fields = [self.subject, self.code, self.line, self.column, self.offset, self.length];
        to.put_u32(self.kind.code());
        to.put_u32(count(size));
        fields.iter().for_each(|field| to.put_u32(*field));
        bytes::Put::put_bytes(&mut to, text.as_bytes());
        to
    }

    /// The record with a text of its own.
    pub fn to_owned(&self) -> Record {
        Record {
            kind: self.kind,
            subject: self.subject,
            code: self.code,
            line: self.line,
            column: self.column,
            offset: self.offset,
            length: self.length,
            text: self.text.to_string(),
        }
    }
}

/// A [`RecordRef`] that owns its text; fields are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are as in `RecordRef`.
pub struct Record {
    pub kind: RecordKind,
    pub subject: u32,
    pub code: u32,
    pub line: u32,
    pub column: u32,
    pub offset: u32,
    pub length: u32,
    pub text: String,
}

impl Record {
    /// A record that is not about a shader.
    pub fn new(kind: RecordKind, subject: u32, class: Option<ErrorClass>, text: String) -> Self {
        let code = class.map_or(0, ErrorClass::code);
        Record { kind, subject, code, line: 0, column: 0, offset: 0, length: 0, text }
    }

    /// Borrows the record.
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef {
            kind: self.kind,
            subject: self.subject,
            code: self.code,
            line: self.line,
            column: self.column,
            offset: self.offset,
            length: self.length,
            text: &self.text,
        }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.as_ref().to_bytes()
    }
}
