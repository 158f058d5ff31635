//! Registries whose numbers identify animals, people, farms and goods, with their real rules.
//!
//! Each registry turns what people write into one bare form, or says what is wrong. Whether a number has been issued is not
//! known here: that is `verified`.

mod brazil;
mod digits;
mod gs1;
mod rfid;

pub use digits::RegistryError;

use crate::{problem::UnknownWord, words::words};

words! {
    /// A registry.
    Registry, "registry" {
        /// Brazilian identification of cattle and buffalo: 15 digits, the last a check digit.
        Sisbov = "SISBOV",
        /// Brazilian taxpayer number of a person: 11 digits, the last two check digits.
        Cpf = "CPF",
        /// Brazilian taxpayer number of an organisation: 14 characters, letters from 2026 on, the last two check digits.
        Cnpj = "CNPJ",
        /// Brazilian rural environmental registration: state, municipality, 32 hexadecimal digits.
        Car = "CAR",
        /// Brazilian tax number of a rural property: 8 digits, the last a check digit.
        Nirf = "NIRF",
        /// Radio-frequency identification of animals, ISO 11784: 15 digits.
        Rfid = "RFID",
        /// GS1 trade item number of 8, 12, 13 or 14 digits.
        Gtin = "GTIN",
        /// GS1 trade item number with a serial number.
        Sgtin = "SGTIN",
        /// GS1 location number: 13 digits.
        Gln = "GLN",
        /// GS1 serial shipping container code: 18 digits.
        Sscc = "SSCC",
        /// Batch or lot number, GS1 application identifier 10.
        Lot = "LOT",
    }
}

impl Registry {
    /// The registry with this name, whatever its case.
    ///
    /// # Errors
    /// Lists the known registries.
    pub fn from_name(name: &str) -> Result<Self, UnknownWord> {
        let upper = name.trim().to_ascii_uppercase();
        upper.parse().or_else(|_| name.parse())
    }

    /// The bare form of a value: punctuation gone, letters in upper case where case means nothing, zeros filled up.
    ///
    /// # Errors
    /// Says what is wrong: length, characters, structure or check digit.
    pub fn normalise(self, value: &str) -> Result<String, RegistryError> {
        match self {
            Self::Sisbov => brazil::sisbov(value),
            Self::Cpf => brazil::cpf(value),
            Self::Cnpj => brazil::cnpj(value),
            Self::Car => brazil::car(value),
            Self::Nirf => brazil::nirf(value),
            Self::Rfid => rfid::animal_code(value),
            Self::Gtin => gs1::gtin(value),
            Self::Sgtin => gs1::sgtin(value),
            Self::Gln => gs1::gln(value),
            Self::Sscc => gs1::sscc(value),
            Self::Lot => gs1::lot(value),
        }
    }
}
