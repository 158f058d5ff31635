//! Dates: those of HTTP, and the format strings of the filters. The latter are those of the published tool's own library:
//! there are too many of them to be translated into another's.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// The forms that servers use in `Expires`: RFC 9110, with dashes, and with two-digit years.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let forms = [
        "%a, %d %b %Y %H:%M:%S",
        "%a, %d-%b-%Y %H:%M:%S",
        "%A, %d-%b-%y %H:%M:%S",
        "%a, %d-%b-%y %H:%M:%S",
    ];
    let text = text.trim();
    let text = text
        .strip_suffix("GMT")
        .or_else(|| text.strip_suffix("UTC"))
        .unwrap_or(text)
        .trim();
    let utc = text.strip_suffix("+0000").unwrap_or(text).trim();
    forms
        .iter()
        .find_map(|form| in_utc(civil::DateTime::strptime(form, utc).ok()?))
}

fn in_utc(at: civil::DateTime) -> Option<Timestamp> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A text read by a format; one without time means midnight, one without zone UTC.
pub(super) fn parse(text: &str, format: &str) -> Option<Timestamp> {
    let with_zone = || DateTime::parse_from_str(text, format).map(|at| at.to_utc());
    let with_time = || NaiveDateTime::parse_from_str(text, format).map(|at| at.and_utc());
    let day_alone =
        || NaiveDate::parse_from_str(text, format).map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let at = with_zone()
        .or_else(|_| with_time())
        .or_else(|_| day_alone())
        .ok()?;
    // A leap second is told by too many nanoseconds; nothing else here knows of one.
    let nanos = at.timestamp_subsec_nanos().min(999_999_999);
    Timestamp::new(at.timestamp(), i32::try_from(nanos).ok()?).ok()
}

/// The instant as text, in UTC; `None` if the format is not known.
pub(super) fn format(at: Timestamp, format: &str) -> Option<String> {
    let nanos = at.as_nanosecond().rem_euclid(1_000_000_000);
    let seconds = at.as_nanosecond().div_euclid(1_000_000_000);
    let at = DateTime::<Utc>::from_timestamp(i64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?)?;
    let mut out = String::new();
    write!(out, "{}", at.format(format)).ok()?;
    Some(out)
}

/// RFC 3339.
pub(super) fn is_iso(text: &str) -> bool {
    let has_zone = text.ends_with(['Z', 'z']) || text.get(19..).is_some_and(|rest| rest.contains(['+', '-']));
    has_zone && text.parse::<Timestamp>().is_ok()
}

/// Whole days from one instant to another, towards zero.
pub(super) fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs() / 86_400
}
