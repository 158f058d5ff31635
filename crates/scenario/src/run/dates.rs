//! Dates: those of HTTP, and the format strings of the filters.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
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
        .find_map(|form| in_utc(DateTime::strptime(form, utc).ok()?))
}

fn in_utc(at: DateTime) -> Option<Timestamp> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// A text read by a format; one without time means midnight, one without zone UTC.
pub(super) fn parse(text: &str, format: &str) -> Option<Timestamp> {
    let format = portable(format);
    if format == "%+" {
        return text.parse().ok();
    }
    if let Ok(parsed) = strtime::parse(&format, text) {
        let found = parsed
            .to_timestamp()
            .ok()
            .or_else(|| in_utc(parsed.to_datetime().ok()?));
        return found.or_else(|| in_utc(parsed.to_date().ok()?.to_datetime(jiff::civil::Time::midnight())));
    }
    let date = Date::strptime(&format, text).ok()?;
    in_utc(date.to_datetime(jiff::civil::Time::midnight()))
}

/// The instant as text, in UTC; `None` if the format is not known.
pub(super) fn format(at: Timestamp, format: &str) -> Option<String> {
    let zoned = at.to_zoned(TimeZone::UTC);
    let mut out = String::new();
    // The published tool's library has a few directives that are combinations of others.
    let format = portable(format)
        .replace("%+", "%Y-%m-%dT%H:%M:%S%.f+00:00")
        .replace("%Z", "UTC");
    strtime::BrokenDownTime::from(&zoned)
        .format(&format, &mut out)
        .ok()?;
    Some(out)
}

/// Directives that the library names otherwise.
fn portable(format: &str) -> String {
    format
        .replace("%c", "%a %b %e %H:%M:%S %Y")
        .replace("%v", "%e-%b-%Y")
        .replace("%x", "%m/%d/%y")
        .replace("%X", "%H:%M:%S")
        .replace("%r", "%I:%M:%S %p")
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
