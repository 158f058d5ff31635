//! Character references of HTML, with and without their semicolon.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Name with its ampersand, and with its semicolon if that is required.
static NAMED: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    entities::ENTITIES
        .iter()
        .map(|e| (e.entity, e.characters))
        .collect()
});

/// The longest name of a reference, in bytes.
const LONGEST: usize = 33;

/// Replaces every character reference as HTML 5 has it (section 13.2.5.72); what is none stays as it is.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let used = match rest.as_bytes().get(1) {
            Some(b'#') => numeric(rest, &mut out),
            _ => named(rest, &mut out),
        };
        if used == 0 {
            out.push('&');
        }
        rest = &rest[used.max(1)..];
    }
    out.push_str(rest);
    out
}

/// Returns how many bytes of the text were a reference.
fn named(text: &str, out: &mut String) -> usize {
    let is_name = |b: &u8| b.is_ascii_alphanumeric();
    let name = 1 + text.as_bytes()[1..]
        .iter()
        .take(LONGEST)
        .take_while(|b| is_name(b))
        .count();
    let with_semicolon = if text.as_bytes().get(name) == Some(&b';') {
        name + 1
    } else {
        name
    };
    for end in (2..=with_semicolon).rev() {
        if let Some(characters) = NAMED.get(&text[..end]) {
            out.push_str(characters);
            return end;
        }
    }
    0
}

fn numeric(text: &str, out: &mut String) -> usize {
    let body = &text[2..];
    let (digits, radix, prefix) = match body.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 3),
        None => (body, 10, 2),
    };
    let length = digits
        .bytes()
        .take_while(|b| char::from(*b).is_digit(radix))
        .count();
    if length == 0 {
        return 0;
    }
    let number = u32::from_str_radix(&digits[..length], radix).unwrap_or(u32::MAX);
    out.extend(character(number));
    let semicolon = usize::from(digits.as_bytes().get(length) == Some(&b';'));
    prefix + length + semicolon
}

/// HTML 5, section 13.2.5.80: Windows-1252 where ISO 8859-1 has control characters, nothing for others.
fn character(number: u32) -> Option<char> {
    const WINDOWS: [u32; 32] = [
        0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152,
        0x8d, 0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122,
        0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
    ];
    match number {
        0 | 0xd800..=0xdfff => Some('\u{fffd}'),
        0x0d => Some('\r'),
        0x80..=0x9f => char::from_u32(WINDOWS[(number - 0x80) as usize]),
        0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef => None,
        n if n & 0xfffe == 0xfffe => None,
        n => Some(char::from_u32(n).unwrap_or('\u{fffd}')),
    }
}
