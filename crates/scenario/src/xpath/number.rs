//! Numbers of XPath 1.0: from text, to text, rounding.

/// Section 4.4: optional white space and minus, digits; anything else is not a number.
pub(super) fn from_text(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().any(|b| b.is_ascii_digit());
    if plain {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// Section 4.2.
pub(super) fn to_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_string()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_string()
    } else if value == 0.0 {
        "0".to_string()
    } else {
        value.to_string()
    }
}

/// Halves go up, as the specification wants.
pub(super) fn round(value: f64) -> f64 {
    (value + 0.5).floor()
}
