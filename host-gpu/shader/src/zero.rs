//! Refuses zero values that naga would spell out scalar by scalar.
//!
//! naga's constant evaluation turns `array<u32, N>()` into a list of N entries before it looks at
//! whether the operation on it makes sense, so that 30 bytes of WGSL can ask for gigabytes of host memory. This happens while
//! naga lowers, so the size must be known from tokens. Upper bounds suffice: names stand for the largest
//! constant declared under them, and what is not understood counts as too large, where it is used as a zero value at all.

use crate::ShaderLimits;
use crate::scan::{Refused, Token};
use std::collections::BTreeMap;

/// Where a name is declared: index of the token after `=` or `{`.
#[derive(Clone, Copy)]
enum Declared {
    Alias(usize),
    Struct(usize),
}

struct Text<'a> {
    words: Vec<&'a str>,
    types: BTreeMap<&'a str, Declared>,
    constants: BTreeMap<&'a str, Vec<usize>>,
    overrides: Vec<&'a str>,
    /// Known costs of types and bounds of constants; `None` while one is being looked at.
    type_costs: BTreeMap<&'a str, Option<u64>>,
    bounds: BTreeMap<&'a str, Option<u64>>,
    /// A template list went on past [`LONGEST_LIST`].
    too_long: bool,
}

/// Tokens of one template list; without a bound, unclosed lists would cost quadratic time.
const LONGEST_LIST: usize = 4096;

/// Checks every zero value `T()` in the source. Recurses over declarations: call it on a large stack.
pub(crate) fn check(source: &str, tokens: &[Token], limits: &ShaderLimits) -> Result<(), Refused> {
    let words: Vec<&str> = tokens.iter().map(|token| token.text(source)).collect();
    let mut text = Text {
        words,
        types: BTreeMap::new(),
        constants: BTreeMap::new(),
        overrides: Vec::new(),
        type_costs: BTreeMap::new(),
        bounds: BTreeMap::new(),
        too_long: false,
    };
    text.collect();
    for (index, token) in tokens.iter().enumerate() {
        let word = text.word(index);
        if word != "array" && !text.types.contains_key(word) {
            continue;
        }
        let (cost, next) = text.type_cost(index);
        if text.too_long {
            return Err(Refused::new(token.start, "template list is too long"));
        }
        if text.is(next, "(") && text.is(next + 1, ")") && cost > limits.zero_scalars {
            let message = format!(
                "zero value of more than {} scalars; declare a variable without initial value instead",
                limits.zero_scalars
            );
            return Err(Refused::new(token.start, message));
        }
    }
    Ok(())
}

