//! Errors with a place in the source and the line itself.

use std::error::Error;
use std::fmt;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The text is not WGSL.
    Syntax,
    /// The text breaks a rule of WGSL, or uses what is not offered.
    Invalid,
    /// A limit of [`ShaderLimits`](crate::ShaderLimits) is passed.
    Limit,
    /// The host could not check; nothing is said about the shader.
    Host,
}

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Line, from 1.
    pub line: u32,
    /// Byte in the line, from 1.
    pub column: u32,
    /// Byte in the source, from 0.
    pub offset: u32,
    /// Bytes marked.
    pub length: u32,
}

/// Why a shader was refused. Its [`Display`](fmt::Display) form has the source line and a marker below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShaderError {
    /// What kind of refusal it is.
    pub reason: Reason,
    /// One line, in lower case.
    pub message: String,
    /// The guest's name for the shader; may be empty.
    pub label: String,
    /// Where in the source, where that is known.
    pub location: Option<Location>,
    /// The source line with a marker, and naga's notes. Empty without a location and notes.
    details: String,
}

impl Error for ShaderError {}

impl fmt::Display for ShaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.label, &self.location) {
            ("", None) => write!(f, "shader: {}", self.message)?,
            ("", Some(at)) => write!(f, "shader, line {}, column {}: {}", at.line, at.column, self.message)?,
            (label, None) => write!(f, "shader '{label}': {}", self.message)?,
            (label, Some(at)) => {
                write!(f, "shader '{label}', line {}, column {}: {}", at.line, at.column, self.message)?;
            }
        }
        f.write_str(&self.details)
    }
}

/// Longest message and longest shown part of a source line, in bytes.
const LONGEST: usize = 1000;
const WIDEST: usize = 120;
const NOTES: usize = 8;

impl ShaderError {
    pub(crate) fn new(reason: Reason, label: &str, message: String) -> Self {
        let message = cut(&message, LONGEST).to_owned();
        ShaderError { reason, message, label: label.to_owned(), location: None, details: String::new() }
    }

    pub(crate) fn limit(label: &str, message: String) -> Self {
        ShaderError::new(Reason::Limit, label, message)
    }

    pub(crate) fn host(label: &str, message: String) -> Self {
        ShaderError::new(Reason::Host, label, message)
    }

    pub(crate) fn at(
        reason: Reason,
        label: &str,
        message: String,
        source: &str,
        offset: usize,
        length: usize,
    ) -> Self {
        let mut error = ShaderError::new(reason, label, message);
        error.mark(source, offset, length, "");
        error
    }

    pub(crate) fn parse(label: &str, source: &str, error: &naga::front::wgsl::ParseError) -> Self {
        let mut refused = ShaderError::new(Reason::Syntax, label, error.message().to_owned());
        if let Some((span, text)) = error.labels().find(|(span, _)| span.is_defined()) {
            refused.mark_span(source, span, text);
        }
        for note in error.notes().take(NOTES) {
            refused.details.push_str("\n  note: ");
            refused.details.push_str(cut(note, WIDEST));
        }
        refused
    }

    pub(crate) fn invalid(
        label: &str,
        source: &str,
        error: &naga::WithSpan<naga::valid::ValidationError>,
    ) -> Self {
        let mut message = error.as_inner().to_string();
        let mut cause = error.as_inner().source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        let mut refused = ShaderError::new(Reason::Invalid, label, message);
        // The last span is the innermost: the expression, not its function.
        if let Some((span, text)) = error.spans().filter(|(span, _)| span.is_defined()).last() {
            refused.mark_span(source, *span, text);
        }
        refused
    }

    fn mark_span(&mut self, source: &str, span: naga::Span, text: &str) {
        if let Some(range) = span.to_range() {
            self.mark(source, range.start, range.len(), text);
        }
    }

    /// Adds the place and the source line, as
    ///
    /// ```text
    ///   3 |     let x = foo;
    ///     |             ^^^ text
    /// ```
    fn mark(&mut self, source: &str, offset: usize, length: usize, text: &str) {
        let place = locate(source, offset, length);
        self.location = Some(place);
        let offset = place.offset as usize;
        let start = offset + 1 - place.column as usize;
        let line = place.line;
        let shown = cut(source[start..].lines().next().unwrap_or_default(), WIDEST);
        let shown: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let number = line.to_string();
        self.details = format!("\n  {number} | {shown}");
        if offset - start <= shown.len() {
            let indent = source[start..offset].chars().count();
            let width = length.clamp(1, (shown.len() + 1 - (offset - start)).max(1));
            let gutter = " ".repeat(number.len());
            let mark =
                format!("\n  {gutter} | {}{} {}", " ".repeat(indent), "^".repeat(width), cut(text, WIDEST));
            self.details.push_str(mark.trim_end());
        }
    }
}

/// The place of a byte of the source, or of the character that it is in.
pub(crate) fn locate(source: &str, offset: usize, length: usize) -> Location {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &source[..offset];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    Location {
        line: small(before.matches('\n').count() + 1),
        column: small(offset - start + 1),
        offset: small(offset),
        length: small(length),
    }
}

fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The longest beginning of at most `longest` bytes that is still UTF-8.
fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
