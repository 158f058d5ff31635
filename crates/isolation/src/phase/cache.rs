//! Caches: what private answers say about being kept, and what a second identity gets for the same request.

use super::{Get, own_rule, prepare, settled};
use crate::Error;
use crate::check::{Cast, Seen, Target};
use crate::config::Operation;
use crate::exchange::{Exchange, Request};
use crate::rule::Rule;
use crate::run::Run;

/// Cache headers of private answers (RFC 9111, section 3: `public` and `s-maxage` open an answer to shared caches even
/// where a credential was sent). A missing header is worth a note and no finding.
pub async fn headers(run: &mut Run, cast: Cast, target: Target) -> Result<Seen, Error> {
    let get = prepare(run, cast.owner, target).await?;
    let Some(own) = control(run, cast, target, &get).await? else {
        return Ok(not_given(&get.operation));
    };
    run.probed(Rule::CacheHeaders, 1);
    let mut seen = Seen::default();
    let policy = own
        .answer
        .header("cache-control")
        .unwrap_or_default()
        .to_lowercase();
    let directives: Vec<&str> = policy.split(',').map(str::trim).collect();
    let closed = directives
        .iter()
        .any(|directive| directive.starts_with("private") || directive.starts_with("no-store"));
    let shared = directives.iter().any(|directive| {
        *directive == "public" || directive.strip_prefix("s-maxage=").is_some_and(|age| age != "0")
    });
    let request = request_of(run, cast, &get)?;
    let nobody = run.send(Rule::AccessAnonymous, None, request).await?;
    // What nobody gets too, alike, is public.
    let public = nobody.answer.ok() && nobody.answer.body == own.answer.body;
    if shared && !closed && !public {
        seen.broken(
            Rule::CacheHeaders,
            format!("{} says `Cache-Control: {policy}`", get.operation.label()),
            &[&own],
        );
    } else if policy.is_empty() {
        seen.notes.push(format!(
            "{} has no Cache-Control; `private, no-store` would keep it out of every cache",
            get.operation.label()
        ));
    }
    Ok(seen)
}

fn request_of(run: &mut Run, cast: Cast, get: &Get) -> Result<Request, Error> {
    Ok(run.fill(Some(cast.owner), &get.operation, &get.vars)?.0)
}

async fn control(
    run: &mut Run,
    cast: Cast,
    target: Target,
    get: &Get,
) -> Result<Option<std::sync::Arc<Exchange>>, Error> {
    let own = run
        .call(own_rule(target), Some(cast.owner), &get.operation, &get.vars)
        .await?;
    Ok(get.operation.succeeds(own.answer.status).then_some(own))
}

fn not_given(operation: &Operation) -> Seen {
    Seen::missing(format!("the owner's own {} does not succeed", operation.label()))
}

/// A second identity repeats the same GET at once, then nobody does; on every address of the service.
pub async fn second(run: &mut Run, cast: Cast, target: Target) -> Result<Seen, Error> {
    let get = prepare(run, cast.owner, target).await?;
    if let Target::List(at) = target {
        run.create(cast.other, at).await?;
    }
    let mut seen = Seen::default();
    let rule = if matches!(target, Target::Read(_)) {
        Rule::AccessRead
    } else {
        Rule::CacheSecond
    };
    // A query that nobody has used before: whatever is kept for it was put there by the owner.
    let fresh = crate::ledger::canary(&mut run.text)[..8].to_owned();
    for address in 0..run.net.place().len() {
        for query in [None, Some(fresh.as_str())] {
            let mut request = request_of(run, cast, &get)?;
            request.address = address;
            if let Some(query) = query {
                request.path = super::with_query(&request.path, "_", query);
            }
            let first = run
                .send(own_rule(target), Some(cast.owner), request.clone())
                .await?;
            if !get.operation.succeeds(first.answer.status) {
                continue;
            }
            let second = run.send(rule, Some(cast.other), request.clone()).await?;
            let nobody = run.send(Rule::AccessAnonymous, None, request).await?;
            run.probed(Rule::CacheSecond, 1);
            identities(run, &mut seen, cast, target, &second)?;
            if given_away(run, &first, &nobody) {
                let what = format!(
                    "nobody got the answer of {} after its owner",
                    get.operation.label()
                );
                seen.broken(Rule::CacheSecond, what, &[&first, &nobody]);
            }
        }
    }
    Ok(seen)
}

