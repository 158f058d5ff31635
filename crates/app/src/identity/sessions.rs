//! A user's own sessions: list, end one, end all; changing the password; changing the workspace.

use std::time::Duration;

use domain::{
    identity::{Username, check_password},
    ids::{SessionId, Timestamp, WorkspaceId},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
use serde_json::json;
use store::{members, sessions, sessions::Session, users};

use super::{Identity, guard::Counters, passwords, secrets::Secret};
use crate::{
    AppError, Ctx, Result,
    audit::{Refusal, Refused},
};

/// How long an ended session is kept.
const ENDED_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

// Sessions belong to users, who may act in several workspaces: these statements name the user, not the tenant.

impl Identity<'_> {
    /// Ends the caller's session, everywhere and at once.
    ///
    /// # Errors
    /// Forbidden for an API key, which has no session.
    pub async fn logout(&self, ctx: &Ctx) -> Result<()> {
        let id = own_session(ctx)?;
        self.app
            .db()
            .run(
                &ctx.system_scope(),
                vec![sessions::end(id, ctx.user(), self.app.now())],
            )
            .await?;
        Ok(())
    }

    /// The caller's living sessions, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn sessions(&self, ctx: &Ctx, page: &PageRequest) -> Result<Page<Session>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.system_scope();
        let rows = sessions::list(
            &self.app.db().scoped(&scope),
            ctx.user(),
            self.app.now(),
            page,
            after,
        )
        .await?;
        Ok(Page::cut(rows, page, |session| Cursor::new("", session.id)))
    }

    /// Number of the caller's living sessions.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn session_count(&self, ctx: &Ctx) -> Result<u64> {
        let scope = ctx.system_scope();
        Ok(sessions::count(&self.app.db().scoped(&scope), ctx.user(), self.app.now()).await?)
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// Not found, also for somebody else's.
    pub async fn end_session(&self, ctx: &Ctx, id: SessionId) -> Result<()> {
        let step = sessions::end(id, ctx.user(), self.app.now());
        let affected = self.app.db().run(&ctx.system_scope(), vec![step]).await?;
        if affected == [1] {
            Ok(())
        } else {
            Err(AppError::not_found("session"))
        }
    }

    /// Ends all of the caller's sessions, the one that asks included. Returns how many.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn end_all_sessions(&self, ctx: &Ctx) -> Result<u64> {
        let step = sessions::end_others(ctx.user(), None, self.app.now());
        Ok(self
            .app
            .db()
            .run(&ctx.system_scope(), vec![step])
            .await?
            .into_iter()
            .sum())
    }

    /// Sets a new password for one who knows the present one; all other sessions end.
    ///
    /// # Errors
    /// Invalid credentials, counted like a failed sign-in; a broken rule for `new_password`.
    pub async fn change_password(&self, ctx: &Ctx, present: Secret, new: Secret) -> Result<()> {
        let scope = ctx.system_scope();
        let found = users::credentials(&self.app.db().scoped(&scope), ctx.user()).await?;
        let login = found.ok_or_else(|| AppError::not_found("user"))?;
        let counters = Counters::new(&login.user.username.to_ascii_lowercase(), &ctx.address);
        self.check_failures(&scope, &counters).await?;
        let stored = Some(login.password_hash);
        let check = self.services().passwords.check(present, stored, self.salt());
        let verdict = scope.meter.step(passwords::CHECK, check).await?;
        if !verdict.matches {
            self.count_failure(&scope, &counters).await?;
            self.app.note_refusal(Refusal {
                workspace: ctx.workspace(),
                actor: Some(ctx.user()),
                what: Refused::Login,
                target: &login.user.username,
                address: &ctx.address,
            });
            return Err(AppError::new(
                ErrorCode::InvalidCredentials,
                "the present password is wrong",
            ));
        }
        check_new_password(&new, &login.user.username, "new_password")?;
        let hash = self.services().passwords.hash(new, self.salt());
        let hash = scope.meter.step(passwords::HASH, hash).await?;
        let now = self.app.now();
        let mut steps = vec![
            users::set_password(ctx.user(), &hash, now),
            sessions::end_others(ctx.user(), ctx.caller.session(), now),
        ];
        steps.extend(self.trail(ctx, "password.changed", &ctx.user().to_string(), &json!({}))?);
        self.app.db().run(&scope, steps).await?;
        Ok(())
    }

    /// Lets the caller's session act in another of the user's workspaces. Tokens made before end.
    ///
    /// # Errors
    /// Not found for a workspace the user is no member of; forbidden for an API key.
    pub async fn switch_workspace(&self, ctx: &Ctx, to: WorkspaceId) -> Result<(Secret, Timestamp)> {
        let id = own_session(ctx)?;
        let scope = ctx.system_scope();
        if members::find(&self.app.db().scoped(&scope), to, ctx.user())
            .await?
            .is_none()
        {
            return Err(AppError::not_found("workspace"));
        }
        let affected = self
            .app
            .db()
            .run(&scope, vec![sessions::switch(id, ctx.user(), to)])
            .await?;
        if affected != [1] {
            return Err(AppError::new(ErrorCode::Unauthenticated, "the session has ended"));
        }
        self.token(ctx.user(), id, to)
    }

    /// Removes at most a batch of each: sessions and their tokens a week after their end, so that people still find
    /// them; password resets and counts of failed sign-ins at once. A worker calls it until nothing is left.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn purge_ended(&self, batch: u32) -> Result<u64> {
        let now = self.app.now();
        let window = self.services().config.sign_in.window;
        let mut steps = sessions::purge(now.minus(ENDED_LIFE), batch).to_vec();
        steps.push(store::password_resets::purge(now, batch));
        steps.push(store::sign_in_failures::purge(now.minus(window), batch));
        // Everybody's, so no tenant.
        Ok(self
            .app
            .db()
            .run(&db::Scope::system(), steps)
            .await?
            .into_iter()
            .sum())
    }
}

/// Checks the rules of passwords; the error is about `field`.
pub(super) fn check_new_password(password: &Secret, username: &str, field: &str) -> Result<()> {
    let username = Username::new(username)?;
    match check_password(password.reveal(), &username, None) {
        Some(error) => Err(FieldError {
            field: field.to_owned(),
            ..error
        }
        .into()),
        None => Ok(()),
    }
}

fn own_session(ctx: &Ctx) -> Result<SessionId> {
    ctx.caller
        .session()
        .ok_or_else(|| AppError::forbidden("an API key has no session: revoke the key instead"))
}
