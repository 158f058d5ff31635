//! One open channel: opened and subscribed as somebody, its frames taken and judged, and the change to be heard.

use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::channel::Channel;
use crate::check::Seen;
use crate::config::{Operation, SocketConfig};
use crate::exchange::{Exchange, Request};
use crate::ledger::{Kind, Who};
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::{Mint, Size, Vars};

/// A channel with who listens, and the rule under which its frames are judged.
pub struct Line {
    pub(super) channel: Channel,
    pub(super) opening: Arc<Exchange>,
    quiet: Duration,
}

/// What is needed of the configuration for one socket.
pub(super) struct Setup {
    pub(super) socket: SocketConfig,
    pub(super) resource: usize,
    pub(super) update: Operation,
}

pub(super) fn setup(run: &Run, at: usize) -> Result<Setup, Error> {
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
pub(super) async fn open(
    run: &mut Run,
    rule: Rule,
    who: Option<Who>,
    socket: &SocketConfig,
    vars: &Vars,
    frames: &[String],
) -> Result<Option<Line>, Error> {
    let (request, all) = opening(run, who, socket, vars)?;
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

/// The request that opens a channel as somebody, and the variables that his frames may name.
fn opening(
    run: &mut Run,
    who: Option<Who>,
    socket: &SocketConfig,
    vars: &Vars,
) -> Result<(Request, Vars), Error> {
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
    Ok((request, all))
}

/// Opens a channel and subscribes to an object.
pub(super) async fn join(
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

pub(super) fn closed(setup: &Setup) -> Seen {
    Seen::missing(format!("the owner cannot open `{}`", setup.socket.name))
}

pub(super) fn silent(setup: &Setup) -> Seen {
    Seen::missing(format!(
        "the owner hears nothing of his own change on `{}`",
        setup.socket.name
    ))
}

/// Takes all frames until it is quiet; each is judged.
pub(super) async fn frames(run: &mut Run, rule: Rule, line: &mut Line) -> Vec<String> {
    frames_for(run, rule, line, line.quiet).await
}

pub(super) async fn frames_for(run: &mut Run, rule: Rule, line: &mut Line, quiet: Duration) -> Vec<String> {
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

/// Takes the greetings, so that what comes later is about what is done later.
pub(super) async fn settle(run: &mut Run, lines: &mut [Option<&mut Line>]) {
    for line in lines.iter_mut().flatten() {
        frames_for(run, Rule::SocketBroadcast, line, Duration::from_millis(40)).await;
    }
}

/// Changes an object as its owner and returns the canaries of the change.
pub(super) async fn change(
    run: &mut Run,
    who: Who,
    object: &Object,
    update: &Operation,
) -> Result<Vec<String>, Error> {
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

pub(super) fn any_of(frames: &[String], tokens: &[String]) -> bool {
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
