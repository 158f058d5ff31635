//! Live channels: foreign subscriptions, what a bystander hears, slots used again, foreign resume tokens, order and
//! completeness, and what is heard after the right has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sharing::share;
use crate::Error;
use crate::channel::Channel;
use crate::check::{Cast, Seen};
use crate::config::{Operation, Role, SocketConfig};
use crate::exchange::Exchange;
use crate::ledger::{Kind, Who};
use crate::principal::plain;
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::{Mint, Size, Vars};

/// Changes whose frames are counted.
const CHANGES: usize = 8;

/// A channel with who listens, and the rule under which its frames are judged.
pub struct Line {
    channel: Channel,
    opening: Arc<Exchange>,
    quiet: Duration,
}

/// What is needed of the configuration for one socket.
struct Setup {
    socket: SocketConfig,
    resource: usize,
    update: Operation,
}

fn setup(run: &Run, at: usize) -> Result<Setup, Error> {
    let socket = run.config.sockets[at].clone();
    let found = run.config.resource(&socket.resource);
    let resource =
        found.ok_or_else(|| Error::Config(format!("socket `{}`: no such resource", socket.name)))?;
    let update = socket
        .change
        .as_ref()
        .or(run.config.resources[resource].update.as_ref());
    let update = update
        .cloned()
        .ok_or_else(|| Error::Config(format!("socket `{}`: its resource has no `update`", socket.name)))?;
    Ok(Setup {
        socket,
        resource,
        update,
    })
}

/// Opens a channel as somebody and subscribes; `None` if he is refused.
async fn open(
    run: &mut Run,
    rule: Rule,
    who: Option<Who>,
    socket: &SocketConfig,
    vars: &Vars,
    frames: &[String],
) -> Result<Option<Line>, Error> {
    let operation = Operation::new("GET", &socket.path);
    let (mut request, _) = run.fill(who, &operation, vars)?;
    let mut all = vars.clone();
    if let Some(who) = who {
        let mut mint = Mint::new(&mut run.text, Size::Short);
        run.people[who].sign(&run.config.auth, &mut request, &mut mint)?;
        all.extend(
            run.people[who]
                .vars
                .clone()
                .into_iter()
                .filter(|(name, _)| !vars.contains_key(name)),
        );
    }
    run.ledger.heard(who, request.path.as_bytes());
    let mut opened = None;
    for pause in [0, 40, 160, 600] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match Channel::open(run.net.place(), who, request.clone(), socket.sse).await {
            Ok(Ok(channel)) => {
                opened = Some(channel);
                break;
            }
            Ok(Err(refused)) if !refused.answer.is_trouble() => {
                run.judge(rule, &Arc::new(refused));
                return Ok(None);
            }
            Ok(Err(_)) | Err(_) => run.counts.trouble += 1,
        }
    }
    let Some(mut channel) = opened else {
        return Ok(None);
    };
    for frame in frames {
        let mut mint = Mint::new(&mut run.text, Size::Short);
        let text = crate::template::text(frame, &all, &mut mint)?;
        run.ledger.heard(who, text.as_bytes());
        if channel.say(text).await.is_err() {
            return Ok(None);
        }
    }
    let opening = Arc::new(channel.opening.clone());
    run.log.push(opening.clone());
    run.judge(rule, &opening);
    Ok(Some(Line {
        channel,
        opening,
        quiet: Duration::from_millis(socket.quiet_ms.max(if socket.quiet_ms == 0 { 250 } else { 1 })),
    }))
}

/// Opens a channel and subscribes to an object.
async fn join(
    run: &mut Run,
    rule: Rule,
    who: Option<Who>,
    setup: &Setup,
    object: &Object,
) -> Result<Option<Line>, Error> {
    open(
        run,
        rule,
        who,
        &setup.socket,
        &object.vars,
        &setup.socket.subscribe,
    )
    .await
}

fn closed(setup: &Setup) -> Seen {
    Seen::missing(format!("the owner cannot open `{}`", setup.socket.name))
}

fn silent(setup: &Setup) -> Seen {
    Seen::missing(format!(
        "the owner hears nothing of his own change on `{}`",
        setup.socket.name
    ))
}

/// Takes all frames until it is quiet; each is judged.
async fn frames(run: &mut Run, rule: Rule, line: &mut Line) -> Vec<String> {
    frames_for(run, rule, line, line.quiet).await
}

async fn frames_for(run: &mut Run, rule: Rule, line: &mut Line, quiet: Duration) -> Vec<String> {
    let mut frames = Vec::new();
    while frames.len() < 1_000 {
        let Some(frame) = line.channel.next(quiet).await else {
            break;
        };
        run.judge_frame(rule, &line.opening, frame.as_bytes());
        frames.push(frame);
    }
    frames
}

/// Changes an object as its owner and returns the canaries of the change.
async fn change(run: &mut Run, who: Who, object: &Object, update: &Operation) -> Result<Vec<String>, Error> {
    let (request, tokens) = run.fill(Some(who), update, &object.vars)?;
    for token in &tokens {
        run.ledger
            .register(token, Kind::Content, object.owner, Some(object.id));
    }
    let answered = run.send(Rule::PoolAnswer, Some(who), request).await?;
    if !update.succeeds(answered.answer.status) {
        return Err(Error::Network {
            url: update.label(),
            reason: format!("the owner's own change was answered {}", answered.answer.status),
        });
    }
    if let Some(vars) = run.config.resources[object.resource].made_by(update, &answered.answer) {
        let made = Object {
            vars,
            ..object.clone()
        };
        run.made.push(made);
    }
    Ok(tokens)
}

fn any_of(frames: &[String], tokens: &[String]) -> bool {
    frames
        .iter()
        .any(|frame| tokens.iter().any(|token| frame.contains(token.as_str())))
}

/// An own line for the owner of a fresh object; `None` if he is refused.
pub async fn open_own(run: &mut Run, who: Who, at: usize) -> Result<Option<Line>, Error> {
    let setup = setup(run, at)?;
    let object = run.create(who, setup.resource).await?;
    let mut line = join(run, Rule::SocketBroadcast, Some(who), &setup, &object).await?;
    if let Some(line) = &mut line {
        frames_for(run, Rule::SocketBroadcast, line, Duration::from_millis(30)).await;
    }
    Ok(line)
}

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
        for (rule, line) in &mut others {
            if let Some(line) = line {
                frames_for(run, *rule, line, Duration::from_millis(20)).await;
            }
            run.probed(*rule, 1);
        }
        if any_of(&heard, &tokens) {
            return Ok(Seen::default());
        }
    }
    Ok(silent(&setup))
}

/// Takes the greetings, so that what comes later is about what is done later.
async fn settle(run: &mut Run, lines: &mut [Option<&mut Line>]) {
    for line in lines.iter_mut().flatten() {
        frames_for(run, Rule::SocketBroadcast, line, Duration::from_millis(40)).await;
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
    let mut before = heard.iter().filter_map(|frame| {
        plain(
            serde_json::from_str::<serde_json::Value>(frame)
                .ok()?
                .pointer(&pointer)?,
        )
    });
    let Some(token) = before.next_back() else {
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
