//! The public identity of an item: `DFID-YYYYMMDD-XXXXXXXXXX-CC`.
//!
//! A UTC day, ten random characters and two check characters, in Crockford's base 32 (`0-9A-Z` without `I L O U`).
//! Whether a DFID exists is a question for the store.
//!
//! **Check characters.** Let `x0..x7` be the day's digits, `x8..x17` the random and `x18 x19` the check characters, each
//! worth 0 to 31. A DFID is sound if `x0*32^19 + x1*32^18 + .. + x19*32^0 = 0 (mod 1021)` and the two check characters
//! are worth less than 1021 together, so that each text has one form. 1021 is the largest prime that two characters
//! hold. A wrong character changes the sum by `weight * difference`: neither factor is divisible by 1021, so it is
//! caught. Swapping two characters changes it by `(difference of weights) * (difference of values)`: 32 has order 68
//! modulo 1021, so the 20 weights differ, and every swap of two unequal characters is caught, neighbours or not,
//! across the hyphens too.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Day;

/// Crockford's base 32 alphabet, by value. <https://www.crockford.com/base32.html>
pub const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The prime modulus of the check.
const MODULUS: u32 = 1021;
/// Length of the text in characters.
pub const LENGTH: usize = 27;
/// Where the three parts begin, and how long they are.
const PARTS: [(usize, usize); 3] = [(5, 8), (14, 10), (25, 2)];

/// A DFID. Small and `Copy`; ordered like its text, so by day first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dfid {
    day: Day,
    /// The ten random characters, five bits each, the first in the highest bits.
    random: u64,
}

