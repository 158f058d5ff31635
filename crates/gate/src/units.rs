//! Durations and shares as people write them (`500ms`, `24h`, `0.1%`), read and shown. No arithmetic on them lives here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that reads and shows itself as `250us`, `500ms`, `2s`, `1.5m`, `24h` or `7d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Span(pub Duration);

/// Why a duration could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a number and a unit, such as 500ms, 2s, 1.5m, 24h or 7d")]
pub struct BadSpan(String);

const UNITS: [(&str, f64); 7] = [
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// Longest duration anything here accepts: ten years, so that sums of durations cannot overflow.
const LONGEST_SECONDS: f64 = 10.0 * 366.0 * 86_400.0;

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| c.is_alphabetic()).ok_or_else(bad)?;
        let (number, unit) = trimmed.split_at(split);
        let number: f64 = number.trim().parse().map_err(|_| bad())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        let seconds = number * factor;
        if !(0.0..=LONGEST_SECONDS).contains(&seconds) {
            return Err(bad());
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_seconds(self.0.as_secs_f64()))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Shows seconds in the unit that fits, with three significant digits.
pub fn show_seconds(seconds: f64) -> String {
    let magnitude = seconds.abs();
    let (value, unit) = match magnitude {
        0.0 => return "0s".to_owned(),
        m if m < 0.999_5e-3 => (seconds * 1e6, "us"),
        m if m < 0.999_5 => (seconds * 1e3, "ms"),
        m if m < 120.0 => (seconds, "s"),
        m if m < 7200.0 => (seconds / 60.0, "m"),
        m if m < 172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    format!("{}{unit}", show_number(value))
}

/// Shows a share between 0 and 1 in per cent.
pub fn show_share(share: f64) -> String {
    format!("{}%", show_number(share * 100.0))
}

/// Shows a number with three significant digits and no trailing zeros; whole numbers are shown whole.
pub fn show_number(value: f64) -> String {
    if !value.is_finite() {
        return "not measured".to_owned();
    }
    if value == 0.0 || value.abs() >= 100.0 {
        return format!("{value:.0}");
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Shows a number of bytes in binary units.
pub fn show_bytes(bytes: f64) -> String {
    let (value, unit) = match bytes.abs() {
        b if b < 1024.0 => (bytes, "B"),
        b if b < 1024.0 * 1024.0 => (bytes / 1024.0, "KiB"),
        b if b < 1024.0 * 1024.0 * 1024.0 => (bytes / 1024.0 / 1024.0, "MiB"),
        _ => (bytes / 1024.0 / 1024.0 / 1024.0, "GiB"),
    };
    format!("{} {unit}", show_number(value))
}

/// Seconds to microseconds, the unit histograms count in; rounds up so that a nonzero time never shows as zero.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// Widest line for a terminal.
pub const WIDTH: usize = 80;

/// The text in lines of at most [`WIDTH`] columns, the first one after `first`, the others after `rest`; a word that is
/// longer than a line stays whole. Control characters become spaces: what a service answered must not steer a terminal.
pub fn wrap(text: &str, first: &str, rest: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let (mut out, mut line) = (String::new(), first.to_owned());
    let mut is_fresh = true;
    for word in clean.split(' ') {
        let needed = line.chars().count() + usize::from(!is_fresh) + word.chars().count();
        if needed > WIDTH && !is_fresh {
            out += line.trim_end();
            out.push('\n');
            line = rest.to_owned();
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line += word;
        is_fresh = false;
    }
    out + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_wrapped_between_words() {
        let text = wrap(&"word ".repeat(30), "  - ", "    ");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(
            (text.lines().count(), text.matches("word").count()),
            (2, 30),
            "{text}"
        );
        assert!(text.starts_with("  - word") && text.lines().nth(1).unwrap().starts_with("    word"));
        assert_eq!(
            wrap(&"x".repeat(200), "- ", "  "),
            format!("- {}\n", "x".repeat(200))
        );
        assert_eq!(wrap("a\x1b[2Jb", "", ""), "a [2Jb\n");
        assert_eq!(wrap("", "came ", ""), "came\n");
    }

    #[test]
    fn durations_are_read_and_shown_in_the_unit_that_fits() {
        for (text, seconds, shown) in [
            ("500ms", 0.5, "500ms"),
            ("250us", 250e-6, "250us"),
            ("1.5m", 90.0, "90s"),
            ("24h", 86_400.0, "24h"),
            ("7d", 604_800.0, "7d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert!((span.0.as_secs_f64() - seconds).abs() < 1e-9, "{text}");
            assert_eq!(span.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "ms", "-1s", "1 fortnight", "NaNs", "1e99d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(show_number(0.001_234), "0.00123");
        assert_eq!(show_number(12.34), "12.3");
        assert_eq!(show_number(12_345.6), "12346");
        assert_eq!(show_share(0.001), "0.1%");
        assert_eq!(show_bytes(1536.0), "1.5 KiB");
    }
}
