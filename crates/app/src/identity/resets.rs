//! Forgotten passwords: a token by mail, good for one use within half an hour.

use std::time::Duration;

use domain::{identity::Email, ids::OutboxId, problem::ErrorCode};
use serde_json::json;
use store::{password_resets, records, sessions, users};

use super::{
    Client, Identity, passwords,
    secrets::{self, Secret},
    sessions::check_new_password,
};
use crate::{AppError, Result, record::AuditEntry};

/// Life of a token.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// Tokens past their life that a request takes along; a worker removes the rest.
const SWEPT: u32 = 20;

impl Identity<'_> {
    /// Sends a token to the address, if an account has it. The answer is the same if none has.
    ///
    /// # Errors
    /// An address that cannot be one.
    pub async fn request_reset(&self, client: &Client, email: &str) -> Result<()> {
        let email = Email::new(email)?;
        let (scope, now) = (client.scope(), self.app.now());
        let found = users::login(&self.app.db().scoped(&scope), &email.folded()).await?;
        // Both cases make one durable write, so that the time tells nothing.
        let mut steps = vec![password_resets::purge(now, SWEPT)];
        if let Some(login) = found.filter(|login| login.user.status.may_act()) {
            let token = secrets::random(self.app.ids());
            let ends = now.plus(LIFE);
            let mail = json!({
                "to": login.user.email,
                "template": "password_reset",
                "username": login.user.username,
                "token": secrets::encode(&token),
                "expires_at": ends,
            });
            let id = OutboxId::generate(self.app.ids());
            steps.push(password_resets::insert(
                secrets::hash(&token),
                login.user.id,
                now,
                ends,
            ));
            steps.push(records::insert_outbox(
                login.user.home_workspace_id,
                id,
                "mail",
                store::bind::json(&mail),
                now,
            ));
        }
        self.app.db().run(&scope, steps).await?;
        self.app.wake_outbox();
        Ok(())
    }

    /// Sets a new password for one who has the token; all sessions of the user end.
    ///
    /// # Errors
    /// Gone if the token is unknown, used or too old; a broken rule for `password`.
    pub async fn confirm_reset(&self, client: &Client, token: &Secret, password: Secret) -> Result<()> {
        let token: [u8; 32] = secrets::decode(token.reveal()).ok_or_else(gone)?;
        let (scope, now, db) = (client.scope(), self.app.now(), self.app.db());
        let token = secrets::hash(&token);
        // Looked at first without a lock: hashing takes long, and a unit of work must not wait for it.
        let user = password_resets::find(&db.scoped(&scope), token, now)
            .await?
            .ok_or_else(gone)?;
        let account = users::find(&db.scoped(&scope), user).await?.ok_or_else(gone)?;
        check_new_password(&password, &account.user.username, "password")?;
        let hash = self.services().passwords.hash(password, self.salt());
        let hash = scope.meter.step(passwords::HASH, hash).await?;
        let target = user.to_string();
        let entry = AuditEntry {
            workspace: account.user.home_workspace_id,
            actor: Some(user),
            action: "password.reset",
            target: &target,
            denied: false,
            address: &client.address,
        };
        let mut steps = vec![
            password_resets::use_all(user, now),
            users::set_password(user, &hash, now),
            sessions::end_others(user, None, now),
        ];
        steps.extend(self.app.audit_steps(&entry, &json!({}), now)?);
        let tx = db.begin(&scope).await?;
        let work = async {
            password_resets::lock(&tx, token, now).await?.ok_or_else(gone)?;
            tx.pipeline(steps).await?;
            Ok(())
        };
        self.app.finish(work.await, tx).await
    }
}

fn gone() -> AppError {
    AppError::new(
        ErrorCode::Gone,
        "the link was used, has expired, or never existed: ask for a new one",
    )
}
