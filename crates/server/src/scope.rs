//! The scopes of API keys as a set that is cheap to ask.

pub use domain::identity::{ApiScope as Scope, Role};

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u64);

impl Scopes {
    /// Every scope: what a person's session has.
    pub const ALL: Self = Self(u64::MAX);
    /// No scope.
    pub const NONE: Self = Self(0);

    /// The set of exactly these.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | 1 << *scope as u64))
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u64 != 0
    }

    /// The scopes of the set, in the order of their declaration.
    #[must_use]
    pub fn list(self) -> Vec<Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(|scope| self.contains(*scope))
            .collect()
    }
}
