//! API keys: the text `fg_<id>_<secret>`, what is stored of it, and the scopes.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{ids::ApiKeyId, words::words};

words! {
    /// What an API key may be used for. A write scope does not include reading.
    ApiScope, "scope" {
        /// Read items.
        ItemsRead = "items:read",
        /// Make and change items.
        ItemsWrite = "items:write",
        /// Read circuits.
        CircuitsRead = "circuits:read",
        /// Change circuits, push and pull.
        CircuitsWrite = "circuits:write",
        /// Read events.
        EventsRead = "events:read",
        /// Record events.
        EventsWrite = "events:write",
        /// Read notifications.
        NotificationsRead = "notifications:read",
        /// Change notifications and their settings.
        NotificationsWrite = "notifications:write",
        /// Read the workspace, its members and settings.
        WorkspaceRead = "workspace:read",
        /// Change the workspace, its members and settings.
        WorkspaceWrite = "workspace:write",
        /// See jobs.
        JobsRead = "jobs:read",
        /// Start and cancel jobs.
        JobsWrite = "jobs:write",
        /// Read receipts and proofs.
        ProofsRead = "proofs:read",
        /// Make receipts, submit proofs.
        ProofsWrite = "proofs:write",
        /// Read adapters and storage history.
        StorageRead = "storage:read",
        /// Configure adapters, migrate storage.
        StorageWrite = "storage:write",
        /// Read webhooks.
        WebhooksRead = "webhooks:read",
        /// Configure webhooks.
        WebhooksWrite = "webhooks:write",
        /// Read the audit trail.
        AuditRead = "audit:read",
        /// Read what platform administrators read.
        AdminRead = "admin:read",
        /// Do what platform administrators do.
        AdminWrite = "admin:write",
    }
}

/// Text that is no API key. Says nothing about the text, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key: expected `fg_<id>_<secret>`")]
pub struct ApiKeyError;

/// An API key in clear, as it is shown once to its owner. `Debug` shows the id only, and there is no `Display`.
#[derive(Clone)]
pub struct ApiKeyToken {
    id: ApiKeyId,
    secret: [u8; 32],
}

impl ApiKeyToken {
    /// A key with this id and these random bytes.
    #[must_use]
    pub const fn new(id: ApiKeyId, secret: [u8; 32]) -> Self {
        Self { id, secret }
    }

    /// The public part, by which the stored key is found.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// The text to show to its owner, once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!(
            "fg_{}_{}",
            self.id.uuid().simple(),
            URL_SAFE_NO_PAD.encode(self.secret)
        )
    }

    /// What is stored: SHA-256 of the secret, enough because the secret has 256 random bits.
    #[must_use]
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Whether the stored hash is this key's, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, stored_hash: &[u8; 32]) -> bool {
        let differences = self
            .secret_hash()
            .iter()
            .zip(stored_hash)
            .fold(0, |sum, (left, right)| sum | (left ^ right));
        differences == 0
    }
}

impl FromStr for ApiKeyToken {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, ApiKeyError> {
        let (id, secret) = text
            .strip_prefix("fg_")
            .and_then(|rest| rest.split_once('_'))
            .ok_or(ApiKeyError)?;
        if id.len() != 32 {
            return Err(ApiKeyError);
        }
        let id = Uuid::try_parse(id).map_err(|_| ApiKeyError)?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| ApiKeyError)?;
        let secret = bytes.try_into().map_err(|_| ApiKeyError)?;
        Ok(Self {
            id: id.into(),
            secret,
        })
    }
}

impl fmt::Debug for ApiKeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeyToken({}, secret hidden)", self.id)
    }
}
