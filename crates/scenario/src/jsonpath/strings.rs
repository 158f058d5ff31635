//! String literals of JSONPath (RFC 9535, section 2.3.1.1).

use super::InvalidPath;

/// Reads up to the closing quote; returns the value and what follows.
pub(super) fn quoted(text: &str, quote: char) -> Result<(String, &str), InvalidPath> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let c = rest.chars().next().ok_or(InvalidPath)?;
        rest = &rest[c.len_utf8()..];
        match c {
            c if c == quote => return Ok((value, rest)),
            '\\' => {
                let (c, after) = escape(rest, quote)?;
                value.push(c);
                rest = after;
            }
            c if c >= ' ' => value.push(c),
            _ => return Err(InvalidPath),
        }
    }
}

fn escape(text: &str, quote: char) -> Result<(char, &str), InvalidPath> {
    let c = text.chars().next().ok_or(InvalidPath)?;
    let rest = &text[c.len_utf8()..];
    let value = match c {
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '/' | '\\' => c,
        c if c == quote => c,
        'u' => return unicode(rest),
        _ => return Err(InvalidPath),
    };
    Ok((value, rest))
}

fn unicode(text: &str) -> Result<(char, &str), InvalidPath> {
    let (first, rest) = four_digits(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Ok((char::from_u32(first).ok_or(InvalidPath)?, rest));
    }
    let (second, rest) = four_digits(rest.strip_prefix("\\u").ok_or(InvalidPath)?)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(InvalidPath);
    }
    let number = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    Ok((char::from_u32(number).ok_or(InvalidPath)?, rest))
}

fn four_digits(text: &str) -> Result<(u32, &str), InvalidPath> {
    let digits = text
        .get(..4)
        .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
        .ok_or(InvalidPath)?;
    Ok((
        u32::from_str_radix(digits, 16).map_err(|_| InvalidPath)?,
        &text[4..],
    ))
}
