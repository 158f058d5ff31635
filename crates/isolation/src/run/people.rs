//! People: registration, login, the steps of both, and the canaries in their profiles.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Run, SILENT_TRIES};
use crate::Error;
use crate::config::{Role, Step};
use crate::exchange::{Answer, Exchange};
use crate::ledger::{Audience, Kind, Who};
use crate::net::Lane;
use crate::principal::{Principal, take};
use crate::rule::Rule;
use crate::template::{Mint, Size, Vars};

impl Run {
    /// Says whether new people can be made.
    pub fn can_enrol(&self) -> bool {
        !self.config.auth.register.is_empty()
    }

    /// A fresh name, and the variables that go with it.
    pub fn fresh_vars(&mut self, prefix: &str) -> Vars {
        let word = crate::ledger::canary(&mut self.text);
        let username = format!("{prefix}{}", &word[2..10]);
        let email = format!("{word}@example.com");
        let password = format!("Pw-{}-9x", crate::ledger::canary(&mut self.text));
        Vars::from(
            [("username", username), ("email", email), ("password", password)]
                .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    /// Registers somebody new and logs him in.
    ///
    /// # Errors
    /// When the service will not have him, under three names.
    pub async fn enrol(&mut self, role: Role) -> Result<Who, Error> {
        let prefix = match role {
            Role::Worker => "wrk",
            Role::Admin => "adm",
            Role::Observer => "obs",
            Role::Expendable => "exp",
        };
        let mut last = None;
        for _ in 0..3 {
            let vars = self.fresh_vars(prefix);
            let who = self.people.len();
            match self.enrol_as(role, vars).await {
                Ok(who) => return Ok(who),
                Err(error) => {
                    // Whoever has no credentials plays no part.
                    self.people[who].role = Role::Expendable;
                    self.refused.push(error.to_string());
                    let stuck = self.log.last().is_some_and(|last| last.answer.is_trouble());
                    last = Some(error);
                    // Another name mends a refusal, not trouble.
                    if stuck {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::Config("nobody can be registered".into())))
    }

    /// Registers somebody with given variables and logs him in.
    ///
    /// # Errors
    /// When the service will not have him.
    pub async fn enrol_as(&mut self, role: Role, vars: Vars) -> Result<Who, Error> {
        let config = self.config.clone();
        let name = vars.get("username").cloned().unwrap_or_default();
        let who = self.people.len();
        let group = config.principals.first().and_then(|given| given.group.clone());
        self.people.push(Principal {
            name,
            role,
            group,
            vars,
            ..Principal::default()
        });
        self.note_identity(who);
        let steps = if role == Role::Admin {
            &config.auth.register_admin
        } else {
            &config.auth.register
        };
        self.steps(who, steps).await?;
        self.log_in(who).await?;
        self.fill_profile(who).await?;
        Ok(who)
    }

    /// Adds somebody with given credentials and logs him in if steps are declared and he has a password.
    ///
    /// # Errors
    /// When the login fails.
    pub async fn admit(&mut self, given: &crate::config::PrincipalConfig) -> Result<Who, Error> {
        let who = self.people.len();
        let mut vars = given.variables.clone();
        vars.entry("username".to_owned())
            .or_insert_with(|| given.name.clone());
        self.people.push(Principal {
            name: given.name.clone(),
            role: given.role,
            group: given.group.clone(),
            vars,
            cookies: given.cookies.clone(),
            headers: given.headers.clone(),
            bearer: given.bearer.clone(),
            profile: None,
        });
        self.note_identity(who);
        if given.bearer.is_none()
            && given.headers.is_empty()
            && given.cookies.is_empty()
            && !given.variables.contains_key("token")
        {
            self.log_in(who).await?;
        }
        self.fill_profile(who).await?;
        Ok(who)
    }

    fn note_identity(&mut self, who: Who) {
        let email = self.people[who].vars.get("email").cloned().unwrap_or_default();
        self.ledger.register(&email, Kind::Address, who, None);
        if self.people[who].role == Role::Admin && self.config.policy.admin_sees_all {
            self.ledger.all_seeing.insert(who);
        }
    }

    /// Logs somebody in and registers what he is given as his secrets.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn log_in(&mut self, who: Who) -> Result<(), Error> {
        let steps = self.config.auth.login.clone();
        let mut tried = 1;
        while let Err(error) = self.steps(who, &steps).await {
            // Somebody who was logged in without hearing of it may log in once more: he gets another session.
            if !matches!(error, Error::NoAnswer { .. }) || tried == SILENT_TRIES {
                return Err(error);
            }
            tried += 1;
        }
        let principal = &self.people[who];
        let public = ["username", "email", "user_id", "id", "name"];
        let vars = principal
            .vars
            .iter()
            .filter(|(name, _)| !public.contains(&name.as_str()) && !name.ends_with("_id"));
        let secrets: Vec<String> = vars
            .map(|(_, value)| value)
            .chain(principal.cookies.values())
            .cloned()
            .collect();
        for secret in secrets {
            let known = self
                .ledger
                .secrets
                .iter()
                .any(|known| known.text == secret && known.writer == who);
            if !known && secret.len() >= 16 {
                self.ledger.register(&secret, Kind::Credential, who, None);
            }
        }
        Ok(())
    }

    /// Does the steps of registration, login, logout or deletion.
    ///
    /// # Errors
    /// [`Error::Credentials`] with the step that failed.
    pub async fn steps(&mut self, who: Who, steps: &[Step]) -> Result<(), Error> {
        for step in steps {
            let exchange = self.send_step(who, step).await?;
            let redirect = step.call.expect.is_empty() && (300..400).contains(&exchange.answer.status);
            if !step.call.succeeds(exchange.answer.status) && !redirect {
                let body: String = String::from_utf8_lossy(&exchange.answer.body)
                    .chars()
                    .take(200)
                    .collect();
                let reason = format!("answered {}: {body}", exchange.answer.status);
                return Err(self.failed(who, step, reason));
            }
            if self.config.auth.cookies {
                self.people[who].keep_cookies(&exchange.answer);
            }
            self.capture_step(who, step, &exchange.answer)?;
        }
        Ok(())
    }

    async fn send_step(&mut self, who: Who, step: &Step) -> Result<Arc<Exchange>, Error> {
        let vars = self.people[who].vars.clone();
        let (mut request, _) = self.fill(Some(who), &step.call, &vars)?;
        let mut mint = Mint::new(&mut self.text, Size::Short);
        if self.people[who]
            .sign(&self.config.auth, &mut request, &mut mint)
            .is_err()
        {
            // Not logged in yet: the cookies alone, for services whose forms need one.
            self.people[who].add_cookies(&mut request);
        }
        self.send_signed(Rule::PoolAnswer, Lane::Own(Some(who)), Some(who), request)
            .await
    }

    /// Takes what a step gives into somebody's variables.
    fn capture_step(&mut self, who: Who, step: &Step, answer: &Answer) -> Result<(), Error> {
        for (name, source) in &step.capture {
            let value = take(answer, source);
            let optional = source.starts_with("auto:");
            match value {
                Some(value) => drop(self.people[who].vars.insert(name.clone(), value)),
                None if optional => {}
                None => {
                    let reason = format!("the answer has no `{source}` for `{name}`");
                    return Err(self.failed(who, step, reason));
                }
            }
        }
        Ok(())
    }

    fn failed(&self, who: Who, step: &Step, reason: String) -> Error {
        Error::Credentials {
            who: self.people[who].name.clone(),
            step: step.call.label(),
            reason,
        }
    }

    /// Writes canaries into somebody's profile.
    async fn fill_profile(&mut self, who: Who) -> Result<(), Error> {
        let Some(operation) = self.config.auth.profile.clone() else {
            return Ok(());
        };
        let (request, tokens) = self.fill(Some(who), &operation, &Vars::new())?;
        let object = self
            .ledger
            .object(who, None, Audience::Only(BTreeSet::from([who])));
        for token in &tokens {
            self.ledger.register(token, Kind::Content, who, Some(object));
        }
        let exchange = self.send(Rule::PoolAnswer, Some(who), request).await?;
        if operation.succeeds(exchange.answer.status) {
            self.ledger.objects[object].made = Some(exchange);
            self.people[who].profile = Some(object);
        }
        Ok(())
    }
}
