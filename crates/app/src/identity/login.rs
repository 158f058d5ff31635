//! Signing in with a password, and opening sessions.

use db::{Meter, Scope};
use domain::{
    identity::Role,
    ids::{SessionId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use store::{Step, members, sessions, sign_in_failures, users};

use super::{
    Identity,
    guard::Counters,
    passwords,
    secrets::{self, Secret},
    tokens::{Claims, CookieToken},
};
use crate::{
    AppError, Result,
    audit::{Refusal, Refused},
};

/// Longest `User-Agent` that is kept, in characters.
const AGENT: usize = 256;

/// Who knocks, before it is known who it is.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address, from the connection or a trusted proxy.
    pub address: String,
    /// The `User-Agent`; empty if there is none.
    pub agent: String,
    /// Counts statements and database time.
    pub meter: Meter,
}

impl Client {
    /// Accounts and sessions belong to no tenant: which one is found out here.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::system().with_meter(self.meter.clone())
    }
}

/// An opened session with its secrets, which are shown this once.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub user_id: UserId,
    /// Name.
    pub username: String,
    /// Address.
    pub email: String,
    /// Whether the user runs the platform.
    pub platform_admin: bool,
    /// Role in the workspace.
    pub role: Role,
    /// The workspace the session acts in.
    pub workspace_id: WorkspaceId,
    /// The session.
    pub session_id: SessionId,
    /// Bearer token.
    pub token: Secret,
    /// Refresh token.
    pub refresh_token: Secret,
    /// Value of the cookie `session`.
    pub cookie: Secret,
    /// End of the bearer token's life.
    pub expires_at: Timestamp,
    /// End of the session's life.
    pub session_expires_at: Timestamp,
}

impl Identity<'_> {
    /// Opens a session for one who knows the password. The name may be the username or the address.
    ///
    /// # Errors
    /// The same refusal after the same work for a wrong password and an unknown name; a refusal to try further after
    /// too many failures; account not active; unavailable when too many sign-ins wait.
    pub async fn login(&self, client: &Client, name: &str, password: Secret) -> Result<SignedIn> {
        let scope = client.scope();
        let folded = name.trim().to_ascii_lowercase();
        let counters = Counters::new(&folded, &client.address);
        if let Err(throttled) = self.check_failures(&scope, &counters).await {
            self.app.count_refusal(Refused::Login);
            return Err(throttled);
        }
        let (login, upgraded) = self
            .check_name_and_password(client, &folded, password, &counters)
            .await?;
        if !login.user.status.may_act() {
            self.note_refused(client, &login);
            return Err(AppError::new(
                ErrorCode::AccountNotActive,
                format!("the account is {}", login.user.status),
            ));
        }
        let mut steps = vec![sign_in_failures::clear(counters.of_account())];
        if let Some(hash) = upgraded {
            steps.push(users::rehash(login.user.id, &login.password_hash, &hash));
        }
        let (workspace, role) = self.start_workspace(&scope, &login).await?;
        self.open_session(client, &login.user, (workspace, role), steps)
            .await
    }

    async fn check_name_and_password(
        &self,
        client: &Client,
        folded: &str,
        password: Secret,
        counters: &Counters,
    ) -> Result<(users::Login, Option<String>)> {
        let scope = client.scope();
        let found = users::login(&self.app.db().scoped(&scope), folded).await?;
        let stored = found.as_ref().map(|login| login.password_hash.clone());
        let check = self.services().passwords.check(password, stored, self.salt());
        let verdict = scope.meter.step(passwords::CHECK, check).await?;
        match found {
            Some(login) if verdict.matches => Ok((login, verdict.upgraded)),
            other => {
                self.count_failure(&scope, counters).await?;
                match other {
                    Some(login) => self.note_refused(client, &login),
                    None => self.app.count_refusal(Refused::Login),
                }
                Err(AppError::new(
                    ErrorCode::InvalidCredentials,
                    "the username is unknown or the password is wrong",
                ))
            }
        }
    }

    /// Tells the account's home workspace; who tried is not known.
    fn note_refused(&self, client: &Client, login: &users::Login) {
        self.app.note_refusal(Refusal {
            workspace: login.user.home_workspace_id,
            actor: None,
            what: Refused::Login,
            target: &login.user.username,
            address: &client.address,
        });
    }

    /// Where a session begins: at home, or in the oldest membership of one who was removed from there.
    async fn start_workspace(&self, scope: &Scope, login: &users::Login) -> Result<(WorkspaceId, Role)> {
        if let Some(role) = login.role {
            return Ok((login.user.home_workspace_id, role));
        }
        let others = members::workspaces(&self.app.db().scoped(scope), login.user.id).await?;
        let first = others.first().map(|(workspace, role)| (workspace.id, *role));
        first.ok_or_else(|| AppError::forbidden("the account is a member of no workspace any more"))
    }

    async fn open_session(
        &self,
        client: &Client,
        user: &users::User,
        (workspace_id, role): (WorkspaceId, Role),
        mut steps: Vec<Step>,
    ) -> Result<SignedIn> {
        let (ids, now) = (self.app.ids(), self.app.now());
        let session_expires_at = now.plus(self.services().config.session_life);
        let cookie = CookieToken::new(SessionId::generate(ids), secrets::random(ids));
        let agent = kept_agent(&client.agent);
        let session = sessions::NewSession {
            id: cookie.session,
            user: user.id,
            workspace: workspace_id,
            token_hash: cookie.hash(),
            address: &client.address,
            agent: &agent,
            expires_at: session_expires_at,
        };
        let refresh = secrets::random(ids);
        steps.push(sessions::insert(session, now));
        steps.push(sessions::insert_refresh(
            secrets::hash(&refresh),
            cookie.session,
            now,
            session_expires_at,
        ));
        self.app.db().run(&client.scope(), steps).await?;
        let (token, expires_at) = self.token(user.id, cookie.session, workspace_id)?;
        Ok(SignedIn {
            user_id: user.id,
            username: user.username.clone(),
            email: user.email.clone(),
            platform_admin: user.platform_admin,
            role,
            workspace_id,
            session_id: cookie.session,
            token,
            refresh_token: Secret::new(secrets::encode(&refresh)),
            cookie: Secret::new(cookie.reveal()),
            expires_at,
            session_expires_at,
        })
    }

    /// A bearer token of a session for a workspace, and when it ends.
    pub(super) fn token(
        &self,
        user: UserId,
        session: SessionId,
        workspace: WorkspaceId,
    ) -> Result<(Secret, Timestamp)> {
        let now = self.app.now();
        let ends = now.plus(self.services().config.token_life);
        let claims = Claims::new(user, session, workspace, self.app.ids().uuid(), [now, ends]);
        let token = self.services().tokens.sign(&claims)?;
        // The token counts in whole seconds.
        Ok((Secret::new(token), Timestamp::from_secs(ends.secs())))
    }

    pub(super) fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        self.app.ids().fill(&mut salt);
        salt
    }
}

/// What is kept of a `User-Agent`.
fn kept_agent(agent: &str) -> String {
    agent
        .chars()
        .filter(|character| !character.is_control())
        .take(AGENT)
        .collect()
}
