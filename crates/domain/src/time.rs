//! Moments and days in UTC, as numbers that fit a database column and RFC 3339 text that fits JSON.
//!
//! What the time *is* comes from a [`Clock`](crate::ids::Clock); nothing here asks.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment: microseconds since 1970-01-01T00:00:00Z, in the years 0 to 9999, all that RFC 3339 can write.
///
/// Displayed and serialised as RFC 3339 with `Z`, with as many fractional digits as are needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Text that is no moment in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected RFC 3339 such as 2026-03-01T12:00:00Z{reason}")]
pub struct TimestampError {
    reason: String,
}

/// The calendar repeats after 400 years (146,097 days).
const CYCLE_MICROS: i64 = 146_097 * 86_400 * 1_000_000;
const CYCLE_YEARS: i16 = 400;

impl Timestamp {
    /// The first moment of the year 0.
    pub const MIN: Self = Self(-62_167_219_200_000_000);
    /// The last moment of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999_999);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The moment that many microseconds after the epoch, held between [`Self::MIN`] and [`Self::MAX`].
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// The moment that many milliseconds after the epoch, held within the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// The moment that many seconds after the epoch, held within the range.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The moment that much later, held within the range.
    #[must_use]
    pub fn plus(self, span: std::time::Duration) -> Self {
        Self::from_micros(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The moment that much earlier, held within the range.
    #[must_use]
    pub fn minus(self, span: std::time::Duration) -> Self {
        Self::from_micros(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day this moment lies in.
    #[must_use]
    pub fn day(self) -> Day {
        let date = self.civil().date();
        Day {
            year: date.year().unsigned_abs(),
            month: date.month().unsigned_abs(),
            day: date.day().unsigned_abs(),
        }
    }

    /// Date and time in UTC. The library's moments end 26 hours before the year 9999 does, so that there is room for any
    /// time zone; what lies there is looked up one cycle of the calendar earlier.
    fn civil(self) -> jiff::civil::DateTime {
        let at = |micros| {
            let moment = jiff::Timestamp::from_microsecond(micros).ok()?;
            Some(jiff::tz::TimeZone::UTC.to_datetime(moment))
        };
        let later = || {
            let earlier = at(self.0 - CYCLE_MICROS)?;
            earlier.with().year(earlier.year() + CYCLE_YEARS).build().ok()
        };
        at(self.0).or_else(later).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => moment.fmt(f),
            Err(_) => write!(f, "{}Z", self.civil()),
        }
    }
}

/// Says whether the text has the shape of RFC 3339's `date-time` (section 5.6); jiff accepts more than that.
fn looks_like_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    if bytes.len() <= shape.len() || !bytes.iter().zip(shape).all(|(byte, want)| fits(*byte, *want)) {
        return false;
    }
    let mut rest = &bytes[shape.len()..];
    if rest[0] == b'.' {
        let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return false;
        }
        rest = &rest[1 + digits..];
    }
    matches!(rest, [b'Z' | b'z'])
        || (rest.len() == 6 && rest.iter().zip(b"sdd:dd").all(|(byte, want)| fits(*byte, *want)))
}

fn fits(byte: u8, want: u8) -> bool {
    match want {
        b'd' => byte.is_ascii_digit(),
        b's' => matches!(byte, b'+' | b'-'),
        b'T' => matches!(byte, b'T' | b't'),
        other => byte == other,
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339 with any offset; digits beyond microseconds are dropped.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if !looks_like_rfc3339(text) {
            return Err(TimestampError {
                reason: String::new(),
            });
        }
        let micros = micros(text).ok_or_else(|| TimestampError {
            reason: ", on a day and at a time of day that exist".to_owned(),
        })?;
        if (Self::MIN.0..=Self::MAX.0).contains(&micros) {
            return Ok(Self(micros));
        }
        Err(TimestampError {
            reason: format!(", from {} to {}", Self::MIN, Self::MAX),
        })
    }
}

/// Microseconds since 1970 of a text of the right shape, if there is such a day and time. The last hours of the year 9999
/// are beyond the library's moments, and read as those one cycle of the calendar earlier.
fn micros(text: &str) -> Option<i64> {
    let (text, added) = match text.strip_prefix("9999-12-") {
        Some(rest) => (
            Cow::from(format!("{}-12-{rest}", 9999 - CYCLE_YEARS)),
            CYCLE_MICROS,
        ),
        None => (Cow::from(text), 0),
    };
    let parsed: jiff::Timestamp = text.parse().ok()?;
    let micros = i64::try_from(parsed.as_nanosecond().div_euclid(1_000)).ok()?;
    micros.checked_add(added)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A calendar day in UTC, years 0 to 9999. Displayed as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

impl Day {
    /// The day, or `None` if the calendar has no such day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let date = jiff::civil::Date::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
        );
        date.ok().map(|_| Self { year, month, day })
    }

    /// Year, month and day as one number `YYYYMMDD`.
    #[must_use]
    pub const fn yyyymmdd(self) -> u32 {
        self.year as u32 * 10_000 + self.month as u32 * 100 + self.day as u32
    }

    /// The day with the number `YYYYMMDD`, or `None` if the calendar has no such day.
    #[must_use]
    pub fn from_yyyymmdd(number: u32) -> Option<Self> {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        Self::new(
            u16::try_from(year).ok()?,
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        )
    }
}

impl From<Timestamp> for Day {
    fn from(moment: Timestamp) -> Self {
        moment.day()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
