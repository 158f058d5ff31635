//! Animal transponders after ISO 11784.

use super::digits::{RegistryError, digits_of};

/// Largest national identification code: 38 bits (ISO 11784, table 1).
const MAX_CODE: u64 = (1 << 38) - 1;

/// The 15 decimal digits of ISO 11784: a country (ISO 3166, 001 to 899) or manufacturer (900 to 998), then twelve digits of
/// at most 2^38 - 1. 999 marks a test transponder. There is no check digit.
pub(super) fn animal_code(value: &str) -> Result<String, RegistryError> {
    let digits = digits_of(value, &[15], "15 digits")?;
    let (issuer, code) = digits.split_at(3);
    match issuer {
        "000" => {
            return Err(RegistryError::Structure(
                "the first three digits are a country or manufacturer code, never 000",
            ));
        }
        "999" => {
            return Err(RegistryError::Structure(
                "999 marks a test transponder, which identifies nothing",
            ));
        }
        _ => {}
    }
    match code.parse::<u64>() {
        Ok(0) | Err(_) => Err(RegistryError::Structure(
            "the last twelve digits are the animal's number, never zero",
        )),
        Ok(number) if number > MAX_CODE => Err(RegistryError::Structure(
            "the last twelve digits are the animal's number, at most 274877906943 (38 bits)",
        )),
        Ok(_) => Ok(digits),
    }
}
