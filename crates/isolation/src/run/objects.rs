//! Objects: made with their parents, waited for, read back, and who may see them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Object, Run};
use crate::Error;
use crate::config::{Operation, Resource, Visibility};
use crate::exchange::{Answer, Exchange};
use crate::ledger::{Audience, Kind, ObjectId, Who};
use crate::principal::take;
use crate::rule::Rule;
use crate::template::Vars;

/// Longest wait for a job or export.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Waits in vain after which no more is made of a resource.
const VAIN_WAITS: u32 = 3;

impl Run {
    /// Makes an object, with its parents.
    ///
    /// # Errors
    /// When the service will not make it, or its id is not found in the answer.
    pub async fn create(&mut self, owner: Who, resource: usize) -> Result<Object, Error> {
        let config = self.config.clone();
        let mut chain = config.ancestors(resource).unwrap_or_default();
        chain.reverse();
        let (mut vars, mut parent) = (Vars::new(), None);
        for at in chain {
            let made = self.create_in(owner, at, &vars).await?;
            vars = parent_vars(&config.resources[at], &made.vars);
            parent = Some(made.id);
        }
        let mut object = self.create_in(owner, resource, &vars).await?;
        object.parent = parent;
        Ok(object)
    }

    /// Makes an object with the given variables of its parents.
    ///
    /// # Errors
    /// As [`Run::create`].
    pub async fn create_in(&mut self, owner: Who, resource: usize, parents: &Vars) -> Result<Object, Error> {
        let config = self.config.clone();
        let kind = &config.resources[resource];
        self.still_waited_for(resource)?;
        let operation = kind
            .create
            .as_ref()
            .ok_or_else(|| Error::Config(format!("`{}` has no `create`", kind.name)))?;
        let (request, tokens) = self.fill(Some(owner), operation, parents)?;
        let audience = self.audience(owner, kind.visibility);
        let id = self.ledger.object(owner, Some(resource), audience);
        for token in &tokens {
            self.ledger.register(token, Kind::Content, owner, Some(id));
        }
        let exchange = self.send(Rule::PoolAnswer, Some(owner), request).await?;
        self.counts.objects += 1;
        let own = id_of_made(kind, operation, &exchange.answer)?;
        self.ledger.objects[id].made = Some(exchange.clone());
        let mut object = Object {
            id,
            resource,
            owner,
            vars: parents.clone(),
            tokens,
            parent: None,
        };
        object.vars.insert("id".to_owned(), own);
        if kind.state.is_some() {
            self.wait_ready(&mut object, kind).await?;
        } else {
            self.capture(&mut object, kind, &exchange.answer)?;
        }
        self.made.push(object.clone());
        Ok(object)
    }

    fn capture(&mut self, object: &mut Object, kind: &Resource, answer: &Answer) -> Result<(), Error> {
        for (name, source) in &kind.capture {
            let value = take(answer, source).ok_or_else(|| Error::Network {
                url: kind.name.clone(),
                reason: format!("the answer has no `{source}` for `{name}`"),
            })?;
            if value.len() >= 16 {
                self.ledger
                    .register(&value, Kind::Name, object.owner, Some(object.id));
            }
            object.vars.insert(name.clone(), value);
        }
        Ok(())
    }

