//! Live channels: foreign subscriptions, what a bystander hears, slots used again, foreign resume tokens, order and
//! completeness. What is heard after the right has ended is in `lifetime`, opening and hearing a channel in `line`.

mod lifetime;
mod line;

use std::time::Duration;

use crate::Error;
use crate::check::{Cast, Seen};
use crate::ledger::{Kind, Who};
use crate::principal::plain;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;
pub use lifetime::lifetime;
pub use line::open_own;
use line::{Line, Setup, any_of, change, closed, frames, frames_for, join, open, settle, setup, silent};

/// Changes whose frames are counted.
const CHANGES: usize = 8;

/// A stranger subscribes to a foreign object, a bystander to his own; then the owner changes it.
pub async fn foreign(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let setup = setup(run, at)?;
    let object = run.create(cast.owner, setup.resource).await?;
    let mine = run.create(cast.third, setup.resource).await?;
    let Some(mut own) = join(run, Rule::SocketBroadcast, Some(cast.owner), &setup, &object).await? else {
        return Ok(closed(&setup));
    };
    let mut stranger = join(run, Rule::SocketForeign, Some(cast.other), &setup, &object).await?;
    let mut nobody = join(run, Rule::SocketForeign, None, &setup, &object)
        .await
        .unwrap_or(None);
    let mut bystander = join(run, Rule::SocketBroadcast, Some(cast.third), &setup, &mine).await?;
    settle(
        run,
        &mut [
            Some(&mut own),
            stranger.as_mut(),
            nobody.as_mut(),
            bystander.as_mut(),
        ],
    )
    .await;
    let mut others = [
        (Rule::SocketForeign, stranger),
        (Rule::SocketForeign, nobody),
        (Rule::SocketBroadcast, bystander),
    ];
    for _ in 0..3 {
        let tokens = change(run, cast.owner, &object, &setup.update).await?;
        let heard = frames(run, Rule::SocketBroadcast, &mut own).await;
        overhear(run, &mut others).await;
        if any_of(&heard, &tokens) {
            return Ok(Seen::default());
        }
    }
    Ok(silent(&setup))
}

/// Takes what others hear of a change, each under the rule that forbids it.
async fn overhear(run: &mut Run, others: &mut [(Rule, Option<Line>)]) {
    for (rule, line) in others {
        if let Some(line) = line {
            frames_for(run, *rule, line, Duration::from_millis(20)).await;
        }
        run.probed(*rule, 1);
    }
}

