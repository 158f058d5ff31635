//! Ears of the storm: sockets that are opened as one user after the other, listen for a moment, and are closed or torn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::pace::Pace;
use super::worker::Gone;
use super::{Event, Mine};
use crate::Error;
use crate::channel::Channel;
use crate::config::{Config, Operation, SocketConfig};
use crate::exchange::Request;
use crate::ledger::Who;
use crate::net::Place;
use crate::principal::Principal;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::{self, Mint, Size, Vars};

/// Ears on each socket of the configuration.
const EARS: usize = 3;
/// Milliseconds for which an ear listens before the next user has his turn.
const TURN: std::ops::Range<u64> = 20..200;
/// Pause after an opening that failed.
const PAUSE: Duration = Duration::from_millis(50);

struct Ear {
    socket: SocketConfig,
    config: Arc<Config>,
    /// Each user with an object of his own, to which he subscribes.
    people: Vec<(Who, Principal, Mine)>,
    place: Place,
    rng: ChaCha8Rng,
    text: ChaCha8Rng,
    events: mpsc::Sender<Event>,
    pace: Arc<Pace>,
    /// The restart was going on when this turn began.
    met: bool,
}

/// Opens the ears; they end soon after `over` is set.
pub(super) fn listening(
    run: &mut Run,
    people: &[Who],
    targets: &[Mine],
    events: &mpsc::Sender<Event>,
    pace: &Arc<Pace>,
    over: &Arc<AtomicBool>,
) -> JoinSet<()> {
    let config = run.config.clone();
    let mut ears = JoinSet::new();
    for socket in &config.sockets {
        let resource = config.resource(&socket.resource);
        let own = |who: &Who| {
            targets
                .iter()
                .find(|target| target.owner == *who && Some(target.resource) == resource)
        };
        let subscribers = people.iter().filter_map(|who| Some((*who, own(who)?)));
        let people: Vec<_> = subscribers
            .map(|(who, target)| (who, run.people[who].clone(), target.clone()))
            .collect();
        for _ in 0..if people.is_empty() { 0 } else { EARS } {
            let mut ear = Ear {
                socket: socket.clone(),
                config: config.clone(),
                people: people.clone(),
                place: run.net.place().clone(),
                rng: ChaCha8Rng::seed_from_u64(run.rng.random()),
                text: ChaCha8Rng::seed_from_u64(run.text.random()),
                events: events.clone(),
                pace: pace.clone(),
                met: false,
            };
            let over = over.clone();
            ears.spawn(async move { while !over.load(Ordering::Relaxed) && ear.turn().await.is_ok() {} });
        }
    }
    ears
}

impl Ear {
    async fn tell(&self, event: Event) -> Result<(), Gone> {
        let trouble = match &event {
            Event::Answer { exchange, .. } => exchange.answer.is_trouble(),
            event => matches!(event, Event::Trouble),
        };
        if trouble {
            self.pace.trouble(self.met);
        }
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// One user's turn.
    async fn turn(&mut self) -> Result<(), Gone> {
        self.met = self.pace.restarting();
        let (who, person, target) = self.people[self.rng.random_range(0..self.people.len())].clone();
        let Ok((request, frames)) = self.prepare(&person, &target) else {
            return Err(Gone);
        };
        let mut channel = match Channel::open(&self.place, Some(who), request, self.socket.sse).await {
            Ok(Ok(channel)) => channel,
            refused => {
                self.tell(refused_event(refused)).await?;
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            }
        };
        for frame in frames {
            if channel.say(frame).await.is_err() {
                return self.tell(Event::Trouble).await;
            }
        }
        let opening = Arc::new(channel.opening.clone());
        let until = Instant::now() + Duration::from_millis(self.rng.random_range(TURN));
        while let Some(text) = channel
            .next(until.saturating_duration_since(Instant::now()))
            .await
        {
            let opening = opening.clone();
            self.tell(Event::Frame { opening, text }).await?;
        }
        // Half of them are torn: dropped without a word.
        if self.rng.random() {
            channel.close().await;
        }
        Ok(())
    }

    /// The opening and what is said after it.
    fn prepare(&mut self, person: &Principal, target: &Mine) -> Result<(Request, Vec<String>), Error> {
        let mut vars: Vars = person.vars.clone();
        vars.extend(target.vars.clone());
        let mut mint = Mint::new(&mut self.text, Size::Short);
        let opening = Operation::new("GET", &self.socket.path);
        let mut request = template::request(&opening, &vars, &mut mint)?;
        person.sign(&self.config.auth, &mut request, &mut mint)?;
        let subscribe = self.socket.subscribe.iter();
        let frames = subscribe.map(|frame| template::text(frame, &vars, &mut mint));
        Ok((request, frames.collect::<Result<_, _>>()?))
    }
}

/// An answer that is no channel is scanned like any other; no answer is trouble.
fn refused_event(refused: Result<Result<Channel, crate::exchange::Exchange>, String>) -> Event {
    match refused {
        Ok(Err(answer)) => Event::Answer {
            exchange: Box::new(answer),
            rule: Rule::SocketForeign,
            wrote: None,
        },
        _ => Event::Trouble,
    }
}
