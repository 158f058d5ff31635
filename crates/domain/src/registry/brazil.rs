//! Brazilian registries: SISBOV, CPF, CNPJ, CAR, NIRF.

use super::digits::{RegistryError, check_last, digits_of, modulo_11, strip};

/// SISBOV: three digits of the country of birth, eleven of the animal (of old: two of the state, nine of the animal), one
/// check digit by modulo 11 with weights 2 to 9. Normative Instruction MAPA 51/2018, annex III; a leading `BR` is dropped.
pub(super) fn sisbov(value: &str) -> Result<String, RegistryError> {
    let bare = strip(value).to_ascii_uppercase();
    let digits = digits_of(bare.strip_prefix("BR").unwrap_or(&bare), &[15], "15 digits")?;
    if digits.starts_with("000") {
        return Err(RegistryError::Structure(
            "the first three digits are the country of birth, such as 076 or 105, never 000",
        ));
    }
    check_last(&digits, 1, |payload| modulo_11(payload, 9))?;
    Ok(digits)
}

/// CPF: nine digits and two check digits by modulo 11 with weights 2 upwards. Eleven equal digits pass the arithmetic but
/// are never issued. Normative Instruction RFB 2.172/2024.
pub(super) fn cpf(value: &str) -> Result<String, RegistryError> {
    let digits = digits_of(value, &[11], "11 digits")?;
    refuse_equal(&digits)?;
    check_last(&digits, 2, |payload| modulo_11(payload, 11))?;
    Ok(digits)
}

/// CNPJ: twelve characters and two check digits by modulo 11 with weights 2 to 9; from July 2026 on the twelve may hold
/// capital letters, counted by their code minus 48. Normative Instruction RFB 2.229/2024.
pub(super) fn cnpj(value: &str) -> Result<String, RegistryError> {
    const EXPECTED: &str = "12 digits or letters and 2 check digits";
    let bare = strip(value).to_ascii_uppercase();
    if let Some(found) = bare.chars().find(|character| !character.is_ascii_alphanumeric()) {
        return Err(RegistryError::Character {
            found,
            expected: EXPECTED,
        });
    }
    if bare.len() != 14 {
        return Err(RegistryError::Length {
            expected: EXPECTED,
            found: bare.len(),
        });
    }
    if let Some(found) = bare[12..].chars().find(|character| !character.is_ascii_digit()) {
        return Err(RegistryError::Character {
            found,
            expected: "digits in the last two places",
        });
    }
    refuse_equal(&bare)?;
    check_last(&bare, 2, |payload| modulo_11(payload, 9))?;
    Ok(bare)
}

fn refuse_equal(text: &str) -> Result<(), RegistryError> {
    let first = text.chars().next();
    if text.chars().all(|character| Some(character) == first) {
        return Err(RegistryError::Structure(
            "all digits are equal; such a number is never issued",
        ));
    }
    Ok(())
}

/// NIRF (since 2021 the numeric form of CIB): seven digits and a check digit by modulo 11 with weights 2 to 8.
///
/// The Federal Revenue names 0.000.001-9 as the first and 9.999.999-4 as the last number; both fit. The alphanumeric CIB is
/// refused: how its check character is computed is not published.
pub(super) fn nirf(value: &str) -> Result<String, RegistryError> {
    let digits = digits_of(value, &[8], "8 digits")?;
    if digits.starts_with("0000000") {
        return Err(RegistryError::Structure("numbers begin with 0.000.001-9"));
    }
    check_last(&digits, 1, |payload| modulo_11(payload, 8))?;
    Ok(digits)
}

/// CAR: state, seven digits of the municipality (IBGE), 32 hexadecimal digits. Normative Instruction MMA 2/2014.
///
/// Gives `UF-NNNNNNN-` and the 32 digits without inner points. The municipality's first two digits must be the state's.
pub(super) fn car(value: &str) -> Result<String, RegistryError> {
    const EXPECTED: &str = "2 letters, 7 digits and 32 hexadecimal digits";
    let bare = strip(value).to_ascii_uppercase();
    if let Some(found) = bare.chars().find(|character| !character.is_ascii_alphanumeric()) {
        return Err(RegistryError::Character {
            found,
            expected: EXPECTED,
        });
    }
    if bare.len() != 41 {
        return Err(RegistryError::Length {
            expected: EXPECTED,
            found: bare.len(),
        });
    }
    let (state, municipality, code) = (&bare[..2], &bare[2..9], &bare[9..]);
    if let Some(found) = municipality.chars().find(|character| !character.is_ascii_digit()) {
        return Err(RegistryError::Character {
            found,
            expected: "7 digits of the municipality after the state",
        });
    }
    if let Some(found) = code.chars().find(|character| !character.is_ascii_hexdigit()) {
        return Err(RegistryError::Character {
            found,
            expected: "32 hexadecimal digits at the end",
        });
    }
    match STATES.iter().find(|(letters, _)| *letters == state) {
        None => Err(RegistryError::Structure(
            "the first two letters are not a Brazilian state",
        )),
        Some((_, number)) if !municipality.starts_with(number) => Err(RegistryError::Structure(
            "the municipality does not lie in the state: its first two digits are another state's",
        )),
        Some(_) => Ok(format!("{state}-{municipality}-{code}")),
    }
}

/// The states and the two digits their municipalities begin with (IBGE, Divisão Territorial Brasileira).
const STATES: [(&str, &str); 27] = [
    ("RO", "11"),
    ("AC", "12"),
    ("AM", "13"),
    ("RR", "14"),
    ("PA", "15"),
    ("AP", "16"),
    ("TO", "17"),
    ("MA", "21"),
    ("PI", "22"),
    ("CE", "23"),
    ("RN", "24"),
    ("PB", "25"),
    ("PE", "26"),
    ("AL", "27"),
    ("SE", "28"),
    ("BA", "29"),
    ("MG", "31"),
    ("ES", "32"),
    ("RJ", "33"),
    ("SP", "35"),
    ("PR", "41"),
    ("SC", "42"),
    ("RS", "43"),
    ("MS", "50"),
    ("MT", "51"),
    ("GO", "52"),
    ("DF", "53"),
];