impl<'a> Text<'a> {
    fn word(&self, index: usize) -> &'a str {
        self.words.get(index).copied().unwrap_or_default()
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.word(index) == word
    }

    fn collect(&mut self) {
        for index in 0..self.words.len() {
            let name = self.word(index + 1);
            match self.word(index) {
                "alias" if self.is(index + 2, "=") => {
                    self.types.insert(name, Declared::Alias(index + 3));
                }
                "struct" if self.is(index + 2, "{") => {
                    self.types.insert(name, Declared::Struct(index + 3));
                }
                "const" => {
                    // After an optional type.
                    let mut at = index + 2;
                    while !matches!(self.word(at), "=" | ";" | "const" | "") {
                        at += 1;
                    }
                    self.constants.entry(name).or_default().push(at + 1);
                }
                // `@id(n) override name`
                "override" => self.overrides.push(name),
                _ => {}
            }
        }
        self.overrides.sort_unstable();
    }

    /// Scalars and lists that a zero value of the type at `index` spells out, and the index after the type.
    fn type_cost(&mut self, index: usize) -> (u64, usize) {
        let name = self.word(index);
        if name == "array" && self.is(index + 1, "<") {
            let (element, next) = self.type_cost(index + 2);
            if !self.is(next, ",") {
                // Without a size it has no zero value.
                return (0, self.close(next));
            }
            let end = self.close(next);
            let length = if self.is(next + 1, ">") { u64::MAX } else { self.bound(next + 1, end - 1) };
            return (element.saturating_add(length), end);
        }
        if self.types.contains_key(name) {
            return (self.named_cost(name), index + 1);
        }
        // Scalars, vectors and matrices; a pointer or an atomic has no zero value.
        let next = if self.is(index + 1, "<") { self.close(index + 2) } else { index + 1 };
        (21, next)
    }

    fn named_cost(&mut self, name: &'a str) -> u64 {
        if let Some(known) = self.type_costs.get(name) {
            // A type inside itself: naga refuses it.
            return known.unwrap_or(u64::MAX);
        }
        self.type_costs.insert(name, None);
        let cost = match self.types[name] {
            Declared::Alias(index) => self.type_cost(index).0,
            Declared::Struct(index) => self.struct_cost(index),
        };
        self.type_costs.insert(name, Some(cost));
        cost
    }

    fn struct_cost(&mut self, mut index: usize) -> u64 {
        let mut cost = 1_u64;
        let mut parentheses = 0_usize;
        while !matches!(self.word(index), "}" | "") {
            match self.word(index) {
                "(" => parentheses += 1,
                ")" => parentheses = parentheses.saturating_sub(1),
                ":" if parentheses == 0 => {
                    let (member, next) = self.type_cost(index + 1);
                    cost = cost.saturating_add(member);
                    index = next;
                    continue;
                }
                _ => {}
            }
            index += 1;
        }
        cost
    }

    /// Index after the `>` that closes a template list entered before `index`.
    fn close(&mut self, mut index: usize) -> usize {
        let longest = index.saturating_add(LONGEST_LIST);
        let (mut angles, mut others) = (1_usize, 0_usize);
        while index < self.words.len() {
            if index > longest {
                self.too_long = true;
                return index;
            }
            match self.word(index) {
                "(" | "[" => others += 1,
                ")" | "]" => others = others.saturating_sub(1),
                ";" | "{" | "}" => return index,
                // A shift, not two lists.
                "<" if self.is(index + 1, "<") => index += 1,
                "<" if others == 0 => angles += 1,
                ">" if others == 0 => {
                    angles -= 1;
                    if angles == 0 {
                        return index + 1;
                    }
                }
                _ => {}
            }
            index += 1;
        }
        index
    }

    /// An upper bound of the integer expression in `start..end`.
    fn bound(&mut self, start: usize, end: usize) -> u64 {
        // A trailing comma ends a template list too.
        let end = if self.is(end.saturating_sub(1), ",") { end - 1 } else { end };
        let mut at = start;
        let value = self.sum(&mut at, end);
        if at == end { value } else { u64::MAX }
    }

    /// Terms joined by operators whose result is at most the sum, product or shift of the bounds of their operands. Precedence is taken
    /// from the left, with `*` and `<<` over everything before them, which only makes the bound larger.
    fn sum(&mut self, at: &mut usize, end: usize) -> u64 {
        let mut value = self.term(at, end);
        while *at < end {
            let operator = self.word(*at);
            *at += 1;
            let right = |text: &mut Self, at: &mut usize| text.term(at, end);
            value = match operator {
                "+" | "|" | "^" | "&" => value.saturating_add(right(self, at)),
                // Both shrink what stands before them.
                "-" | "/" | "%" => value.max(right(self, at)),
                "*" => value.max(1).saturating_mul(right(self, at).max(1)),
                "<" if self.is(*at, "<") => {
                    *at += 1;
                    // naga lets sums stand here without parentheses.
                    let by = u32::try_from(self.sum(at, end)).unwrap_or(u32::MAX);
                    value.saturating_mul(1_u64.checked_shl(by).unwrap_or(u64::MAX))
                }
                _ => return u64::MAX,
            };
        }
        value
    }

    fn term(&mut self, at: &mut usize, end: usize) -> u64 {
        if *at >= end {
            return u64::MAX;
        }
        let word = self.word(*at);
        *at += 1;
        if word == "(" || (matches!(word, "u32" | "i32") && self.is(*at, "(")) {
            if word != "(" {
                *at += 1;
            }
            let close = self.close_parenthesis(*at, end);
            let value = self.bound(*at, close);
            *at = close + 1;
            return value;
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return number(word);
        }
        self.constant(word)
    }

    fn close_parenthesis(&self, mut index: usize, end: usize) -> usize {
        let mut open = 1_usize;
        while index < end {
            match self.word(index) {
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
            if open == 0 {
                return index;
            }
            index += 1;
        }
        end
    }

    fn constant(&mut self, name: &'a str) -> u64 {
        if let Some(known) = self.bounds.get(name) {
            return known.unwrap_or(u64::MAX);
        }
        self.bounds.insert(name, None);
        let places = self.constants.get(name).cloned().unwrap_or_default();
        let mut value = match (places.is_empty(), self.overrides.binary_search(&name)) {
            // Arrays sized by an override have no zero value.
            (true, Ok(_)) => 0,
            (true, Err(_)) => u64::MAX,
            (false, _) => 0,
        };
        for start in places {
            let mut end = start;
            while !matches!(self.word(end), ";" | "") {
                end += 1;
            }
            value = value.max(self.bound(start, end));
        }
        self.bounds.insert(name, Some(value));
        value
    }
}

/// An integer literal, `u64::MAX` for anything else.
fn number(word: &str) -> u64 {
    let digits = word.strip_suffix(['u', 'i']).unwrap_or(word);
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    parsed.unwrap_or(u64::MAX)
}
