//! Tickets: how a page opens a live connection without putting a long-lived secret into a URL.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{caller::Credential, ids::Timestamp, problem::ErrorCode};
use sha2::{Digest, Sha256};
use store::live::{self, Holder};

use crate::{App, AppError, Ctx, Result};

/// How long a ticket waits to be used.
const LIFE: Duration = Duration::from_secs(30);

/// The holder of a live connection that this caller opens.
#[must_use]
pub fn holder_of(ctx: &Ctx) -> Holder {
    let api_key = match &ctx.caller.credential {
        Credential::ApiKey(key, _) => Some(*key),
        Credential::Cookie(_) | Credential::Token(_) => None,
    };
    Holder {
        workspace: ctx.workspace(),
        user: ctx.user(),
        session: ctx.caller.session(),
        api_key,
    }
}

impl App {
    /// A ticket that opens one live connection for the caller within thirty seconds, and when that ends.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn live_ticket(&self, ctx: &Ctx) -> Result<(String, Timestamp)> {
        let mut secret = [0; 32];
        self.ids().fill(&mut secret);
        let expires_at = self.now().plus(LIFE);
        let step = live::insert_ticket(Sha256::digest(secret).into(), &holder_of(ctx), expires_at);
        self.db().run(&ctx.scope(), vec![step]).await?;
        Ok((URL_SAFE_NO_PAD.encode(secret), expires_at))
    }

    /// Uses a ticket up and tells whose it was.
    ///
    /// # Errors
    /// Unauthenticated if it is unknown, used or too old.
    pub async fn use_live_ticket(&self, ticket: &str) -> Result<Holder> {
        let refused = || {
            AppError::new(
                ErrorCode::Unauthenticated,
                "the ticket is unknown, used or too old: ask for another",
            )
        };
        let secret = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| refused())?;
        let hash = Sha256::digest(secret).into();
        live::take_ticket(self.db(), hash, self.now())
            .await?
            .ok_or_else(refused)
    }
}
