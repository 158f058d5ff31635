//! Finding known secrets in bytes: as they are, in another case, cut, split, escaped, in hexadecimal or base64.
//!
//! Every secret is a pattern of at least [`WINDOW`] bytes. Patterns are indexed by their last eight bytes, so one pass
//! over the text with a rolling key finds all of them, however many there are; what they mean is not known here.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Shortest piece of a canary that is taken for a trace of it: ten random characters of 32 are 50 bits.
pub const WINDOW: usize = 12;

/// The form in which a secret was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// As it was written.
    Plain,
    /// A piece of it.
    Piece,
    /// Escaped for a URL or for JSON.
    Escaped,
    /// In hexadecimal.
    Hex,
    /// In base64.
    Base64,
    /// With other characters between its own.
    Split,
}

impl Form {
    /// Word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Piece => "a piece",
            Self::Hex => "hexadecimal",
            Self::Base64 => "base64",
            Self::Escaped => "escaped",
            Self::Split => "split",
        }
    }
}

#[derive(Debug)]
struct Pattern {
    text: Box<[u8]>,
    secret: usize,
    form: Form,
}

/// All secrets, and the pass over a text.
#[derive(Debug)]
pub struct Scanner {
    patterns: Vec<Pattern>,
    by_end: HashMap<u64, Vec<usize>>,
    /// Bit set over 16 bits of the key's hash: nearly every position is dismissed here.
    filter: Vec<u64>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            by_end: HashMap::new(),
            filter: vec![0; 1 << 14],
        }
    }
}

impl Scanner {
    /// Adds a canary: it is found whole, in pieces, and encoded.
    pub fn add_canary(&mut self, secret: usize, token: &str) {
        let bytes = token.as_bytes();
        let (head, tail) = (&bytes[..WINDOW], &bytes[bytes.len() - WINDOW..]);
        self.add(secret, head, Form::Piece);
        self.add(secret, tail, Form::Piece);
        self.add(secret, bytes, Form::Plain);
        self.add(secret, hex::encode(bytes).as_bytes(), Form::Hex);
        for skip in 0..3 {
            self.add(secret, base64_core(bytes, skip).as_bytes(), Form::Base64);
        }
    }

    /// Adds a credential or an id: it is found whole only.
    pub fn add_exact(&mut self, secret: usize, text: &str) {
        if text.len() >= WINDOW {
            self.add(secret, text.as_bytes(), Form::Plain);
        }
    }

    fn add(&mut self, secret: usize, text: &[u8], form: Form) {
        let text: Box<[u8]> = text.to_ascii_lowercase().into();
        let key = text.iter().fold(0u64, |key, byte| (key << 8) | u64::from(*byte));
        let at = slot(key);
        self.filter[at >> 6] |= 1 << (at & 63);
        self.by_end.entry(key).or_default().push(self.patterns.len());
        self.patterns.push(Pattern { text, secret, form });
    }

    /// Gives every secret that is in the text once, in the plainest form it was found in.
    pub fn scan(&self, text: &[u8]) -> Vec<(usize, Form)> {
        let mut found = HashMap::new();
        self.pass(text, None, &mut found);
        if text.contains(&b'%') || text.contains(&b'\\') || text.contains(&b'&') {
            self.pass(&unescape(text), Some(Form::Escaped), &mut found);
        }
        let squeezed: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
        self.pass(&squeezed, Some(Form::Split), &mut found);
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    fn pass(&self, text: &[u8], as_form: Option<Form>, found: &mut HashMap<usize, Form>) {
        let mut key = 0u64;
        for (at, byte) in text.iter().enumerate() {
            key = (key << 8) | u64::from(byte.to_ascii_lowercase());
            let bit = slot(key);
            if self.filter[bit >> 6] & (1 << (bit & 63)) == 0 {
                continue;
            }
            for pattern in self
                .by_end
                .get(&key)
                .into_iter()
                .flatten()
                .map(|index| &self.patterns[*index])
            {
                let Some(start) = (at + 1).checked_sub(pattern.text.len()) else {
                    continue;
                };
                if !text[start..=at].eq_ignore_ascii_case(&pattern.text) {
                    continue;
                }
                // A piece seen only because the text was squeezed or unescaped is still found in the plain pass first.
                let form = as_form
                    .filter(|_| pattern.form <= Form::Piece)
                    .unwrap_or(pattern.form);
                let best = found.entry(pattern.secret).or_insert(form);
                *best = (*best).min(form);
            }
        }
    }
}

fn slot(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize
}

/// The characters of base64 that do not depend on what stands before and behind, for a text that begins `skip` bytes into a group of three.
fn base64_core(text: &[u8], skip: usize) -> String {
    let mut padded = vec![0; skip];
    padded.extend_from_slice(text);
    let encoded = STANDARD_NO_PAD.encode(&padded);
    let whole = padded.len() / 3 * 4;
    let start = if skip == 0 { 0 } else { 4 };
    encoded[start..whole].to_owned()
}

/// Undoes percent-encoding, JSON's `\u` and HTML's `&#` escapes; everything else stays.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (code, used) = match text[at] {
            b'%' => (number(text, at + 1, 2, 16), 3),
            b'\\' if text.get(at + 1) == Some(&b'u') => (number(text, at + 2, 4, 16), 6),
            b'&' if text.get(at + 1) == Some(&b'#') => {
                let digits = text[at + 2..]
                    .iter()
                    .take(4)
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                (number(text, at + 2, digits, 10), digits + 3)
            }
            _ => (None, 1),
        };
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += used;
            }
            None => {
                plain.push(text[at]);
                at += 1;
            }
        }
    }
    plain
}

fn number(text: &[u8], from: usize, digits: usize, radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(text.get(from..from + digits)?).ok()?;
    u32::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "fgq7m2x9c4k8w3z6t5rv";

    fn forms(text: &str) -> Vec<(usize, Form)> {
        let mut scanner = Scanner::default();
        scanner.add_canary(7, TOKEN);
        scanner.add_canary(8, "fgaaaabbbbccccddddee");
        scanner.scan(text.as_bytes())
    }

    #[test]
    fn a_canary_is_found_in_every_form() {
        assert_eq!(forms(&format!("x {TOKEN} y")), [(7, Form::Plain)]);
        assert_eq!(forms(&TOKEN.to_uppercase()), [(7, Form::Plain)]);
        assert_eq!(forms(&TOKEN[8..]), [(7, Form::Piece)]);
        assert_eq!(forms(&TOKEN[..13]), [(7, Form::Piece)]);
        assert_eq!(forms(&hex::encode(TOKEN)), [(7, Form::Hex)]);
        for before in ["", "a", "ab", "abc"] {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{before}{TOKEN}zz"));
            assert_eq!(forms(&encoded), [(7, Form::Base64)], "after {before:?}");
        }
        let escaped: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(forms(&escaped), [(7, Form::Escaped)]);
        let escaped: String = TOKEN.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        assert_eq!(forms(&escaped), [(7, Form::Escaped)]);
        let escaped: String = TOKEN.bytes().map(|byte| format!("&#{byte};")).collect();
        assert_eq!(forms(&escaped), [(7, Form::Escaped)]);
        let split = format!("{}\r\n {}-{}", &TOKEN[..7], &TOKEN[7..14], &TOKEN[14..]);
        assert_eq!(forms(&split), [(7, Form::Split)]);
    }

    #[test]
    fn what_is_not_known_is_not_found() {
        assert_eq!(forms("fgq7m2x9c4k and nothing more"), []);
        assert_eq!(forms(&TOKEN[4..15]), []);
        assert_eq!(forms(""), []);
    }
}