    /// Waits until a job or export is done.
    async fn wait_ready(&mut self, object: &mut Object, kind: &Resource) -> Result<(), Error> {
        let (Some(read), Some(state)) = (&kind.read, &kind.state) else {
            return Ok(());
        };
        let (begun, mut now) = (Instant::now(), None);
        while begun.elapsed() < READY_WITHIN {
            let exchange = self
                .call(Rule::PoolAnswer, Some(object.owner), read, &object.vars)
                .await?;
            now = take(&exchange.answer, state);
            if now.as_ref().is_some_and(|now| kind.is_ready(now)) {
                self.unready.remove(&object.resource);
                return self.capture(object, kind, &exchange.answer);
            }
            let failed = ["failed", "error", "cancelled", "canceled"];
            if let Some(now) = now
                .as_ref()
                .filter(|now| failed.contains(&now.to_lowercase().as_str()))
            {
                return Err(never_ready(kind, &format!("its state was `{now}`")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let last = match now {
            Some(now) => {
                format!("after {READY_WITHIN:?} its `state` was still `{now}`, which `ready` does not name")
            }
            None => format!("{} has no `{state}`, where its `state` should be", read.label()),
        };
        Err(self.waited_in_vain(object.resource, kind, last))
    }

    fn waited_in_vain(&mut self, resource: usize, kind: &Resource, last: String) -> Error {
        self.waits.push(format!(
            "waited {READY_WITHIN:?} for a `{}` that did not become ready",
            kind.name
        ));
        let error = never_ready(kind, &last);
        let entry = self.unready.entry(resource).or_default();
        *entry = (entry.0 + 1, last);
        error
    }

    /// Refuses to make more of what has not become ready time after time.
    fn still_waited_for(&self, resource: usize) -> Result<(), Error> {
        match self.unready.get(&resource) {
            Some((times, last)) if *times >= VAIN_WAITS => {
                let kind = &self.config.resources[resource];
                let last = format!("{last}; {times} were waited for, and no more are made");
                Err(never_ready(kind, &last))
            }
            _ => Ok(()),
        }
    }

    /// Who sees a thing of somebody's.
    pub fn audience(&self, owner: Who, visibility: Visibility) -> Audience {
        match visibility {
            Visibility::Public => Audience::Everybody,
            Visibility::Users => Audience::Users,
            Visibility::Private => Audience::Only(BTreeSet::from([owner])),
            Visibility::Group => {
                let group = &self.people[owner].group;
                let members = self
                    .people
                    .iter()
                    .enumerate()
                    .filter(|(_, other)| group.is_some() && other.group == *group);
                Audience::Only(members.map(|(who, _)| who).chain([owner]).collect())
            }
        }
    }

    /// Gives somebody the right to see an object.
    pub fn grant(&mut self, object: ObjectId, to: Who) {
        if let Audience::Only(members) = &mut self.ledger.objects[object].audience {
            members.insert(to);
        }
        self.ledger.objects[object].revoked.remove(&to);
    }

    /// Reads an object as its owner, waiting out the grace time; says whether its canaries came back.
    ///
    /// # Errors
    /// As [`Run::send`].
    pub async fn reads_back(&mut self, object: &Object, operation: &Operation) -> Result<bool, Error> {
        self.sees(Rule::PoolAnswer, object.owner, operation, object).await
    }

    /// Says whether somebody's read gives an object's canaries, at the latest after the grace time.
    ///
    /// # Errors
    /// As [`Run::send`].
    pub async fn sees(
        &mut self,
        rule: Rule,
        who: Who,
        operation: &Operation,
        object: &Object,
    ) -> Result<bool, Error> {
        let begun = Instant::now();
        loop {
            let exchange = self.call(rule, Some(who), operation, &object.vars).await?;
            if self.shows(&exchange, object) {
                return Ok(true);
            }
            if begun.elapsed() > self.ledger.grace {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Says whether an answer holds an object's canaries; where it has none of its own, those of what it exports or of
    /// what it lives in, or its id.
    pub fn shows(&self, exchange: &Exchange, object: &Object) -> bool {
        let body = &exchange.answer.body;
        let found = self.ledger.scan(body);
        if !object.tokens.is_empty() {
            return self.ledger.has_object(&found, object.id);
        }
        let exports = !self.config.resources[object.resource].exports.is_empty();
        if exports && self.ledger.has_own(&found, Some(object.owner)) {
            return true;
        }
        let id = object.vars.get("id").filter(|id| id.len() >= crate::scan::WINDOW);
        let named = id.is_some_and(|id| String::from_utf8_lossy(body).contains(id.as_str()));
        named
            || object
                .parent
                .is_some_and(|parent| self.ledger.has_object(&found, parent))
    }
}

fn never_ready(kind: &Resource, why: &str) -> Error {
    Error::Network {
        url: format!("a `{}` did not become ready", kind.name),
        reason: why.to_owned(),
    }
}

/// The id of what was made; else why it was not, or that its id was not found.
fn id_of_made(kind: &Resource, create: &Operation, answer: &Answer) -> Result<String, Error> {
    let failed = |reason: String| Error::Network {
        url: create.label(),
        reason,
    };
    if !create.succeeds(answer.status) {
        let body: String = String::from_utf8_lossy(&answer.body).chars().take(160).collect();
        let mut reason = format!("`{}` could not be made: {} {body}", kind.name, answer.status);
        if create.expect.is_empty() && (300..400).contains(&answer.status) {
            let hint = format!(
                "; if that says that it was made, put `expect = [{}]` into `create`",
                answer.status
            );
            reason = reason.trim_end().to_owned() + &hint;
        }
        return Err(failed(reason));
    }
    kind.id_in(answer).ok_or_else(|| {
        failed(format!(
            "the answer has no id for `{}`: set `id` of the resource",
            kind.name
        ))
    })
}

/// An object's variables as its children name them: `id` becomes `name.id`.
pub fn parent_vars(kind: &Resource, vars: &Vars) -> Vars {
    let named = |(name, value): (&String, &String)| {
        let name = if name.contains('.') {
            name.clone()
        } else {
            format!("{}.{name}", kind.name)
        };
        (name, value.clone())
    };
    vars.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_that_redirects_says_what_to_expect() {
        let answer = Answer {
            status: 303,
            headers: vec![("location".to_owned(), "/albums/7".to_owned())],
            body: Default::default(),
        };
        let kind = Resource {
            name: "album".to_owned(),
            ..Resource::default()
        };
        let mut create = Operation::new("POST", "/albums");
        let refused = id_of_made(&kind, &create, &answer).unwrap_err().to_string();
        assert!(
            refused.ends_with("put `expect = [303]` into `create`"),
            "{refused}"
        );
        create.expect = vec![303];
        assert_eq!(id_of_made(&kind, &create, &answer).unwrap(), "7");
    }
}
