//! Errors and public pages: neither may quote what others have written.

use crate::Error;
use crate::check::{Cast, Seen};
use crate::exchange::Request;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;

/// Broken requests right after somebody else's good ones.
pub async fn broken(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(create) = &resource.create else {
        return Ok(Seen::default());
    };
    let parents = run.create(cast.other, at).await?.vars;
    let bodies: [&[u8]; 6] = [
        b"{",
        b"[]",
        b"{\"\": null}",
        b"null",
        b"\xff\xfe",
        b"{\"title\": {\"a\": [1]}, \"name\": 7}",
    ];
    for body in bodies {
        run.create(cast.owner, at).await?;
        for operation in [Some(create), resource.update.as_ref()].into_iter().flatten() {
            let (request, _) = run.fill(Some(cast.other), operation, &parents)?;
            let request = Request {
                body: bytes::Bytes::copy_from_slice(body),
                ..request
            };
            run.send(Rule::ErrorLeak, Some(cast.other), request).await?;
            run.probed(Rule::ErrorLeak, 1);
        }
    }
    for path in ["/no-such-page-%00", "/%ff", "/..%2f..%2f"] {
        run.send(Rule::ErrorLeak, Some(cast.other), Request::get(path))
            .await?;
    }
    Ok(Seen::default())
}

/// Public pages, as nobody, after others have written and logged in.
pub async fn public(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let mut seen = Seen::default();
    for at in 0..config.resources.len() {
        if config.resources[at].parent.is_none() {
            run.create(cast.owner, at).await?;
        }
    }
    if !config.auth.login.is_empty() && run.people[cast.other].vars.contains_key("password") {
        run.log_in(cast.other).await?;
    }
    for path in &config.policy.public {
        let answered = run.send(Rule::PublicLeak, None, Request::get(path)).await?;
        run.probed(Rule::PublicLeak, 1);
        if !answered.answer.ok() {
            seen.notes.push(format!(
                "the public page {path} was answered {}",
                answered.answer.status
            ));
        }
    }
    for view in &config.views {
        let (request, _) = run.fill(Some(cast.owner), &view.read, &Vars::new())?;
        run.send(Rule::AccessAnonymous, None, request).await?;
    }
    Ok(seen)
}
