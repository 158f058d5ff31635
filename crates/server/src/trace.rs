//! W3C trace context, version 00: reading `traceparent`, continuing the trace, writing it out.

use std::fmt;

use domain::ids::IdSource;
use http::HeaderValue;

/// The trace a request belongs to, and the span that is this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Identifies the trace across services.
    pub trace_id: u128,
    /// The caller's span; zero if the trace begins here.
    pub parent_id: u64,
    /// This request's span.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// Continues the trace of a `traceparent`, or begins one if there is none that is valid.
    #[must_use]
    pub fn continue_or_begin(header: Option<&HeaderValue>, ids: &dyn IdSource) -> Self {
        let mut random = [0; 24];
        ids.fill(&mut random);
        let (high, low) = random.split_at(16);
        let span_id = u64::from_be_bytes(low.try_into().unwrap_or([1; 8])).max(1);
        if let Some((trace_id, parent_id, sampled)) = header.and_then(|value| read(value.as_bytes())) {
            return Self {
                trace_id,
                parent_id,
                span_id,
                sampled,
            };
        }
        let trace_id = u128::from_be_bytes(high.try_into().unwrap_or([1; 16])).max(1);
        Self {
            trace_id,
            parent_id: 0,
            span_id,
            sampled: false,
        }
    }

    /// Whether no caller's span stands above this one.
    #[must_use]
    pub const fn begins(&self) -> bool {
        self.parent_id == 0
    }

    /// The value of `traceparent` for calls made on behalf of this request.
    #[must_use]
    pub fn header(&self) -> String {
        format!(
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        )
    }

    /// The trace id in hexadecimal, as answers and logs show it.
    #[must_use]
    pub fn trace_id_text(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.trace_id)
    }
}

/// Trace id, parent id and the sampled flag; `None` for anything the standard says to ignore.
fn read(text: &[u8]) -> Option<(u128, u64, bool)> {
    let text = std::str::from_utf8(text).ok()?;
    let (version, rest) = text.split_once('-')?;
    let known_length = if version == "00" {
        text.len() == 55
    } else {
        text.len() > 55 && text.as_bytes()[55] == b'-'
    };
    if version.len() != 2 || version == "ff" || !(text.len() == 55 || known_length) {
        return None;
    }
    let mut parts = rest.split('-');
    let (trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if !lower_hex(version, 2) || !lower_hex(trace, 32) || !lower_hex(parent, 16) || !lower_hex(flags, 2) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    Some((trace, parent, u8::from_str_radix(flags, 16).ok()? & 1 == 1))
}
