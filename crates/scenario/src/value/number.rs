//! Numbers: integers and floats are told apart, and large integers keep their digits.

use std::cmp::Ordering;
use std::fmt;

/// A number as a scenario sees it.
#[derive(Clone, Debug)]
pub enum Number {
    /// Fits 64 bits.
    Integer(i64),
    /// Has a fraction or an exponent.
    Float(f64),
    /// An integer past 64 bits, as its digits.
    Big(String),
}

impl Number {
    /// Order by value across the kinds.
    pub fn compare(&self, other: &Number) -> Ordering {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => a.cmp(b),
            (Number::Float(a), Number::Float(b)) => by_value(*a, *b),
            (Number::Integer(a), Number::Float(b)) => by_value(approximate(*a), *b),
            (Number::Float(a), Number::Integer(b)) => by_value(*a, approximate(*b)),
            (a, b) => by_digits(&a.to_string(), &b.to_string()),
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a comparison with a float cannot be more exact than the float"
)]
fn approximate(value: i64) -> f64 {
    value as f64
}

/// NaN equals everything, as in Hurl.
fn by_value(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// Compares decimal digits: sign, then length and digits of the integer, then the fraction.
fn by_digits(a: &str, b: &str) -> Ordering {
    let split = |text: &str| {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let integer = integer.trim_start_matches('0').to_string();
        (negative, integer, fraction.trim_end_matches('0').to_string())
    };
    let ((negative_a, integer_a, fraction_a), (negative_b, integer_b, fraction_b)) = (split(a), split(b));
    match (negative_a, negative_b) {
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        _ => {}
    }
    let magnitude = integer_a
        .len()
        .cmp(&integer_b.len())
        .then_with(|| integer_a.cmp(&integer_b))
        .then_with(|| fraction_a.cmp(&fraction_b));
    if negative_a {
        magnitude.reverse()
    } else {
        magnitude
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(v) => write!(f, "{v}"),
            Number::Float(v) if v.is_finite() && v.fract() == 0.0 => write!(f, "{v}.0"),
            Number::Float(v) => write!(f, "{v}"),
            Number::Big(digits) => f.write_str(digits),
        }
    }
}
