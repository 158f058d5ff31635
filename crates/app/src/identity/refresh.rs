//! Refresh tokens: each is used once and replaced; a second use ends the session, its family.
//!
//! RFC 9700, section 4.14.2: whoever comes second is either a thief or the one who was robbed.

use domain::{
    ids::{SessionId, Timestamp},
    problem::ErrorCode,
};
use store::sessions;

use super::{
    Client, Identity,
    secrets::{self, Secret},
};
use crate::{AppError, Result};

/// A fresh pair of tokens.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The session.
    pub session_id: SessionId,
    /// Bearer token.
    pub token: Secret,
    /// The next refresh token.
    pub refresh_token: Secret,
    /// End of the bearer token's life.
    pub expires_at: Timestamp,
}

impl Identity<'_> {
    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// Unauthenticated if the token is unknown, ended or used; if it was used before, its session ends.
    pub async fn refresh(&self, client: &Client, refresh_token: &Secret) -> Result<Refreshed> {
        let presented: [u8; 32] = secrets::decode(refresh_token.reveal()).ok_or_else(refused)?;
        let now = self.app.now();
        let tx = self.app.db().begin(&client.scope()).await?;
        let found = sessions::find_refresh(&tx, secrets::hash(&presented))
            .await?
            .ok_or_else(refused)?;
        if found.used {
            let owner = sessions::owner(&tx, found.session_id)
                .await?
                .ok_or_else(refused)?;
            tx.pipeline(vec![sessions::end(found.session_id, owner, now)])
                .await?;
            tx.commit().await?;
            return Err(refused());
        }
        let session = sessions::authenticate(&tx, vec![found.session_id])
            .await?
            .pop()
            .ok_or_else(refused)?;
        if found.expires_at <= now || session.expires_at <= now {
            return Err(refused());
        }
        if !session.status.may_act() {
            return Err(AppError::new(
                ErrorCode::AccountNotActive,
                format!("the account is {}", session.status),
            ));
        }
        let next = secrets::random(self.app.ids());
        let steps = vec![
            sessions::use_refresh(secrets::hash(&presented), now),
            sessions::insert_refresh(secrets::hash(&next), session.id, now, session.expires_at),
        ];
        tx.pipeline(steps).await?;
        tx.commit().await?;
        let (token, expires_at) = self.token(session.user_id, session.id, session.workspace_id)?;
        Ok(Refreshed {
            session_id: session.id,
            token,
            refresh_token: Secret::new(secrets::encode(&next)),
            expires_at,
        })
    }
}

fn refused() -> AppError {
    AppError::new(
        ErrorCode::Unauthenticated,
        "the refresh token is not valid any more: sign in again",
    )
}
