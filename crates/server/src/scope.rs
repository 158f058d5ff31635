//! Workspace roles and the scopes of API keys. Stands in until the domain declares them; then this file goes.

/// Declares scopes: variant and stable word.
macro_rules! scopes {
    ($($variant:ident = $word:literal, $doc:literal;)+) => {
        /// What an API key may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope { $(#[doc = $doc] $variant),+ }

        impl Scope {
            /// Every scope, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word),+ } }
        }
    };
}

scopes! {
    ItemsRead = "items:read", "Read items.";
    ItemsWrite = "items:write", "Make and change items.";
    CircuitsRead = "circuits:read", "Read circuits.";
    CircuitsWrite = "circuits:write", "Make and change circuits, push and pull.";
    EventsRead = "events:read", "Read events.";
    EventsWrite = "events:write", "Record events.";
    NotificationsRead = "notifications:read", "Read notifications.";
    NotificationsWrite = "notifications:write", "Change notifications.";
    WebhooksRead = "webhooks:read", "Read webhooks.";
    WebhooksWrite = "webhooks:write", "Change webhooks.";
    AdminRead = "admin:read", "Read what administrators read.";
    AdminWrite = "admin:write", "Do what administrators do.";
}

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
}

/// A member's role in a workspace, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Works with items, circuits and events.
    Member,
    /// Runs the workspace.
    Admin,
    /// Owns it.
    Owner,
}
