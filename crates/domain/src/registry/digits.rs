//! What the registries share: their error, stripping of punctuation, and the two families of check digits.

/// Why a value does not satisfy its registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Too few or too many characters.
    #[error("expected {expected}, found {found}")]
    Length {
        /// What the registry wants.
        expected: &'static str,
        /// Characters found, without punctuation.
        found: usize,
    },
    /// A character that does not belong there.
    #[error("{found:?} is not allowed: expected {expected}")]
    Character {
        /// The character.
        found: char,
        /// What the registry wants.
        expected: &'static str,
    },
    /// The check digits do not fit; the right ones are not told, because the error may lie elsewhere.
    #[error("the check {} not fit: a digit is wrong or two are swapped", if *.digits == 1 { "digit does" } else { "digits do" })]
    CheckDigit {
        /// How many check digits the number has.
        digits: u8,
    },
    /// The parts do not make sense.
    #[error("{0}")]
    Structure(&'static str),
}

impl RegistryError {
    /// The stable code for a field error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "wrong_length",
            Self::Character { .. } => "bad_character",
            Self::CheckDigit { .. } => "wrong_check_digit",
            Self::Structure(_) => "malformed",
        }
    }
}

/// The value without white space and the punctuation people put between groups.
pub(super) fn strip(value: &str) -> String {
    value
        .chars()
        .filter(|character| !character.is_whitespace() && !matches!(character, '.' | '-' | '/'))
        .collect()
}

/// The stripped value, if it consists of ASCII digits and has one of the lengths.
pub(super) fn digits_of(
    value: &str,
    lengths: &[usize],
    expected: &'static str,
) -> Result<String, RegistryError> {
    let bare = strip(value);
    if let Some(found) = bare.chars().find(|character| !character.is_ascii_digit()) {
        return Err(RegistryError::Character { found, expected });
    }
    if !lengths.contains(&bare.len()) {
        return Err(RegistryError::Length {
            expected,
            found: bare.len(),
        });
    }
    Ok(bare)
}

/// The digit values of text that is known to hold digits (and, for CNPJ, capital letters: code minus 48).
pub(super) fn values(text: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    text.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0')))
}

/// Modulo 11 with weights 2, 3, .. `last` from the right, then 2 again; remainders 0 and 1 give 0. The usual rule in Brazil.
pub(super) fn modulo_11(payload: &str, last: u32) -> u32 {
    let weights = (2..=last).cycle();
    let sum: u32 = values(payload)
        .rev()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum();
    match sum % 11 {
        0 | 1 => 0,
        remainder => 11 - remainder,
    }
}

/// The GS1 check digit: weights 3, 1, 3, .. from the right, up to the next ten (GS1 General Specifications, section 7.9).
pub(super) fn gs1_check(payload: &str) -> u32 {
    let sum: u32 = values(payload)
        .rev()
        .zip([3, 1].into_iter().cycle())
        .map(|(value, weight)| value * weight)
        .sum();
    (10 - sum % 10) % 10
}

/// Splits off the last `count` characters of ASCII text and checks them, one after the other, with `rule` over all before.
pub(super) fn check_last(text: &str, count: u8, rule: impl Fn(&str) -> u32) -> Result<(), RegistryError> {
    let first = text.len() - usize::from(count);
    let fits = (first..text.len()).all(|at| values(&text[at..]).next() == Some(rule(&text[..at])));
    if fits {
        Ok(())
    } else {
        Err(RegistryError::CheckDigit { digits: count })
    }
}
