//! What identity keeps between requests: the password threads, the signing key, the reads that requests share.

use std::{collections::HashMap, sync::Arc};

use db::{Coalescer, Db, DbError, Scope};
use domain::ids::{ApiKeyId, Clock, IdSource, SessionId, Timestamp};
use store::{api_keys, deployment, sessions};

use super::{config::IdentityConfig, passwords::PasswordPool, secrets, tokens::TokenKeys, touches::Touches};
use crate::Result;

/// Queries of one kind that may be on their way at once; with one the batches are largest.
const IN_FLIGHT: usize = 1;
/// Most sessions or keys asked for by one query.
const BATCH: usize = 256;
/// Name of the generated signing key.
const SIGNING_KEY: &str = "token_key";

/// What identity keeps between requests. One per process.
pub struct Services {
    pub(super) config: IdentityConfig,
    pub(super) passwords: PasswordPool,
    pub(super) tokens: TokenKeys,
    pub(super) sessions: Coalescer<SessionId, sessions::Authenticated>,
    pub(super) keys: Coalescer<ApiKeyId, api_keys::Authenticated>,
    pub(super) touches: Touches,
}

impl Services {
    /// Starts the password threads and gets the signing key: the configured one, or the deployment's, made at the
    /// first start and the same on every replica.
    ///
    /// # Errors
    /// If the database can't be read, or the parameters of password hashing make no sense.
    pub async fn start(
        db: &Db,
        clock: &dyn Clock,
        ids: &dyn IdSource,
        config: IdentityConfig,
    ) -> Result<Arc<Self>> {
        let tokens = match &config.token_key {
            Some(secret) => TokenKeys::new(secret.reveal().as_bytes()),
            None => TokenKeys::new(deployment_key(db, clock.now(), ids).await?.as_bytes()),
        };
        Ok(Arc::new(Self {
            passwords: PasswordPool::start(&config.passwords)?,
            tokens,
            sessions: session_reads(db.clone()),
            keys: key_reads(db.clone()),
            touches: Touches::default(),
            config,
        }))
    }

    /// What the operator decided.
    #[must_use]
    pub const fn config(&self) -> &IdentityConfig {
        &self.config
    }
}

async fn deployment_key(db: &Db, now: Timestamp, ids: &dyn IdSource) -> std::result::Result<String, DbError> {
    // The deployment's facts belong to no tenant.
    let scope = Scope::global();
    let fresh = secrets::encode(&secrets::random(ids));
    db.run(&scope, vec![deployment::put_if_absent(SIGNING_KEY, &fresh, now)])
        .await?;
    deployment::get(&db.scoped(&scope), SIGNING_KEY)
        .await?
        .ok_or(DbError::NotFound)
}

// The tenant is what these two reads find out, so they can't name it: the id and the secret's hash select the row.

fn session_reads(db: Db) -> Coalescer<SessionId, sessions::Authenticated> {
    let pressure = db.pressure().clone();
    Coalescer::new(IN_FLIGHT, BATCH, move |ids| {
        let db = db.clone();
        async move {
            let rows = sessions::authenticate(&db.scoped(&Scope::global()), ids).await?;
            Ok(rows
                .into_iter()
                .map(|row| (row.id, row))
                .collect::<HashMap<_, _>>())
        }
    })
    .counted_in(&pressure)
}

fn key_reads(db: Db) -> Coalescer<ApiKeyId, api_keys::Authenticated> {
    let pressure = db.pressure().clone();
    Coalescer::new(IN_FLIGHT, BATCH, move |ids| {
        let db = db.clone();
        async move {
            let rows = api_keys::authenticate(&db.scoped(&Scope::global()), ids).await?;
            Ok(rows
                .into_iter()
                .map(|row| (row.id, row))
                .collect::<HashMap<_, _>>())
        }
    })
    .counted_in(&pressure)
}

impl Services {
    /// Hashes a password that guards something else than an account.
    pub(crate) async fn hash_text(&self, text: &str, ids: &dyn IdSource) -> Result<String> {
        let mut salt = [0; 16];
        ids.fill(&mut salt);
        self.passwords
            .hash(super::Secret::new(text.to_owned()), salt)
            .await
    }

    /// Checks such a password.
    pub(crate) async fn check_text(&self, text: &str, hash: &str, ids: &dyn IdSource) -> Result<bool> {
        let mut salt = [0; 16];
        ids.fill(&mut salt);
        let secret = super::Secret::new(text.to_owned());
        Ok(self
            .passwords
            .check(secret, Some(hash.to_owned()), salt)
            .await?
            .matches)
    }
}
