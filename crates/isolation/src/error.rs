//! Why a run could not be done. What the service does wrong is a finding, never an error.

/// A run that could not be done, or could not be believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong; the text says where, and what would mend it.
    #[error("{0}")]
    Config(String),
    /// A template names a variable that nobody set.
    #[error(
        "`{template}` needs the variable `{variable}`, which nothing has set: capture it, or give it to the principal"
    )]
    Variable {
        /// The variable.
        variable: String,
        /// The text that uses it.
        template: String,
    },
    /// A principal could not get credentials.
    #[error("cannot get credentials for {who}: {step}: {reason}")]
    Credentials {
        /// The principal.
        who: String,
        /// The request that failed.
        step: String,
        /// What came instead.
        reason: String,
    },
    /// A request went out, and no answer came: what it asked may have been done.
    #[error("{url}: {reason}")]
    NoAnswer {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The service was not reached, or said something else than was asked.
    #[error("{url}: {reason}")]
    Network {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// A rule missed its planted fault: nothing this run says can be believed.
    #[error("self-test failed: {0}")]
    SelfTest(String),
}

impl Error {
    /// A TOML error with file, line and column.
    pub(crate) fn toml(file: &str, error: &toml::de::Error) -> Self {
        Self::Config(format!("{file}: {error}"))
    }
}
