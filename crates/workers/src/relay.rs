//! From the outbox to the live channel: each committed change becomes a message for those who may hear it.

use app::{App, events, jobs};
use domain::ids::{CircuitId, UserId};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    bind,
    live::{self, NewMessage},
    outbox::Work,
};

use crate::outbox::{Handler, Outcome};

/// Beginnings of the topics that are told to listeners.
const TOLD: [&str; 5] = ["event.", "circuit.", "item.", "job.", "live."];
/// Changes of a circuit that all of its workspaces may hear of; what waits for approval is not among them.
const FOR_CIRCUITS: [&str; 3] = ["item.approved", "item.published", "circuit.member_joined"];

/// What the relay looks at in a payload; the rest is passed on.
#[derive(Deserialize)]
struct Addressed {
    circuit: Option<CircuitId>,
    circuit_id: Option<CircuitId>,
    user_id: Option<UserId>,
    state: Option<String>,
    visibility: Option<domain::event::Visibility>,
}

/// Turns work of the outbox into live messages, one unit of work per batch.
pub struct LiveRelay {
    app: App,
}

impl LiveRelay {
    /// A relay into the live channel of this application.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }

    async fn relay(&self, work: &[Work]) -> Vec<Outcome> {
        let mut messages = Vec::with_capacity(work.len());
        for one in work {
            match messages_of(one) {
                Ok(found) => messages.extend(found),
                Err(why) => return work.iter().map(|other| outcome_of(other, one, &why)).collect(),
            }
        }
        // Each message names its own tenant; the rows go in under one lock.
        let kept = self
            .app
            .db()
            .run(&db::Scope::system(), live::insert(messages))
            .await;
        if let Err(error) = kept {
            return vec![Outcome::Retry(error.to_string()); work.len()];
        }
        // Listeners of this process hear at once; the commit has woken the feeds of others.
        if let Err(error) = self.app.live().pump().await {
            tracing::debug!(%error, "could not hand out live messages; the feed will");
        }
        vec![Outcome::Done; work.len()]
    }
}

/// Work that can't be read fails; the others of its batch come again without it.
fn outcome_of(work: &Work, broken: &Work, why: &str) -> Outcome {
    if work.id == broken.id {
        Outcome::Fail(why.to_owned())
    } else {
        Outcome::Retry("its batch held unreadable work".to_owned())
    }
}

impl Handler for LiveRelay {
    fn accepts(&self, topic: &str) -> bool {
        TOLD.iter().any(|start| topic.starts_with(start))
    }

    fn handle<'a>(&'a self, work: &'a [Work]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.relay(work))
    }
}

/// The channel's topic for a topic of the outbox.
fn channel(topic: &str, in_circuit: bool) -> &'static str {
    match topic {
        events::RECORDED => "events",
        jobs::ENDED => "jobs",
        _ if in_circuit || topic.starts_with("circuit.") => "circuit_activity",
        _ => "events",
    }
}

fn messages_of(work: &Work) -> Result<Vec<NewMessage>, String> {
    let payload: Value = serde_json::from_str(work.payload.get()).map_err(|error| error.to_string())?;
    let to: Addressed = Addressed::deserialize(&payload).map_err(|error| error.to_string())?;
    let circuit = to.circuit.or(to.circuit_id);
    let own = NewMessage {
        workspace: work.workspace,
        id: work.id.uuid(),
        topic: channel(&work.topic, circuit.is_some()).to_owned(),
        user: to.user_id.filter(|_| work.topic == jobs::ENDED),
        circuit: None,
        body: bind::json(&json!({ "type": work.topic, "details": payload })),
        created_at: work.created_at,
    };
    let settled = FOR_CIRCUITS.contains(&work.topic.as_str())
        || to.state.as_deref() == Some("completed")
        || to.visibility == Some(domain::event::Visibility::Circuit);
    // The workspace's own message has the same id, so its members hear it once.
    let shared = circuit.filter(|_| settled).map(|circuit| NewMessage {
        circuit: Some(circuit),
        topic: "circuit_activity".to_owned(),
        ..own.clone()
    });
    Ok([own].into_iter().chain(shared).collect())
}
