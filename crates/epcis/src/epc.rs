//! What an event is about: an EPC in URN or GS1 Digital Link form, or any other URI.

/// What a URI identifies, as far as one identifier can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A trade item with a serial number.
    Sgtin,
    /// A class of trade items.
    Gtin,
    /// A logistic unit.
    Sscc,
    /// A party or location.
    Gln,
    /// Anything else: known by its URI alone.
    Other,
}

/// A URI and the GS1 key in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epc {
    /// As written.
    pub uri: String,
    /// Which GS1 key it holds.
    pub kind: Kind,
    /// The key's value: digits with a check digit computed where the URN has none; check digits that are written are
    /// not verified here. For a serial number and [`Kind::Other`] the URI itself.
    pub value: String,
}

impl Epc {
    /// Reads a URI; nothing for text that is none.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        let bad = |c: char| c.is_whitespace() || c.is_control();
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        if scheme.is_empty() || !scheme.chars().all(letters) || rest.is_empty() || uri.contains(bad) {
            return None;
        }
        let (kind, value) = urn(uri)
            .or_else(|| digital_link(uri))
            .unwrap_or_else(|| (Kind::Other, uri.to_owned()));
        Some(Self {
            uri: uri.to_owned(),
            kind,
            value,
        })
    }
}

/// EPC URNs (EPC Tag Data Standard, sections 6 and 8).
fn urn(uri: &str) -> Option<(Kind, String)> {
    let body = uri.strip_prefix("urn:epc:")?;
    if body.starts_with("id:sgtin:") {
        return Some((Kind::Sgtin, uri.to_owned()));
    }
    if let Some(body) = body.strip_prefix("id:sscc:") {
        let (prefix, serial) = body.split_once('.')?;
        return Some((Kind::Sscc, with_check(rotated(prefix, serial, 17)?)));
    }
    if let Some(body) = body.strip_prefix("idpat:sgtin:") {
        let (prefix, item) = body.strip_suffix(".*")?.split_once('.')?;
        return Some((Kind::Gtin, with_check(rotated(prefix, item, 13)?)));
    }
    let (prefix, rest) = body.strip_prefix("id:sgln:")?.split_once('.')?;
    let (location, extension) = rest.split_once('.')?;
    // With an extension it is a place within the location, which a GLN alone does not name.
    let digits = format!("{prefix}{location}");
    (extension == "0" && digits.len() == 12 && all_digits(&digits)).then(|| (Kind::Gln, with_check(digits)))
}

/// The digits of a key whose first digit is written behind the company prefix in the URN.
fn rotated(prefix: &str, rest: &str, length: usize) -> Option<String> {
    let (first, others) = rest.split_at_checked(1)?;
    let digits = format!("{first}{prefix}{others}");
    (digits.len() == length && all_digits(&digits)).then_some(digits)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends the check digit (GS1 General Specifications, section 7.9): weights 3 and 1 from the right.
fn with_check(mut digits: String) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, b)| u32::from(b - b'0') * if n % 2 == 0 { 3 } else { 1 })
        .sum();
    let check = (10 - sum % 10) % 10;
    digits.push_str(&check.to_string());
    digits
}

/// GS1 Digital Links whose path ends in one of the keys known here; with further parts they name something narrower.
fn digital_link(uri: &str) -> Option<(Kind, String)> {
    if !uri.starts_with("https://") && !uri.starts_with("http://") {
        return None;
    }
    let path = uri.split(['?', '#']).next()?;
    let parts: Vec<&str> = path.rsplit('/').collect();
    match parts.as_slice() {
        [_serial, "21", gtin, "01", ..] if all_digits(gtin) => Some((Kind::Sgtin, path.to_owned())),
        [gtin, "01", ..] if all_digits(gtin) => Some((Kind::Gtin, (*gtin).to_owned())),
        [sscc, "00", ..] if all_digits(sscc) => Some((Kind::Sscc, (*sscc).to_owned())),
        [gln, "414" | "417", ..] if all_digits(gln) => Some((Kind::Gln, (*gln).to_owned())),
        _ => None,
    }
}
