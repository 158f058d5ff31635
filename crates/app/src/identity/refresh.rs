//! Refresh tokens: each is used once and replaced; a second use ends the session, its family.
//!
//! RFC 9700, section 4.14.2: whoever comes second is either a thief or the one who was robbed.

use domain::{
    ids::{SessionId, Timestamp},
    problem::ErrorCode,
};
use serde_json::json;
use store::sessions;

use super::{
    Client, Identity,
    secrets::{self, Secret},
};
use crate::{
    AppError, Result,
    audit::{Refusal, Refused},
    record::AuditEntry,
};

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
        let tx = self.app.db().begin(&client.scope()).await?;
        let outcome = self.refresh_in(&tx, client, &presented).await;
        // A second use is committed too: its session has ended by it, and the audit trail tells.
        self.app.finish(outcome, tx).await?.ok_or_else(refused)
    }

    /// The next pair; nothing if the token was used before.
    async fn refresh_in(
        &self,
        tx: &db::Tx,
        client: &Client,
        presented: &[u8; 32],
    ) -> Result<Option<Refreshed>> {
        let now = self.app.now();
        let found = sessions::find_refresh(tx, secrets::hash(presented)).await?;
        let found = found.ok_or_else(refused)?;
        if found.used {
            self.end_family(tx, client, found.session_id).await?;
            return Ok(None);
        }
        let session = sessions::authenticate(tx, vec![found.session_id])
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
            sessions::use_refresh(secrets::hash(presented), now),
            sessions::insert_refresh(secrets::hash(&next), session.id, now, session.expires_at),
        ];
        tx.pipeline(steps).await?;
        let (token, expires_at) = self.token(session.user_id, session.id, session.workspace_id)?;
        Ok(Some(Refreshed {
            session_id: session.id,
            token,
            refresh_token: Secret::new(secrets::encode(&next)),
            expires_at,
        }))
    }

    /// Ends the session whose token came a second time. That is one entry of the audit trail; whoever goes on trying
    /// is counted with the refused sign-ins.
    async fn end_family(&self, tx: &db::Tx, client: &Client, session: SessionId) -> Result<()> {
        let (user, workspace) = sessions::owner(tx, session).await?.ok_or_else(refused)?;
        let (now, target) = (self.app.now(), session.to_string());
        if tx.pipeline(vec![sessions::end(session, user, now)]).await? != [1] {
            self.app.note_refusal(Refusal {
                workspace,
                actor: None,
                what: Refused::Login,
                target: &target,
                address: &client.address,
            });
            return Ok(());
        }
        let entry = AuditEntry {
            workspace,
            // Thief or robbed: who came is not known.
            actor: None,
            action: "auth.refresh_reused",
            target: &target,
            denied: true,
            address: &client.address,
        };
        let steps = self.app.audit_steps(&entry, &json!({ "user_id": user }), now)?;
        tx.pipeline(steps.to_vec()).await?;
        Ok(())
    }
}

fn refused() -> AppError {
    AppError::new(
        ErrorCode::Unauthenticated,
        "the refresh token is not valid any more: sign in again",
    )
}
