//! GS1 keys: GTIN, SGTIN, GLN, SSCC and batch numbers (GS1 General Specifications, sections 3 and 7).

use super::digits::{RegistryError, check_last, digits_of, gs1_check};

/// Longest serial and batch number (application identifiers 21 and 10).
const MAX_TEXT: usize = 20;
/// The punctuation of GS1's character set 82 (section 7.11), besides letters and digits.
const SET_82_PUNCTUATION: &str = "!\"%&'()*+,-./_:;<=>?";

/// GTIN of 8, 12, 13 or 14 digits; filled up with zeros to 14, so that one item has one form.
pub(super) fn gtin(value: &str) -> Result<String, RegistryError> {
    let digits = digits_of(value, &[8, 12, 13, 14], "8, 12, 13 or 14 digits")?;
    check_last(&digits, 1, gs1_check)?;
    let filled = format!("{digits:0>14}");
    if filled.starts_with("0000000000000") {
        return Err(RegistryError::Structure("a GTIN is never all zeros"));
    }
    Ok(filled)
}

/// GLN of 13 digits.
pub(super) fn gln(value: &str) -> Result<String, RegistryError> {
    let digits = digits_of(value, &[13], "13 digits")?;
    check_last(&digits, 1, gs1_check)?;
    Ok(digits)
}

/// SSCC of 18 digits; the application identifier `(00)` before it is dropped.
pub(super) fn sscc(value: &str) -> Result<String, RegistryError> {
    let digits = digits_of(
        value.trim().strip_prefix("(00)").unwrap_or(value),
        &[18],
        "18 digits",
    )?;
    check_last(&digits, 1, gs1_check)?;
    Ok(digits)
}

/// Batch or lot number: 1 to 20 characters of GS1's set 82, kept as written; `(10)` before it is dropped.
pub(super) fn lot(value: &str) -> Result<String, RegistryError> {
    let trimmed = value.trim();
    let text = trimmed.strip_prefix("(10)").unwrap_or(trimmed);
    check_text(text)?;
    Ok(text.to_owned())
}

fn check_text(text: &str) -> Result<(), RegistryError> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || SET_82_PUNCTUATION.contains(character);
    if let Some(found) = text.chars().find(|character| !allowed(*character)) {
        return Err(RegistryError::Character {
            found,
            expected: "letters, digits and the punctuation of GS1's character set 82",
        });
    }
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(RegistryError::Length {
            expected: "1 to 20 characters",
            found: text.len(),
        });
    }
    Ok(())
}

/// SGTIN as `(01)gtin(21)serial`, `01gtin21serial`, `gtin.serial`, a Digital Link ending in `/01/gtin/21/serial`, or
/// `urn:epc:id:sgtin:prefix.item.serial`; always given back as `(01)` 14 digits `(21)` serial.
pub(super) fn sgtin(value: &str) -> Result<String, RegistryError> {
    let value = value.trim();
    if let Some(body) = value.strip_prefix("urn:epc:id:sgtin:") {
        return from_urn(body);
    }
    let (gtin_text, serial) = element_string(value)
        .or_else(|| digital_link(value))
        .or_else(|| plain_elements(value))
        .or_else(|| value.split_once('.'))
        .ok_or(RegistryError::Structure(
            "expected `(01)` GTIN `(21)` serial number, a Digital Link or `urn:epc:id:sgtin:`",
        ))?;
    finish(gtin_text, serial)
}

fn finish(gtin_text: &str, serial: &str) -> Result<String, RegistryError> {
    let item = gtin(gtin_text)?;
    check_text(serial)?;
    Ok(format!("(01){item}(21){serial}"))
}

fn element_string(value: &str) -> Option<(&str, &str)> {
    value.strip_prefix("(01)")?.split_once("(21)")
}

fn digital_link(value: &str) -> Option<(&str, &str)> {
    let (_, tail) = value.rsplit_once("/01/")?;
    tail.split_once("/21/")
}

fn plain_elements(value: &str) -> Option<(&str, &str)> {
    let body = value.strip_prefix("01")?;
    let (item, rest) = body.split_at_checked(14)?;
    Some((item, rest.strip_prefix("21")?))
}

/// The EPC URI (EPC Tag Data Standard, section 6.3.1): company prefix, indicator and item reference, serial.
fn from_urn(body: &str) -> Result<String, RegistryError> {
    const SHAPE: RegistryError = RegistryError::Structure(
        "expected `urn:epc:id:sgtin:` prefix `.` indicator and item `.` serial, 13 digits before the serial",
    );
    let (prefix, rest) = body.split_once('.').ok_or(SHAPE)?;
    let (item, serial) = rest.split_once('.').ok_or(SHAPE)?;
    let all_digits = prefix
        .bytes()
        .chain(item.bytes())
        .all(|byte| byte.is_ascii_digit());
    if !all_digits || !(6..=12).contains(&prefix.len()) || prefix.len() + item.len() != 13 {
        return Err(SHAPE);
    }
    let payload = format!("{}{prefix}{}", &item[..1], &item[1..]);
    finish(&format!("{payload}{}", gs1_check(&payload)), serial)
}
