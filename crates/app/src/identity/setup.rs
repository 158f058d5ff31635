//! The first start: how the first administrator comes to be. No account has a known password.

use db::Scope;
use domain::{problem::ErrorCode, tier::Tier};
use store::{deployment, users};

use super::{
    Client, Identity, Register, Registered,
    secrets::{self, Secret},
};
use crate::{AppError, Result};

/// Name of the fact that holds the set-up token's hash.
const SETUP_TOKEN: &str = "setup_token";
/// Username of the administrator made from the environment.
pub const ADMIN: &str = "admin";

/// The accounts of a demonstration: username, workspace, its tier, whether it runs the platform, what it is for.
const DEMO: [(&str, &str, Tier, bool, &str); 3] = [
    (
        "demo-admin",
        "Demo administration",
        Tier::Admin,
        true,
        "runs the platform",
    ),
    (
        "demo-farm",
        "Demo farm",
        Tier::Enterprise,
        false,
        "owns a workspace of a producer",
    ),
    (
        "demo-buyer",
        "Demo buyer",
        Tier::Enterprise,
        false,
        "owns a workspace of a buyer",
    ),
];

/// A throw-away account with its random password.
#[derive(Clone, Debug)]
pub struct DemoAccount {
    /// Name to sign in with.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// What the account is for.
    pub description: &'static str,
    /// The account.
    pub registered: Registered,
}

// Set-up concerns the deployment, not a tenant: all of it runs in the system's scope.

impl Identity<'_> {
    /// A new one-time set-up token, as long as nobody runs the platform; the one before is void.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn setup_token(&self) -> Result<Option<Secret>> {
        let scope = Scope::system();
        if users::admin_exists(&self.app.db().scoped(&scope)).await? {
            return Ok(None);
        }
        let token = secrets::encode(&secrets::random(self.app.ids()));
        let hash = secrets::encode(&secrets::hash(token.as_bytes()));
        self.app
            .db()
            .run(&scope, vec![deployment::put(SETUP_TOKEN, &hash, self.app.now())])
            .await?;
        Ok(Some(Secret::new(token)))
    }

    /// Makes the platform's first administrator for one who has the set-up token. The token is used up.
    ///
    /// # Errors
    /// Invalid credentials for a wrong or used token; the errors of a registration.
    pub async fn set_up(&self, client: &Client, token: &Secret, command: Register) -> Result<Registered> {
        let scope = client.scope();
        let hash = secrets::encode(&secrets::hash(token.reveal().trim().as_bytes()));
        let stored = deployment::get(&self.app.db().scoped(&scope), SETUP_TOKEN)
            .await?
            .unwrap_or_default();
        if !secrets::same(stored.as_bytes(), hash.as_bytes()) {
            return Err(wrong_token());
        }
        // The insert fails, and with it the unit, if somebody else used the token a moment ago.
        let claim = deployment::claim(SETUP_TOKEN, &hash, self.app.now());
        let made = self
            .create_account(&scope, command, Tier::Admin, true, vec![claim])
            .await;
        made.map_err(|error| match &error.source {
            Some(db::DbError::Check { .. }) => wrong_token(),
            Some(source)
                if source
                    .constraint()
                    .is_some_and(|name| name.starts_with("deployment_")) =>
            {
                wrong_token()
            }
            _ => error,
        })
    }

    /// Makes the administrator `admin` with the operator's password, unless somebody runs the platform already.
    ///
    /// # Errors
    /// The errors of a registration, such as a password that is too short.
    pub async fn ensure_admin(&self, password: Secret) -> Result<Option<Registered>> {
        let scope = Scope::system();
        if users::admin_exists(&self.app.db().scoped(&scope)).await? {
            return Ok(None);
        }
        let command = Register {
            username: ADMIN.to_owned(),
            email: "admin@localhost.localdomain".to_owned(),
            password,
            workspace_name: Some("Administration".to_owned()),
        };
        self.create_account(&scope, command, Tier::Admin, true, Vec::new())
            .await
            .map(Some)
    }

    /// Makes the accounts of a demonstration: one who runs the platform, two producers. Their passwords are random.
    ///
    /// # Errors
    /// Conflict if the accounts exist: a demonstration begins with an empty database.
    pub async fn create_demo_accounts(&self) -> Result<Vec<DemoAccount>> {
        let mut made = Vec::new();
        for (username, workspace, tier, admin, description) in DEMO {
            let password = Secret::new(secrets::encode(&secrets::random(self.app.ids())[..15]));
            let command = Register {
                username: username.to_owned(),
                email: format!("{username}@example.org"),
                password: password.clone(),
                workspace_name: Some(workspace.to_owned()),
            };
            let registered = self
                .create_account(&Scope::system(), command, tier, admin, Vec::new())
                .await?;
            made.push(DemoAccount {
                username: username.to_owned(),
                password,
                description,
                registered,
            });
        }
        Ok(made)
    }
}

fn wrong_token() -> AppError {
    AppError::new(
        ErrorCode::InvalidCredentials,
        "the set-up token is wrong, was used, or was replaced at a later start",
    )
}
