//! The load: eight clients that each take local items through their steps, and the moment of the kill.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::client::{Answer, Client};

const WRITERS: u64 = 8;

/// When the kill comes: after so many answers, and then this much later.
pub struct Moment {
    pub acknowledged: u64,
    pub then: Duration,
}

/// One round's load.
pub struct Load {
    pub round: u64,
    pub seed: u64,
    pub circuit: String,
    pub moment: Moment,
    /// Whether the kill takes the database first, so that the server may say so before it dies itself.
    pub database_dies: bool,
}

/// What a client does with one local item, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Create,
    Push,
    Record,
    Enrich,
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Create, Self::Push, Self::Record, Self::Enrich];
}

/// A local item and how far its steps came.
pub struct Chain {
    pub local_id: String,
    /// Value of its identifier.
    pub tag: String,
    pub data: Value,
    /// Answers so far; a step that was sent without an answer follows the last one if `unanswered`.
    pub answers: Vec<Value>,
    pub unanswered: bool,
}

/// What is known of a step before anything is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Its answer said that it was done.
    Acknowledged,
    /// It was sent, and no answer came.
    Unanswered,
    /// It was never sent.
    NotSent,
}

impl Chain {
    fn new(local_id: String, random: &mut ChaCha8Rng) -> Self {
        // Some documents fill several pages of the database.
        let length = if random.random_ratio(1, 8) { 20_000 } else { 40 };
        let text: String = (0..length)
            .map(|_| random.sample(rand::distr::Alphanumeric) as char)
            .collect();
        Self {
            tag: format!("tag-{local_id}"),
            local_id,
            data: json!({"note": text, "weight": random.random_range(100..900)}),
            answers: Vec::new(),
            unanswered: false,
        }
    }

    /// What is known of this step.
    pub fn claim(&self, step: Step) -> Claim {
        let answered = self.answers.len();
        match step as usize {
            step if step < answered => Claim::Acknowledged,
            step if step == answered && self.unanswered => Claim::Unanswered,
            _ => Claim::NotSent,
        }
    }

    /// The id of the event, as its sender calls it.
    pub fn event_id(&self) -> String {
        format!("event-{}", self.local_id)
    }

    /// The body of the event about the item.
    pub fn event(&self, dfid: &str) -> Value {
        json!({
            "event_type": "durability.seen", "dfid": dfid, "client_event_id": self.event_id(),
            "visibility": "circuit", "data": {"of": self.local_id, "weight": self.data["weight"]},
        })
    }

    /// The data that the last step adds.
    pub fn enrichment(&self) -> Value {
        json!({"seen_by": self.tag})
    }

    /// Sends the step once.
    pub async fn send(&self, step: Step, circuit: &str, dfid: &str, client: &mut Client) -> Answer {
        match step {
            Step::Create => {
                let identifiers = json!([{"key": "ear_tag", "value": self.tag}]);
                let body = json!({"local_id": self.local_id, "identifiers": identifiers, "enriched_data": self.data});
                client.post("api/items/local", &body).await
            }
            Step::Push => {
                let path = format!("api/circuits/{circuit}/push-local");
                client.post(&path, &json!({"local_id": self.local_id})).await
            }
            Step::Record => client.post("api/events", &self.event(dfid)).await,
            Step::Enrich => {
                let body = json!({"enriched_data": self.enrichment()});
                client.patch(&format!("api/items/{dfid}"), &body).await
            }
        }
    }
}

/// Counts answers; tells when enough have come.
#[derive(Default)]
struct Counter {
    answers: AtomicU64,
    enough: Notify,
}

impl Load {
    /// Writes until the kill has taken the server away; gives what was written.
    pub async fn run(&self, owner: &Client, kill: impl AsyncFnOnce()) -> Vec<Chain> {
        let counter = Arc::new(Counter::default());
        let writers = (0..WRITERS).map(|number| self.writer(number, owner.another(), &counter));
        let killer = async {
            counter.enough.notified().await;
            tokio::time::sleep(self.moment.then).await;
            kill().await;
        };
        let (chains, ()) = tokio::join!(join_all(writers), killer);
        chains.into_iter().flatten().collect()
    }

    async fn writer(&self, number: u64, mut client: Client, counter: &Counter) -> Vec<Chain> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(1_000_000 + self.round * WRITERS + number);
        let mut chains = Vec::new();
        for index in 0_u32.. {
            let local_id = format!("r{}-w{number}-{index}", self.round);
            let mut chain = Chain::new(local_id, &mut random);
            let steps = random.random_range(1..=Step::ALL.len());
            self.take_through(&mut chain, &Step::ALL[..steps], &mut client, counter)
                .await;
            let ended = chain.unanswered;
            chains.push(chain);
            if ended {
                break;
            }
        }
        chains
    }

    async fn take_through(&self, chain: &mut Chain, steps: &[Step], client: &mut Client, counter: &Counter) {
        for &step in steps {
            let dfid = chain
                .answers
                .get(1)
                .map_or("", |pushed| pushed["dfid"].as_str().unwrap())
                .to_owned();
            match chain.send(step, &self.circuit, &dfid, client).await {
                Some((200 | 201, body)) => chain.answers.push(body),
                None => {
                    chain.unanswered = true;
                    return;
                }
                Some((500.., _)) if self.database_dies => {
                    chain.unanswered = true;
                    return;
                }
                Some((status, body)) => panic!("{step:?} of {}: {status} {body}", chain.local_id),
            }
            if counter.answers.fetch_add(1, Ordering::Relaxed) + 1 == self.moment.acknowledged {
                counter.enough.notify_one();
            }
        }
    }
}
