//! Kinds of values: how each is read from text and shown again.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use domain::{identity::Cidr, tier::Tier};

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "***";

/// Text that is never shown: its `Debug` and its printed form are `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretString(String);

impl SecretString {
    /// Hides the text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// A kind of value that a key can have.
pub trait Setting: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What was expected, without the text that was found.
    fn read(text: &str) -> Result<Self, String>;
    /// Shows it so that [`Setting::read`] understands it; secrets as `***`.
    fn show(&self) -> String;
}

impl Setting for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for SecretString {
    fn read(text: &str) -> Result<Self, String> {
        if ["vault://", "aws-sm://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Err(
                "references to a secret store are not supported: mount the secret and name it with …_FILE"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
    fn show(&self) -> String {
        MASK.to_owned()
    }
}

macro_rules! plain {
    ($($kind:ty = $expected:literal),+ $(,)?) => { $(
        impl Setting for $kind {
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| concat!("expected ", $expected).to_owned())
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}

plain! {
    u16 = "a whole number from 0 to 65535",
    u32 = "a whole number from 0 to 4294967295",
    usize = "a whole number",
    NonZeroU32 = "a whole number from 1 to 4294967295",
    NonZeroUsize = "a whole number, at least 1",
    Cidr = "an address range such as 10.0.0.0/8",
    Tier = "basic, professional, enterprise or admin",
}

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// The share.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Setting for Ratio {
    fn read(text: &str) -> Result<Self, String> {
        let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        share
            .map(Self)
            .ok_or_else(|| "expected a number from 0 to 1, such as 0.1".to_owned())
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// `localhost` and the brackets that addresses of version 6 have in URLs are understood.
impl Setting for IpAddr {
    fn read(text: &str) -> Result<Self, String> {
        if text == "localhost" {
            return Ok(Ipv4Addr::LOCALHOST.into());
        }
        text.trim_matches(['[', ']'])
            .parse()
            .map_err(|_| "expected an IP address such as 127.0.0.1 or ::".to_owned())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let expected =
            || "expected a time such as 500ms, 30s, 15m, 24h or 30d; a bare number means seconds".to_owned();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| expected())?;
        let millis = match unit.trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(expected()),
        };
        number
            .checked_mul(millis)
            .map(Self::from_millis)
            .ok_or_else(expected)
    }
    fn show(&self) -> String {
        let millis = self.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        match units
            .iter()
            .find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit))
        {
            Some((unit, name)) => format!("{}{name}", millis / unit),
            None => format!("{millis}ms"),
        }
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::read(text).map(Some)
        }
    }
    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

/// Separated by commas.
impl<T: Setting> Setting for Vec<T> {
    fn read(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(T::read)
            .collect()
    }
    fn show(&self) -> String {
        self.iter().map(T::show).collect::<Vec<_>>().join(", ")
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant),+ }
        impl Setting for $name {
            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("expected one of {}", [$($word),+].join(", "))),
                }
            }
            fn show(&self) -> String {
                match self { $(Self::$variant => $word),+ }.to_owned()
            }
        }
    };
}

words! {
    /// Where the server runs.
    Environment {
        /// On a developer's machine.
        Development = "development",
        /// On the stage, under checks that production does not make.
        Staging = "staging",
        /// For real.
        Production = "production",
    }
}
words! {
    /// What the log shows at least.
    LogLevel {
        /// Everything.
        Trace = "trace",
        /// What helps to find a defect.
        Debug = "debug",
        /// What happens.
        Info = "info",
        /// What may need attention.
        Warn = "warn",
        /// What went wrong.
        Error = "error",
        /// Nothing.
        Off = "off",
    }
}
words! {
    /// How the way to the mail server is kept from others.
    MailTls {
        /// In clear until `STARTTLS`, which the server must offer.
        StartTls = "starttls",
        /// From the first byte.
        Implicit = "implicit",
        /// Not at all.
        None = "none",
    }
}
words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}
