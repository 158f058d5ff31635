//! Ids as newtypes over UUIDs, and the two sources that are passed in: ids with randomness, and time.
//!
//! UUIDs of version 7 are made elsewhere, by an [`IdSource`]; nothing here draws one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

pub use crate::time::{Day, Timestamp, TimestampError};

/// Where new ids and random bytes come from.
pub trait IdSource: Send + Sync {
    /// A new UUID, of version 7 outside tests.
    fn uuid(&self) -> Uuid;
    /// Fills the buffer with bytes nobody can predict (outside tests).
    fn fill(&self, buffer: &mut [u8]);
}

/// What the time is.
pub trait Clock: Send + Sync {
    /// The present moment, in UTC.
    fn now(&self) -> Timestamp;
}

/// Text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct IdError {
    /// The kind of id with its article: `an API key id`.
    what: &'static str,
}

/// Length of a UUID in its usual form with hyphens (RFC 9562, section 4).
const HYPHENATED: usize = 36;

fn parse(text: &str, what: &'static str) -> Result<Uuid, IdError> {
    if text.len() != HYPHENATED {
        return Err(IdError { what });
    }
    Uuid::try_parse(text).map_err(|_| IdError { what })
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident = $what:literal),+ $(,)?) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The UUID inside.
            #[must_use]
            pub const fn uuid(self) -> Uuid { self.0 }
            /// A new id from the source that was passed in.
            pub fn generate(source: &(impl IdSource + ?Sized)) -> Self { Self(source.uuid()) }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self { Self(uuid) }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self { id.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.hyphenated().fmt(f) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> { parse(text, $what).map(Self) }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+ };
}

ids! {
    /// A workspace: the tenant.
    WorkspaceId = "a workspace id",
    /// A person's account.
    UserId = "a user id",
    /// A signed-in browser or program.
    SessionId = "a session id",
    /// An API key; the public part of `fg_<id>_<secret>`.
    ApiKeyId = "an API key id",
    /// A circuit.
    CircuitId = "a circuit id",
    /// An invitation into a circuit or workspace.
    InvitationId = "an invitation id",
    /// A request to join a circuit.
    JoinRequestId = "a join request id",
    /// An item waiting for somebody's decision.
    PendingItemId = "a pending item id",
    /// A push, pull or other operation of a circuit.
    OperationId = "an operation id",
    /// An event.
    EventId = "an event id",
    /// An entry of a circuit's or user's activity.
    ActivityId = "an activity id",
    /// An audit record.
    AuditId = "an audit id",
    /// A security incident.
    IncidentId = "an incident id",
    /// A background job.
    JobId = "a job id",
    /// A row of the outbox.
    OutboxId = "an outbox id",
    /// A movement of credits.
    MovementId = "a movement id",
}
