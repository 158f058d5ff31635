//! Accounts: registration, login, logout, the profile, by their usual names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Entry, operation, path_name, shape};
use crate::config::{Config, Operation, Step, View};

/// Where the answers of registration and login have the id and the token.
const CAPTURES: [(&str, &str); 2] = [
    ("user_id", "auto:user_id,id"),
    (
        "token",
        "auto:token,access_token,accessToken,jwt,api_key,session_token",
    ),
];

/// Usual names of a registration.
const REGISTRATIONS: [&str; 6] = ["register", "signup", "sign-up", "sign_up", "users", "accounts"];
/// Usual names of a login.
const LOGINS: [&str; 8] = [
    "login",
    "signin",
    "sign-in",
    "sign_in",
    "token",
    "sessions",
    "session",
    "authenticate",
];
/// Usual names of a logout.
const LOGOUTS: [&str; 4] = ["logout", "signout", "sign-out", "sign_out"];

/// The captures of these names.
fn capture(names: &[&str]) -> BTreeMap<String, String> {
    CAPTURES
        .iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, from)| ((*name).to_owned(), (*from).to_owned()))
        .collect()
}

/// What is posted to under one of these names, without an id.
fn named<'a, 'd>(entries: &'a [Entry<'d>], names: &[&str]) -> Option<&'a Entry<'d>> {
    let fits = |entry: &&Entry<'_>| {
        entry.method == "POST" && entry.params() == 0 && names.contains(&entry.last().to_lowercase().as_str())
    };
    entries.iter().find(fits)
}

/// Registration, login and logout by their usual names.
pub(super) fn auth(config: &mut Config, entries: &[Entry<'_>]) {
    let register = named(entries, &REGISTRATIONS);
    let given = !config.principals.is_empty();
    if let Some(entry) =
        register.filter(|entry| config.auth.register.is_empty() && !given && entry.body.is_some())
    {
        config.auth.register.push(Step {
            call: signing(entry),
            capture: capture(&["user_id", "token"]),
        });
    }
    let login = named(entries, &LOGINS);
    if let Some(entry) = login.filter(|_| config.auth.login.is_empty() && !has_credentials(config)) {
        config.auth.login.push(Step {
            call: signing(entry),
            capture: capture(&["token"]),
        });
    }
    let logout = named(entries, &LOGOUTS);
    if let Some(entry) = logout.filter(|_| config.auth.logout.is_empty() && !given) {
        config.auth.logout.push(Step {
            call: Operation::new("POST", &entry.path),
            capture: BTreeMap::new(),
        });
    }
}

/// Says whether posting to a collection is a registration.
pub(super) fn signs_up(config: &Config, collection: &str) -> bool {
    let mut steps = config.auth.register.iter();
    steps.any(|step| shape(&step.call.path) == shape(collection))
}

/// Says whether the principals are given with credentials, so that nobody need log in.
pub(super) fn has_credentials(config: &Config) -> bool {
    config.principals.iter().any(|given| {
        given.bearer.is_some()
            || !given.headers.is_empty()
            || !given.cookies.is_empty()
            || given.variables.contains_key("token")
    })
}

/// The caller's own account: where its profile is changed and where it is deleted.
pub(super) fn account(config: &mut Config, entries: &[Entry<'_>]) {
    let own = |entry: &&Entry<'_>| {
        entry.params() == 0 && ["me", "profile", "account", "self"].contains(&entry.last())
    };
    for entry in entries.iter().filter(own) {
        let text = entry
            .body
            .as_ref()
            .is_some_and(|body| body.to_string().contains("{{canary"));
        match entry.method.as_str() {
            "PUT" | "PATCH" if config.auth.profile.is_none() && text => {
                config.auth.profile = Some(signing(entry))
            }
            "DELETE" if config.auth.delete_account.is_empty() && !config.auth.register.is_empty() => {
                config.auth.delete_account.push(Step {
                    call: operation(entry, &entry.path),
                    capture: BTreeMap::new(),
                });
            }
            _ => {}
        }
    }
}

/// Adds what gives a user by his id as a view, where users are no resource of their own.
pub(super) fn user_by_id(config: &mut Config, entries: &[Entry<'_>]) {
    let user =
        |entry: &&Entry<'_>| {
            let of_users =
                entry.parts.iter().rev().nth(1).is_some_and(|part| {
                    ["users", "accounts", "profiles", "members"].contains(&part.as_str())
                });
            entry.method == "GET"
                && entry.params() == 1
                && entry.last().starts_with('{')
                && of_users
                && !entry.path.contains("/admin")
                && !entry.public
        };
    if let Some(entry) = entries.iter().find(user) {
        let fixed = entry.parts[..entry.parts.len() - 1].join("/");
        let by = if entry.last().contains("name") {
            "username"
        } else {
            "user_id"
        };
        let name = format!("{} by id", path_name(&entry.parts));
        // Only a guess: where it does not hold, nothing is missing.
        config.policy.uncovered.push(name.clone());
        config.views.push(View {
            name,
            read: Operation::new("GET", &format!("/{fixed}/{{{{{by}}}}}")),
            ..View::default()
        });
    }
}

/// A body of registration or login: names, addresses and passwords are the principal's own.
pub(super) fn signing(entry: &Entry<'_>) -> Operation {
    let mut made = operation(entry, &entry.path);
    let own = |name: &str| match name.to_lowercase().as_str() {
        "username" | "user" | "login" | "name" | "user_name" | "handle" | "nickname" | "display_name" => {
            Some("{{username}}")
        }
        "email" | "mail" | "email_address" => Some("{{email}}"),
        "password" | "pass" | "passwd" | "secret" | "password_confirmation" | "confirm_password" => {
            Some("{{password}}")
        }
        _ => None,
    };
    if let Some(Value::Object(fields)) = &mut made.json {
        for (name, value) in fields.iter_mut() {
            if let Some(template) = own(name) {
                *value = Value::from(template);
            }
        }
    }
    for (name, value) in &mut made.form {
        if let Some(template) = own(name) {
            *value = template.to_owned();
        }
    }
    made
}