/// Somebody leaves, another one comes at once; then the first one's object changes.
pub async fn slot(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let setup = setup(run, at)?;
    let object = run.create(cast.owner, setup.resource).await?;
    let mine = run.create(cast.other, setup.resource).await?;
    for torn in [false, true, false] {
        let Some(mut own) = join(run, Rule::SocketBroadcast, Some(cast.owner), &setup, &object).await? else {
            return Ok(closed(&setup));
        };
        settle(run, &mut [Some(&mut own)]).await;
        if torn {
            drop(own)
        } else {
            own.channel.close().await
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let Some(mut next) = join(run, Rule::SocketSlot, Some(cast.other), &setup, &mine).await? else {
            continue;
        };
        settle(run, &mut [Some(&mut next)]).await;
        change(run, cast.owner, &object, &setup.update).await?;
        frames_for(run, Rule::SocketSlot, &mut next, Duration::from_millis(80)).await;
        run.probed(Rule::SocketSlot, 1);
        next.channel.close().await;
    }
    Ok(Seen::default())
}

/// Somebody else's resume token.
pub async fn resume(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let setup = setup(run, at)?;
    let Some(pointer) = setup.socket.resume_token.clone() else {
        return Ok(Seen::default());
    };
    let object = run.create(cast.owner, setup.resource).await?;
    let Some(mut own) = join(run, Rule::SocketBroadcast, Some(cast.owner), &setup, &object).await? else {
        return Ok(closed(&setup));
    };
    let heard = frames(run, Rule::SocketBroadcast, &mut own).await;
    let tokens = change(run, cast.owner, &object, &setup.update).await?;
    frames(run, Rule::SocketBroadcast, &mut own).await;
    own.channel.close().await;
    // The last token from before the change: what came after it is what a resumption brings.
    let Some(token) = last_token(&heard, &pointer) else {
        return Ok(Seen::missing(format!(
            "no frame of `{}` has a resume token at {pointer}",
            setup.socket.name
        )));
    };
    run.ledger.register(&token, Kind::Credential, cast.owner, None);
    let vars: Vars = object
        .vars
        .clone()
        .into_iter()
        .chain([("resume".to_owned(), token)])
        .collect();
    for who in [cast.other, cast.third] {
        again(run, who, &setup, &vars).await?;
        run.probed(Rule::SocketResume, 1);
    }
    if any_of(&again(run, cast.owner, &setup, &vars).await?, &tokens) {
        return Ok(Seen::default());
    }
    Ok(Seen::missing(format!(
        "the owner's own resume token gives nothing back on `{}`",
        setup.socket.name
    )))
}

/// The last value in frames at a JSON pointer.
fn last_token(frames: &[String], pointer: &str) -> Option<String> {
    let mut tokens = frames.iter().filter_map(|frame| {
        let frame: serde_json::Value = serde_json::from_str(frame).ok()?;
        plain(frame.pointer(pointer)?)
    });
    tokens.next_back()
}

/// What somebody hears who resumes.
async fn again(run: &mut Run, who: Who, setup: &Setup, vars: &Vars) -> Result<Vec<String>, Error> {
    let mut socket = setup.socket.clone();
    socket.path = socket.resume_path.clone().unwrap_or(socket.path);
    let opened = open(run, Rule::SocketResume, Some(who), &socket, vars, &socket.resume).await?;
    Ok(match opened {
        Some(mut line) => frames(run, Rule::SocketResume, &mut line).await,
        None => Vec::new(),
    })
}

/// Each change is heard exactly once, in order.
pub async fn order(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let setup = setup(run, at)?;
    let object = run.create(cast.owner, setup.resource).await?;
    let Some(mut line) = join(run, Rule::SocketBroadcast, Some(cast.owner), &setup, &object).await? else {
        return Ok(closed(&setup));
    };
    settle(run, &mut [Some(&mut line)]).await;
    let mut written = Vec::new();
    let mut heard = Vec::new();
    for _ in 0..CHANGES {
        let trouble = run.counts.trouble;
        let tokens = change(run, cast.owner, &object, &setup.update).await?;
        // A change that had to be tried again may lawfully be heard twice.
        if trouble == run.counts.trouble {
            written.extend(tokens.first().cloned());
        }
        heard.extend(frames_for(run, Rule::SocketBroadcast, &mut line, Duration::from_millis(15)).await);
    }
    heard.extend(frames(run, Rule::SocketBroadcast, &mut line).await);
    run.probed(Rule::SocketOrder, CHANGES as u64);
    let places: Vec<Vec<usize>> = written.iter().map(|token| positions(&heard, token)).collect();
    if places.iter().all(Vec::is_empty) {
        return Ok(silent(&setup));
    }
    let mut seen = Seen::default();
    if let Some(what) = disorder(&places) {
        seen.broken(Rule::SocketOrder, what, &[&line.opening]);
    }
    Ok(seen)
}

/// What is wrong with the places at which each change was heard, if anything is.
fn disorder(places: &[Vec<usize>]) -> Option<String> {
    let lost = places.iter().filter(|places| places.is_empty()).count();
    let doubled = places.iter().filter(|places| places.len() > 1).count();
    let firsts: Vec<usize> = places
        .iter()
        .filter_map(|places| places.first().copied())
        .collect();
    let order = if firsts.is_sorted() { "" } else { ", out of order" };
    let wrong = lost + doubled > 0 || !order.is_empty();
    wrong.then(|| {
        format!(
            "of {} changes, {lost} were lost and {doubled} heard twice{order}",
            places.len()
        )
    })
}

fn positions(frames: &[String], token: &str) -> Vec<usize> {
    frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.contains(token))
        .map(|(at, _)| at)
        .collect()
}
