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
#[error("not a {what}: expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct IdError {
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
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> { serializer.collect_str(self) }
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
    WorkspaceId = "workspace id",
    /// A person's account.
    UserId = "user id",
    /// A signed-in browser or program.
    SessionId = "session id",
    /// A family of refresh tokens that ends together.
    TokenFamilyId = "token family id",
    /// An API key; the public part of `fg_<id>_<secret>`.
    ApiKeyId = "API key id",
    /// A circuit.
    CircuitId = "circuit id",
    /// A custom role of a circuit.
    RoleId = "role id",
    /// An invitation into a circuit or workspace.
    InvitationId = "invitation id",
    /// A request to join a circuit.
    JoinRequestId = "join request id",
    /// A workspace's private item (LID).
    LocalItemId = "local item id",
    /// A merge of local items or of DFID items that can be undone.
    MergeId = "merge id",
    /// A right to see an item that was given to a user or workspace.
    ShareId = "share id",
    /// An item waiting for somebody's decision.
    PendingItemId = "pending item id",
    /// A push, pull or other operation of a circuit.
    OperationId = "operation id",
    /// An event.
    EventId = "event id",
    /// An entry of a circuit's or user's activity.
    ActivityId = "activity id",
    /// An audit record.
    AuditId = "audit id",
    /// A security incident.
    IncidentId = "incident id",
    /// A background job.
    JobId = "job id",
    /// A notification to a user.
    NotificationId = "notification id",
    /// A webhook's configuration.
    WebhookId = "webhook id",
    /// One attempt to deliver a webhook.
    DeliveryId = "delivery id",
    /// A row of the outbox.
    OutboxId = "outbox id",
    /// A movement of credits.
    MovementId = "movement id",
    /// A storage adapter's configuration.
    AdapterId = "adapter id",
    /// An entry of an item's storage history.
    StorageRecordId = "storage record id",
    /// A receipt of the transparency log.
    ReceiptId = "receipt id",
    /// A snapshot of an item or circuit.
    SnapshotId = "snapshot id",
    /// An uploaded or produced document, such as an export.
    DocumentId = "document id",
    /// A submitted proof.
    ProofId = "proof id",
    /// One request, from the edge to its answer.
    RequestId = "request id",
}
