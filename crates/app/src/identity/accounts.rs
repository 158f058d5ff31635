//! Registration: a user and a workspace, together or not at all.

use db::Scope;
use domain::{
    identity::{Email, Role, Username, check_password, check_workspace_name, slug},
    ids::{UserId, WorkspaceId},
    problem::{ErrorCode, FieldError},
    tier::{Limit, Tier},
};
use store::{Step, members, users, workspaces};

use super::{Identity, data_key, passwords, secrets::Secret};
use crate::{AppError, Result, limits};

/// Longest slug that leaves room for the suffix that makes it unique.
const SLUG: usize = 40;

/// What a person gives to register.
#[derive(Clone, Debug)]
pub struct Register {
    /// Name to sign in with.
    pub username: String,
    /// Address.
    pub email: String,
    /// Password in clear.
    pub password: Secret,
    /// Name of the workspace; the username if none is given.
    pub workspace_name: Option<String>,
}

/// What came of a registration.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The user.
    pub user_id: UserId,
    /// Name as written.
    pub username: String,
    /// Address as written.
    pub email: String,
    /// The workspace, which the user owns.
    pub workspace_id: WorkspaceId,
    /// The workspace's slug.
    pub slug: String,
}

/// A registration that keeps the rules.
struct Valid {
    username: Username,
    email: Email,
    password: Secret,
    workspace_name: String,
}

impl Identity<'_> {
    /// Makes a user and a workspace that the user owns, in the default tier.
    ///
    /// # Errors
    /// Broken rules by field; a conflict that names the username or the address that is taken.
    pub async fn register(&self, scope: &Scope, command: Register) -> Result<Registered> {
        let tier = self.services().config.default_tier;
        self.create_account(scope, command, tier, false, Vec::new()).await
    }

    /// Makes a user with a workspace; `extra` steps belong to the same unit of work.
    pub(crate) async fn create_account(
        &self,
        scope: &Scope,
        command: Register,
        tier: Tier,
        platform_admin: bool,
        extra: Vec<Step>,
    ) -> Result<Registered> {
        let valid = validate(command)?;
        let hash = self
            .services()
            .passwords
            .hash(valid.password.clone(), self.salt());
        let hash = scope.meter.step(passwords::HASH, hash).await?;
        let plain = slug(&valid.workspace_name);
        match self
            .insert_account(
                scope,
                &valid,
                &hash,
                &plain,
                (tier, platform_admin),
                extra.clone(),
            )
            .await
        {
            Err(error) if broke(&error, "workspaces_slug_key") => {}
            outcome => return outcome.map_err(taken),
        }
        let unique = format!(
            "{}-{}",
            plain.chars().take(SLUG).collect::<String>(),
            self.suffix()
        );
        let outcome = self
            .insert_account(scope, &valid, &hash, &unique, (tier, platform_admin), extra)
            .await;
        outcome.map_err(taken)
    }

    async fn insert_account(
        &self,
        scope: &Scope,
        valid: &Valid,
        hash: &str,
        slug: &str,
        (tier, platform_admin): (Tier, bool),
        extra: Vec<Step>,
    ) -> Result<Registered> {
        let (ids, now) = (self.app.ids(), self.app.now());
        let (user_id, workspace_id) = (UserId::generate(ids), WorkspaceId::generate(ids));
        let data_key = data_key::generate(&self.services().config.master_key.0, workspace_id, ids)?;
        let workspace = workspaces::NewWorkspace {
            id: workspace_id,
            name: &valid.workspace_name,
            slug,
            tier,
            data_key,
        };
        let user = users::NewUser {
            id: user_id,
            username: (valid.username.as_str(), valid.username.folded()),
            email: (valid.email.as_str(), valid.email.folded()),
            password_hash: hash,
            platform_admin,
            home: workspace_id,
        };
        let mut steps = vec![
            workspaces::insert(workspace, now),
            users::insert(user, now),
            members::insert(workspace_id, user_id, Role::Owner, now),
        ];
        steps.extend(limits::count_in(workspace_id, tier, Limit::Members, 1, now));
        steps.extend(extra);
        self.app.db().run(scope, steps).await?;
        Ok(Registered {
            user_id,
            username: valid.username.as_str().to_owned(),
            email: valid.email.as_str().to_owned(),
            workspace_id,
            slug: slug.to_owned(),
        })
    }

    fn suffix(&self) -> String {
        let mut bytes = [0; 3];
        self.app.ids().fill(&mut bytes);
        let [a, b, c] = bytes;
        format!("{a:02x}{b:02x}{c:02x}")
    }
}

fn validate(command: Register) -> Result<Valid> {
    let mut errors = Vec::new();
    let username = Username::new(&command.username)
        .map_err(|error| errors.push(error))
        .ok();
    let email = Email::new(&command.email)
        .map_err(|error| errors.push(error))
        .ok();
    let workspace_name = command
        .workspace_name
        .as_deref()
        .unwrap_or(&command.username)
        .trim()
        .to_owned();
    if command.workspace_name.is_some() {
        errors.extend(check_workspace_name("workspace_name", &workspace_name));
    }
    let (Some(username), Some(email)) = (username, email) else {
        return Err(errors.into());
    };
    errors.extend(check_password(command.password.reveal(), &username, Some(&email)));
    if errors.is_empty() {
        Ok(Valid {
            username,
            email,
            password: command.password,
            workspace_name,
        })
    } else {
        Err(errors.into())
    }
}

/// Says which of the two is taken: who registers must choose another.
fn taken(error: AppError) -> AppError {
    let field = match &error {
        error if broke(error, "users_username_key_key") => "username",
        error if broke(error, "users_email_key_key") => "email",
        _ => return error,
    };
    AppError {
        fields: vec![FieldError::new(field, "taken", "is taken: choose another")],
        ..AppError::new(ErrorCode::Conflict, format!("the {field} is taken"))
    }
}

fn broke(error: &AppError, constraint: &str) -> bool {
    error
        .source
        .as_ref()
        .is_some_and(|source| source.is_unique(constraint))
}