/// Says whether the answer to nobody is the owner's very answer, and holds what is the owner's.
fn given_away(run: &Run, own: &Exchange, nobody: &Exchange) -> bool {
    let body = &own.answer.body;
    let same = nobody.answer.ok() && nobody.answer.body == *body && body.len() > 40;
    same && run.ledger.has_own(&run.ledger.scan(body), own.who)
}

fn identities(
    run: &mut Run,
    seen: &mut Seen,
    cast: Cast,
    target: Target,
    second: &std::sync::Arc<Exchange>,
) -> Result<(), Error> {
    if let Target::View(at) = target {
        let view = run.config.views[at].clone();
        super::own::identity(run, seen, &view, cast.other, second, Rule::CacheSecond)?;
    }
    Ok(())
}

/// A stranger shows the owner's validator: `304` tells him that it is right.
pub async fn validator(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let get = prepare(run, cast.owner, Target::Read(at)).await?;
    let Some(own) = control(run, cast, Target::Read(at), &get).await? else {
        return Ok(not_given(&get.operation));
    };
    let validators = [("etag", "if-none-match"), ("last-modified", "if-modified-since")];
    let mut seen = Seen::default();
    for (header, condition) in validators {
        let Some(value) = own.answer.header(header).map(str::to_owned) else {
            continue;
        };
        for who in [Some(cast.other), None] {
            let mut request = request_of(run, cast, &get)?;
            let plain = run.send(Rule::AccessRead, who, request.clone()).await?;
            request.headers.push((condition.to_owned(), value.clone()));
            let answered = run.send(Rule::CacheValidator, who, request).await?;
            run.probed(Rule::CacheValidator, 1);
            if answered.answer.status == 304 && !plain.answer.ok() {
                seen.broken(
                    Rule::CacheValidator,
                    format!(
                        "{} with {condition} of its owner was answered 304",
                        get.operation.label()
                    ),
                    &[&own, &answered],
                );
            }
        }
    }
    Ok(seen)
}

/// Endings that make a path look like a file's, with a word that nobody has used before.
const ENDINGS: [&str; 7] = [
    "/{}.css",
    ".css?{}",
    ";{}.js",
    "%2f{}.css",
    "?{}.png",
    "/..%2f{}.css",
    "/{}.json",
];

/// File suffixes behind a private path: a cache that keeps what looks like a file gives it to everybody.
pub async fn suffix(run: &mut Run, cast: Cast, target: Target) -> Result<Seen, Error> {
    let get = prepare(run, cast.owner, target).await?;
    let Some(own) = control(run, cast, target, &get).await? else {
        return Ok(not_given(&get.operation));
    };
    let policy = run.config.policy.clone();
    let mut seen = Seen::default();
    let word = crate::ledger::canary(&mut run.text)[..6].to_owned();
    for ending in ENDINGS {
        let mut request = request_of(run, cast, &get)?;
        if request.path.contains('?') {
            break;
        }
        request.path.push_str(&ending.replace("{}", &word));
        let first = run
            .send(own_rule(target), Some(cast.owner), request.clone())
            .await?;
        if !first.answer.ok() {
            continue;
        }
        for who in [Some(cast.other), None] {
            let answered = run.send(Rule::CacheSuffix, who, request.clone()).await?;
            run.probed(Rule::CacheSuffix, 1);
            let same = answered.answer.ok()
                && settled(&policy, &answered) == settled(&policy, &own)
                && own.answer.body.len() > 40;
            if same && who.is_none() {
                seen.broken(
                    Rule::CacheSuffix,
                    format!("{} gave its owner's answer to others", request.path),
                    &[&first, &answered],
                );
            }
        }
    }
    Ok(seen)
}