/// Why a text is no DFID. Positions count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DfidError {
    /// The text is too short or too long.
    #[error("a DFID has 27 characters, such as DFID-20260301-0123456789-M4; this has {found}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// The text does not begin with `DFID-`.
    #[error("a DFID begins with `DFID-`; character {position} is `{found}`")]
    Prefix {
        /// The first character that differs.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// Something else stands where a hyphen belongs.
    #[error("character {position} must be a hyphen, not `{found}`")]
    Hyphen {
        /// Where the hyphen belongs.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// Something else stands where a digit of the day belongs.
    #[error("character {position} belongs to the day and must be a digit, not `{found}`")]
    DayDigit {
        /// Where the digit belongs.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// A character outside the alphabet.
    #[error(
        "character {position} is `{found}`; allowed are 0-9 and A-Z without U (I and L are read as 1, O as 0)"
    )]
    Character {
        /// Where it stands.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// The check characters do not fit: a character is wrong or two are swapped.
    #[error("the check characters do not fit the rest: a character is wrong, or two are swapped")]
    Check,
    /// The calendar has no such day.
    #[error("characters 6 to 13 must be a calendar day YYYYMMDD; {found:08} is none")]
    NoSuchDay {
        /// The eight digits as a number.
        found: u32,
    },
}

impl Dfid {
    /// The DFID of that day with those random bytes. Only the lowest five bits of each byte are used.
    pub fn new(day: impl Into<Day>, random: [u8; 10]) -> Self {
        let random = random
            .iter()
            .fold(0, |bits, byte| bits << 5 | u64::from(byte & 31));
        Self {
            day: day.into(),
            random,
        }
    }

    /// Reads a DFID; lower case is accepted, I and L are read as 1, O as 0 (outside the prefix).
    ///
    /// # Errors
    /// Says what is wrong and at which character, counted from 1.
    pub fn parse(text: &str) -> Result<Self, DfidError> {
        let values = read_values(text)?;
        if weighted_sum(&values) != 0 || check_value(&values) >= MODULUS {
            return Err(DfidError::Check);
        }
        let number = values[..8]
            .iter()
            .fold(0, |number, digit| number * 10 + u32::from(*digit));
        let day = Day::from_yyyymmdd(number).ok_or(DfidError::NoSuchDay { found: number })?;
        let random = values[8..18]
            .iter()
            .fold(0, |bits, value| bits << 5 | u64::from(*value));
        Ok(Self { day, random })
    }

    /// The UTC day in it.
    #[must_use]
    pub const fn day(self) -> Day {
        self.day
    }

    /// The values of the twenty characters, check characters included.
    fn values(self) -> [u8; 20] {
        let mut values = [0; 20];
        let mut number = self.day.yyyymmdd();
        for digit in values[..8].iter_mut().rev() {
            *digit = (number % 10) as u8;
            number /= 10;
        }
        for (place, value) in values[8..18].iter_mut().rev().enumerate() {
            *value = (self.random >> (5 * place) & 31) as u8;
        }
        // The check characters weigh 32 and 1, so together they count as the number they write.
        let check = (MODULUS - weighted_sum(&values)) % MODULUS;
        values[18] = (check >> 5) as u8;
        values[19] = (check & 31) as u8;
        values
    }
}

/// The number written by all values in base 32, modulo 1021 (Horner's rule).
fn weighted_sum(values: &[u8; 20]) -> u32 {
    values
        .iter()
        .fold(0, |sum, value| (sum * 32 + u32::from(*value)) % MODULUS)
}

fn check_value(values: &[u8; 20]) -> u32 {
    u32::from(values[18]) * 32 + u32::from(values[19])
}

/// Reads the twenty characters that carry a value, checking everything that stands around them.
fn read_values(text: &str) -> Result<[u8; 20], DfidError> {
    let found = text.chars().count();
    if found != LENGTH {
        return Err(DfidError::Length { found });
    }
    let mut characters = ['-'; LENGTH];
    characters
        .iter_mut()
        .zip(text.chars())
        .for_each(|(slot, found)| *slot = found);
    let differs = |(found, want): &(&char, char)| found.to_ascii_uppercase() != *want;
    if let Some(index) = characters
        .iter()
        .zip("DFID-".chars())
        .position(|pair| differs(&pair))
    {
        return Err(DfidError::Prefix {
            position: index + 1,
            found: characters[index],
        });
    }
    if let Some(index) = [13, 24].into_iter().find(|index| characters[*index] != '-') {
        return Err(DfidError::Hyphen {
            position: index + 1,
            found: characters[index],
        });
    }
    let mut values = [0; 20];
    let places = PARTS.iter().flat_map(|(start, length)| *start..start + length);
    for (slot, index) in places.enumerate() {
        let (found, position) = (characters[index], index + 1);
        let value = value_of(found).ok_or(DfidError::Character { position, found })?;
        if slot < 8 && value > 9 {
            return Err(DfidError::DayDigit { position, found });
        }
        values[slot] = value;
    }
    Ok(values)
}

/// The value of a character in Crockford's base 32, reading `O` as 0 and `I` and `L` as 1.
fn value_of(character: char) -> Option<u8> {
    let upper = match character.to_ascii_uppercase() {
        'O' => b'0',
        'I' | 'L' => b'1',
        other => u8::try_from(other).ok()?,
    };
    ALPHABET
        .iter()
        .position(|known| *known == upper)
        .and_then(|value| u8::try_from(value).ok())
}

impl Dfid {
    /// Its characters, all of them ASCII.
    fn text(self) -> [u8; LENGTH] {
        let mut text = *b"DFID-________-__________-__";
        let places = PARTS.iter().flat_map(|(start, length)| *start..start + length);
        for (value, index) in self.values().into_iter().zip(places) {
            text[index] = ALPHABET[usize::from(value)];
        }
        text
    }
}

impl fmt::Display for Dfid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Dfid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dfid({self})")
    }
}

impl FromStr for Dfid {
    type Err = DfidError;

    fn from_str(text: &str) -> Result<Self, DfidError> {
        Self::parse(text)
    }
}

impl Serialize for Dfid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.text()).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Dfid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
