//! Numbers and Booleans where Hurl itself, not JSON, has them.

use super::error::{Parse, ParseError};
use super::reader::Reader;
use crate::value::{Number, Value};

fn digits(reader: &mut Reader, expecting: &str) -> Parse<String> {
    let pos = reader.pos();
    let digits = reader.read_while(|c| c.is_ascii_digit());
    if digits.is_empty() {
        return Err(ParseError::soft(pos, format!("expecting {expecting}")));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(ParseError::fatal(pos, "a number has no leading zeros"));
    }
    Ok(digits)
}

/// Digits without a sign.
pub(super) fn natural(reader: &mut Reader) -> Parse<u64> {
    let pos = reader.pos();
    let text = digits(reader, "a natural number")?;
    text.parse()
        .map_err(|_| ParseError::fatal(pos, "the number is too large"))
}

/// Digits, perhaps with a minus in front.
pub(super) fn integer(reader: &mut Reader) -> Parse<i64> {
    let pos = reader.pos();
    let negative = reader.take("-");
    let text = digits(reader, "an integer")?;
    let value: i64 = text
        .parse()
        .map_err(|_| ParseError::fatal(pos, "the number is too large"))?;
    Ok(if negative { -value } else { value })
}

/// An integer of any size, or a decimal fraction.
pub(super) fn number(reader: &mut Reader) -> Parse<Value> {
    let start = reader.cursor();
    let negative = reader.take("-");
    let integer = digits(reader, "a number")?;
    let number = if reader.take(".") {
        let pos = reader.pos();
        if reader.read_while(|c| c.is_ascii_digit()).is_empty() {
            return Err(ParseError::fatal(pos, "expecting digits after the decimal point"));
        }
        let parsed = reader.since(start).parse();
        Number::Float(parsed.map_err(|_| ParseError::fatal(start.pos, "not a number"))?)
    } else {
        let text = if negative { format!("-{integer}") } else { integer };
        text.parse().map_or(Number::Big(text), Number::Integer)
    };
    Ok(Value::Number(number))
}

/// `true` or `false`.
pub(super) fn boolean(reader: &mut Reader) -> Parse<bool> {
    let pos = reader.pos();
    if reader.take("true") {
        Ok(true)
    } else if reader.take("false") {
        Ok(false)
    } else {
        Err(ParseError::soft(pos, "expecting true or false"))
    }
}
