//! What is heard after the right has ended: a share taken back, a session logged out.

use std::time::{Duration, Instant};

use super::line::{Setup, any_of, change, frames, join, settle, setup};
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::{Operation, Role};
use crate::phase::sharing::share;
use crate::rule::Rule;
use crate::run::Run;

/// What is heard after a share was taken back, and after a logout.
pub async fn lifetime(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let setup = setup(run, at)?;
    let mut seen = Seen::default();
    let resource = run.config.resources[setup.resource].clone();
    if let (Some(_), Some(unshare)) = (&resource.share, &resource.unshare) {
        seen.missing = after_revocation(run, cast, &setup, unshare).await?;
    }
    if !run.config.auth.logout.is_empty() && run.can_enrol() {
        after_logout(run, &setup, &mut seen).await?;
    }
    Ok(seen)
}

/// How long a socket may go on after its right has ended.
fn grace(run: &Run, setup: &Setup) -> Duration {
    run.ledger.grace + Duration::from_millis(setup.socket.grace_ms + 5)
}

async fn after_revocation(
    run: &mut Run,
    cast: Cast,
    setup: &Setup,
    unshare: &Operation,
) -> Result<Option<String>, Error> {
    let object = run.create(cast.owner, setup.resource).await?;
    let vars = match share(run, &object, cast.other).await? {
        Ok(vars) => vars,
        Err(refused) => return Ok(Some(refused)),
    };
    let line = join(run, Rule::SocketForeign, Some(cast.other), setup, &object).await?;
    let Some(mut line) = line else {
        return Ok(Some(format!(
            "who shares an object cannot open `{}`",
            setup.socket.name
        )));
    };
    settle(run, &mut [Some(&mut line)]).await;
    let tokens = change(run, cast.owner, &object, &setup.update).await?;
    if !any_of(&frames(run, Rule::SocketForeign, &mut line).await, &tokens) {
        return Ok(Some(format!(
            "who shares an object hears nothing of it on `{}`",
            setup.socket.name
        )));
    }
    run.call(Rule::PoolAnswer, Some(cast.owner), unshare, &vars)
        .await?;
    run.ledger.objects[object.id]
        .revoked
        .insert(cast.other, Instant::now());
    tokio::time::sleep(grace(run, setup)).await;
    change(run, cast.owner, &object, &setup.update).await?;
    frames(run, Rule::SocketLifetime, &mut line).await;
    run.probed(Rule::SocketLifetime, 1);
    Ok(None)
}

async fn after_logout(run: &mut Run, setup: &Setup, seen: &mut Seen) -> Result<(), Error> {
    let config = run.config.clone();
    let who = run.enrol(Role::Expendable).await?;
    let object = run.create(who, setup.resource).await?;
    let line = join(run, Rule::SocketBroadcast, Some(who), setup, &object).await?;
    let Some(mut line) = line else { return Ok(()) };
    settle(run, &mut [Some(&mut line)]).await;
    let tokens = change(run, who, &object, &setup.update).await?;
    if !any_of(&frames(run, Rule::SocketBroadcast, &mut line).await, &tokens) {
        return Ok(());
    }
    run.steps(who, &config.auth.logout).await?;
    run.log_in(who).await?;
    tokio::time::sleep(grace(run, setup)).await;
    let tokens = change(run, who, &object, &setup.update).await?;
    let heard = frames(run, Rule::SocketBroadcast, &mut line).await;
    run.probed(Rule::SocketLifetime, 1);
    if any_of(&heard, &tokens) {
        let changed = run.log.last().cloned();
        let proof: Vec<_> = [&line.opening].into_iter().chain(&changed).collect();
        seen.broken(
            Rule::SocketLifetime,
            "a socket heard of a change that was made after its session had been logged out",
            &proof,
        );
    }
    Ok(())
}
