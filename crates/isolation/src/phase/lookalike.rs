//! Names that look alike: two people, or one refused, but never one person with two passwords.

use super::sharing;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::Role;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::Vars;

/// In what the names differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Capitals.
    Case,
    /// Composed and decomposed letters.
    Unicode,
    /// A space behind.
    Space,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Case, Self::Unicode, Self::Space];

    /// The rule that forbids sharing.
    pub fn rule(self) -> Rule {
        match self {
            Self::Case => Rule::LookalikeCase,
            Self::Unicode => Rule::LookalikeUnicode,
            Self::Space => Rule::LookalikeSpace,
        }
    }

    fn names(self, word: &str) -> (String, String) {
        match self {
            Self::Case => (word.to_owned(), word.to_uppercase()),
            Self::Unicode => (format!("{word}\u{e9}"), format!("{word}e\u{301}")),
            Self::Space => (word.to_owned(), format!("{word} ")),
        }
    }
}

/// Registers the pair one after the other. That the second, or either, is refused is right.
pub async fn pair(run: &mut Run, cast: Cast, kind: Kind) -> Result<Seen, Error> {
    let rule = kind.rule();
    let mut seen = Seen::default();
    let mut vars = run.fresh_vars("alike");
    let (first, second) = kind.names(&vars.get("username").cloned().unwrap_or_default());
    vars.insert("username".to_owned(), first);
    let Ok(one) = run.enrol_as(Role::Expendable, vars).await else {
        seen.notes.push(format!("{rule}: the service refuses such names"));
        return Ok(seen);
    };
    let objects = belongings(run, one).await?;
    let mut vars = run.fresh_vars("alike");
    vars.insert("username".to_owned(), second);
    let other = run.enrol_as(Role::Expendable, vars).await;
    run.probed(rule, 1);
    // Whatever became of the second: the first one's password must still be his, and his things too.
    if let Err(error) = run.log_in(one).await {
        let proof = run.log.last().cloned();
        let proof: Vec<_> = proof.iter().collect();
        seen.broken(
            rule,
            format!("after a namesake registered, the first cannot log in: {error}"),
            &proof,
        );
        return Ok(seen);
    }
    let Ok(other) = other else { return Ok(seen) };
    let mut alike = belongings(run, other).await?;
    alike.extend(objects);
    for (who, object) in alike.iter().flat_map(|object| [(one, object), (other, object)]) {
        look(run, rule, who, object).await?;
    }
    shared(run, rule, cast, one, other).await?;
    identities(run, &mut seen, rule, &[one, other]).await?;
    Ok(seen)
}

async fn belongings(run: &mut Run, who: Who) -> Result<Vec<Object>, Error> {
    let config = run.config.clone();
    let mut objects = Vec::new();
    for at in 0..config.resources.len() {
        objects.extend(run.create(who, at).await.ok());
    }
    Ok(objects)
}

/// Reads and lists under the rule, whoever's it is.
async fn look(run: &mut Run, rule: Rule, who: Who, object: &Object) -> Result<(), Error> {
    let config = run.config.clone();
    let resource = &config.resources[object.resource];
    for operation in resource.reads().chain(&resource.list) {
        run.call(rule, Some(who), operation, &object.vars).await?;
    }
    Ok(())
}

/// Every view of both: it shows nobody else's, and says who one is.
async fn identities(run: &mut Run, seen: &mut Seen, rule: Rule, people: &[Who]) -> Result<(), Error> {
    let config = run.config.clone();
    for (who, view) in people
        .iter()
        .flat_map(|who| config.views.iter().map(|view| (*who, view)))
    {
        let answered = run.call(rule, Some(who), &view.read, &Vars::new()).await?;
        super::own::identity(run, seen, view, who, &answered, rule)?;
    }
    Ok(())
}

/// What is shared with the one is not shared with the other.
async fn shared(run: &mut Run, rule: Rule, cast: Cast, one: Who, other: Who) -> Result<(), Error> {
    let config = run.config.clone();
    for (at, resource) in config.resources.iter().enumerate() {
        if resource.share.is_none() {
            continue;
        }
        let object = run.create(cast.owner, at).await?;
        // A share that is refused leaves nothing to look for; other checks tell of it.
        let _shared = sharing::share(run, &object, one).await?;
        look(run, rule, other, &object).await?;
    }
    Ok(())
}
