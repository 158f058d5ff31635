//! One check done once, and what was sighted meanwhile as people read it.

use crate::check::{Action, Cast, Seen, Violation, perform};
use crate::judge::{Place, Sighting};
use crate::ledger::{Breach, Kind, Secret};
use crate::run::{Run, SILENT_TRIES};

/// Does a check; what was sighted becomes violations, what went wrong a missing control.
pub(crate) async fn done(run: &mut Run, action: Action, cast: Cast) -> Seen {
    run.sightings.clear();
    run.log.clear();
    let mut begun = 0;
    let result = loop {
        begun += 1;
        run.lost = false;
        let result = perform(run, action, cast).await;
        run.shared_lane = false;
        run.impatient = false;
        run.size = None;
        // What may have been done is not sent again; the check begins anew with other objects.
        if begun == SILENT_TRIES || !run.lost {
            break result;
        }
    };
    let mut seen = result.unwrap_or_else(|error| Seen::missing(error.to_string()));
    let sightings = std::mem::take(&mut run.sightings);
    let mut rules = Vec::new();
    for sighting in sightings {
        if !rules.contains(&sighting.rule) || action == Action::Storm {
            rules.push(sighting.rule);
            seen.violations.push(violation(run, &sighting));
        }
    }
    seen
}

/// A sighting as people read it.
fn violation(run: &Run, sighting: &Sighting) -> Violation {
    let secret = &run.ledger.secrets[sighting.secret];
    let entry = secret.object.map(|object| &run.ledger.objects[object]);
    let kind = kind_of(run, secret);
    let viewer = sighting
        .exchange
        .who
        .map_or("nobody", |who| run.people[who].name.as_str());
    let writer = &run.people[secret.writer].name;
    let place = match &sighting.place {
        Place::Header(name) => format!("header {name}"),
        Place::Body => "body".to_owned(),
        Place::Frame => "frame".to_owned(),
    };
    let why = match sighting.breach {
        Breach::Foreign => "who may not see it",
        Breach::Deleted => "after it was deleted",
        Breach::Revoked => "after the right was taken back",
    };
    let what = format!(
        "{viewer} got a {kind} of {writer}, {why}: {} in the {place} of {} {}",
        sighting.form.word(),
        sighting.exchange.request.method,
        sighting.exchange.request.path
    );
    let made = entry.and_then(|entry| entry.made.clone());
    let proof: Vec<_> = made.into_iter().chain([sighting.exchange.clone()]).collect();
    let shown = if secret.kind == Kind::Credential {
        "(a credential; not shown)"
    } else {
        secret.text.as_str()
    };
    Violation {
        rule: sighting.rule,
        what,
        proof,
        bytes: format!("{shown} ({}, {place})", sighting.form.word()),
    }
}

/// What a secret is, in a word or two; content is called after its resource.
fn kind_of<'a>(run: &'a Run, secret: &Secret) -> &'a str {
    match secret.kind {
        Kind::Content if secret.attack => "text",
        Kind::Content => secret
            .object
            .and_then(|object| run.ledger.objects[object].resource)
            .map_or("profile", |at| run.config.resources[at].name.as_str()),
        Kind::Credential => "credential",
        Kind::Name => "secret name",
        Kind::Address => "e-mail address",
    }
}
