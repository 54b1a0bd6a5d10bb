//! Text from peers, which ends on people's terminals.

/// Whether a character may steer a terminal or hide text.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether text holds only what may be shown.
pub(crate) fn is_clean(text: &str) -> bool {
    !text.chars().any(steers)
}

/// Text with what may not be shown replaced, cut to at most `limit` bytes.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if steers(c) { ' ' } else { c };
        if out.len() + c.len_utf8() > limit {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaned_text_is_clean_and_short() {
        let bad = "a\u{1b}[31mb\u{202e}c\r\nd";
        assert!(!is_clean(bad));
        let good = clean(bad, 100);
        assert_eq!(good, "a [31mb c \nd");
        assert!(is_clean(&good));
        assert_eq!(clean("ééé", 5), "éé");
    }
}
