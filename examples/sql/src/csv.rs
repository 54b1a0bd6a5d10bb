//! CSV as RFC 4180 has it: commas, quotes doubled inside quotes, lines that end in LF or CRLF.

use std::borrow::Cow;

/// A quote that is not closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OpenQuote;

impl std::fmt::Display for OpenQuote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a quote is not closed")
    }
}

impl std::error::Error for OpenQuote {}

/// The text's records, each a list of fields.
pub(crate) fn records(text: &str) -> impl Iterator<Item = Result<Vec<String>, OpenQuote>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            let (field, after) = match take_field(rest) {
                Ok(taken) => taken,
                Err(error) => {
                    rest = "";
                    return Some(Err(error));
                }
            };
            fields.push(field);
            let after_comma = after.strip_prefix(',');
            rest = after_comma.unwrap_or(after);
            if after_comma.is_none() {
                rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
                return Some(Ok(fields));
            }
        }
    })
}

/// The first field, and what comes after it: nothing, a comma or the end of a line.
fn take_field(text: &str) -> Result<(String, &str), OpenQuote> {
    let mut field = String::new();
    let mut rest = text;
    if let Some(inside) = rest.strip_prefix('"') {
        rest = inside;
        loop {
            let (before, after) = rest.split_once('"').ok_or(OpenQuote)?;
            field.push_str(before);
            rest = after;
            match rest.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    rest = after;
                }
                None => break,
            }
        }
    }
    let end = rest.find([',', '\n']).unwrap_or(rest.len());
    let end = if rest[..end].ends_with('\r') && rest[end..].starts_with('\n') { end - 1 } else { end };
    field.push_str(&rest[..end]);
    Ok((field, &rest[end..]))
}

/// A field as it stands in CSV.
pub(crate) fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Vec<String>>, OpenQuote> {
        records(text).collect()
    }

    #[test]
    fn records_and_fields() {
        let owned = |rows: &[&[&str]]| -> Vec<Vec<String>> {
            rows.iter().map(|row| row.iter().map(|&field| field.to_owned()).collect()).collect()
        };
        assert_eq!(all("").unwrap(), owned(&[]));
        assert_eq!(all("a,b\r\n1,\n").unwrap(), owned(&[&["a", "b"], &["1", ""]]));
        assert_eq!(all("\"a,\n\"\"b\"\"\",c").unwrap(), owned(&[&["a,\n\"b\"", "c"]]));
        assert_eq!(all("\n\nx").unwrap(), owned(&[&[""], &[""], &["x"]]));
        assert_eq!(all("a,\"b"), Err(OpenQuote));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for text in ["", "plain", "a,b", "say \"no\"", "two\nlines", "\r"] {
            assert_eq!(all(&format!("{},x\n", field(text))).unwrap(), [[text.to_owned(), "x".to_owned()]]);
        }
    }
}
