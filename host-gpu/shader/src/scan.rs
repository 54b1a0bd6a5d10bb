//! Bounds the depth of the source by its tokens, before anything recurses over it.
//!
//! naga's parser and lowering recurse over nested brackets, over the left side of operator and access chains, over `else if`
//! chains and over chains of declarations that use each other. The first three are bounded by one number:
//! on each open bracket the length of the current chain, and all of them added up. The last is bounded by the count of
//! declarations. Any text that naga could accept is counted at least as deep as naga goes.

use crate::ShaderLimits;

/// A refusal and its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Refused { offset, message: message.into() }
    }
}

/// A token: a word or number, or one byte of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn text(self, source: &str) -> &str {
        &source[self.start..self.end]
    }
}

/// Splits the source into tokens without comments and blanks.
pub(crate) fn tokens(source: &str) -> impl Iterator<Item = Token> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &source[at..];
            let first = rest.chars().next()?;
            if rest.starts_with("//") {
                at += rest.find(is_line_end).unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                at += block_comment(rest);
            } else if is_word(first) {
                let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                at += len;
                return Some(Token { start: at - len, end: at });
            } else if is_blank(first) {
                at += first.len_utf8();
            } else {
                at += first.len_utf8();
                return Some(Token { start: at - first.len_utf8(), end: at });
            }
        }
    })
}

/// What WGSL takes for a blank (Unicode's `Pattern_White_Space`): two of these are none to Rust.
fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r' | '\u{85}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
}

/// Bytes of the block comment that `rest` begins with; comments nest.
fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut open = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                open += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                open -= 1;
                at += 2;
                if open == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// WGSL's line breaks. Ending a comment early only counts more.
fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What is open inside one bracket.
#[derive(Default)]
struct Level {
    /// Steps of the current chain.
    chain: usize,
    /// Deepest bracket closed within the current chain.
    inner: usize,
    /// Deepest chain that ended in this bracket.
    deepest: usize,
    /// A `}` has just closed; unless `else` follows, the chain ends.
    after_block: bool,
}

impl Level {
    fn depth(&self) -> usize {
        self.chain + self.inner
    }

    fn end_chain(&mut self) {
        self.deepest = self.deepest.max(self.depth());
        self.chain = 0;
        self.inner = 0;
        self.after_block = false;
    }
}

/// Checks nesting, chains and the count of declarations, and returns the tokens.
pub(crate) fn scan(source: &str, limits: &ShaderLimits) -> Result<Vec<Token>, Refused> {
    let mut all = Vec::new();
    let mut levels = vec![Level::default()];
    let mut declarations = 0_usize;
    for token in tokens(source) {
        all.push(token);
        let text = token.text(source);
        let outermost = levels.len() == 1;
        let top = levels.last_mut().expect("the outermost level is never popped");
        if top.after_block && text != "else" {
            top.end_chain();
        }
        top.after_block = false;
        match text {
            "(" | "[" | "{" => {
                // A call or an index is a step of the chain it stands in.
                top.chain += 1;
                if levels.len() > limits.nesting {
                    return Err(Refused::new(
                        token.start,
                        format!("brackets are nested deeper than {}", limits.nesting),
                    ));
                }
                levels.push(Level::default());
            }
            ")" | "]" | "}" => {
                if outermost {
                    return Err(Refused::new(token.start, "bracket closes nothing"));
                }
                let mut closed = levels.pop().expect("two levels are there");
                closed.end_chain();
                let top = levels.last_mut().expect("one level is left");
                top.inner = top.inner.max(closed.deepest + 1);
                top.after_block = text == "}";
            }
            ";" | "," => top.end_chain(),
            "fn" | "const" | "override" | "alias" | "struct" | "var" | "const_assert" if outermost => {
                declarations += 1;
            }
            "else" => top.chain += 1,
            _ if text.starts_with(is_word) => {}
            _ => top.chain += 1,
        }
        let depth: usize = levels.iter().map(Level::depth).sum();
        if depth > limits.chain {
            return Err(Refused::new(
                token.start,
                format!("more than {} operators, accesses or `else`s in one chain", limits.chain),
            ));
        }
        if declarations > limits.declarations {
            return Err(Refused::new(token.start, format!("more than {} declarations", limits.declarations)));
        }
    }
    Ok(all)
}
