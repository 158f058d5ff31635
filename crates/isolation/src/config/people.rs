//! The service's users as the configuration tells of them: how they get credentials, and who is given.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Operation, Step};

/// How principals get their credentials, and how these are shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Steps that make an account from `{{username}}`, `{{email}}` and `{{password}}`.
    pub register: Vec<Step>,
    /// Steps that make an administrator's account. Empty: the run has no administrator of its own.
    pub register_admin: Vec<Step>,
    /// Steps that log in.
    pub login: Vec<Step>,
    /// Steps that end the session.
    pub logout: Vec<Step>,
    /// Steps that delete the caller's account.
    pub delete_account: Vec<Step>,
    /// Bearer token, as a template such as `{{token}}`.
    pub bearer: Option<String>,
    /// Headers of every request, as templates: API keys and the like.
    pub headers: BTreeMap<String, String>,
    /// Headers of every request that is not GET, HEAD or OPTIONS, as templates: CSRF tokens and the like. `{{cookie.NAME}}` is a cookie's value.
    pub write_headers: BTreeMap<String, String>,
    /// Keep and send cookies. Default: true.
    pub cookies: bool,
    /// Changes the caller's profile; its canaries mark whose profile is whose.
    pub profile: Option<Operation>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            register: Vec::new(),
            register_admin: Vec::new(),
            login: Vec::new(),
            logout: Vec::new(),
            delete_account: Vec::new(),
            bearer: None,
            headers: BTreeMap::new(),
            write_headers: BTreeMap::new(),
            cookies: true,
            profile: None,
        }
    }
}

/// What somebody is used for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Works, shares and attacks.
    #[default]
    Worker,
    /// May see everything, if the policy says so.
    Admin,
    /// Does nothing; his view must not move.
    Observer,
    /// Is logged out and deleted.
    Expendable,
}

/// Somebody with given credentials.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrincipalConfig {
    /// Name in reports.
    pub name: String,
    /// What he is used for. Default: worker.
    pub role: Role,
    /// Variables for templates: `username`, `password`, `token`, `user_id`, ...
    pub variables: BTreeMap<String, String>,
    /// Variables that stand in the environment: variable = name there. Where one is not set, he is left out, and the report says so.
    pub secrets: BTreeMap<String, String>,
    /// Bearer token; short for a variable `token` shown as bearer.
    pub bearer: Option<String>,
    /// Headers of his requests.
    pub headers: BTreeMap<String, String>,
    /// Cookies of his requests.
    pub cookies: BTreeMap<String, String>,
    /// Principals with the same group see what is visible to the group.
    pub group: Option<String>,
}

impl PrincipalConfig {
    /// The first of his secrets that is set nowhere: its name in the environment.
    pub fn unset(&self) -> Option<&str> {
        let unset = self
            .secrets
            .iter()
            .find(|(variable, _)| !self.variables.contains_key(*variable));
        unset.map(|(_, name)| name.as_str())
    }
}
