//! One row to the server: the local items, their push into the circuit, the event about them.
//!
//! Every step may be repeated: items and events have ids that follow from the file, and a push of what was pushed is
//! answered as it was.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
};

use app::import::{Fault, Item};
use domain::{canonical, identifier::Identifier, problem::ErrorCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Answer, Client, NoAnswer},
    rows::{Content, Event},
};

/// How many items of events are remembered; beyond that they are asked for again.
const MAX_KNOWN: usize = 100_000;

/// Why a row was not imported.
#[derive(Debug)]
pub enum Failed {
    /// The server refused it, or would.
    Refused(Vec<Fault>),
    /// The server was away or broken each time.
    NoAnswer(String),
    /// The workspace's credits or what its tier allows are used up, so no other row would fare better for now.
    UsedUp(String),
    /// The server does not know the caller, so no other row would fare better.
    NotSignedIn(String),
}

impl From<NoAnswer> for Failed {
    fn from(error: NoAnswer) -> Self {
        Self::NoAnswer(error.to_string())
    }
}

impl Failed {
    /// What the server's answer means; `place` names its fields after the file's.
    fn of(answer: &Answer, place: impl Fn(&str) -> String) -> Self {
        match answer.status {
            401 => Self::NotSignedIn(answer.said()),
            402 | 403 if used_up(answer) => Self::UsedUp(answer.said()),
            500.. => Self::NoAnswer(answer.said()),
            _ => {
                let named: Vec<_> = answer
                    .fields()
                    .map(|(field, message)| Fault::new(place(field), message))
                    .collect();
                Self::Refused(if named.is_empty() {
                    Fault::whole(answer.said())
                } else {
                    named
                })
            }
        }
    }
}

/// Where rows go.
pub struct Sending {
    circuit: Option<Uuid>,
    /// Global ids of the items of events, by local id: a document names the same goods again and again.
    known: RefCell<HashMap<String, String>>,
}

impl Sending {
    /// Into this circuit, or to the workspace's local items.
    pub fn new(circuit: Option<Uuid>) -> Self {
        Self {
            circuit,
            known: RefCell::default(),
        }
    }

    /// Sends a row; gives a note for people if something about it was remarkable.
    pub async fn send(&self, client: &mut Client, content: &Content) -> Result<Option<String>, Failed> {
        match content {
            Content::Item(item) => self.place(client, item).await.map(|_| None),
            Content::Event(event) => {
                let mut dfids = Vec::with_capacity(event.items.len());
                for item in &event.items {
                    let dfid = self.place_once(client, item).await?;
                    if !dfids.contains(&dfid) {
                        dfids.push(dfid);
                    }
                }
                self.record(client, event, &dfids).await
            }
        }
    }

    async fn place_once(&self, client: &mut Client, item: &Item) -> Result<String, Failed> {
        let known = self.known.borrow().get(&item.local_id).cloned();
        if let Some(dfid) = known {
            return Ok(dfid);
        }
        let dfid = self.place(client, item).await?.unwrap_or_default();
        let mut known = self.known.borrow_mut();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(item.local_id.clone(), dfid.clone());
        Ok(dfid)
    }

    /// Creates the local item and pushes it; gives the global id, if there is a circuit.
    async fn place(&self, client: &mut Client, item: &Item) -> Result<Option<String>, Failed> {
        let place = |field: &str| item.place(field);
        let made = client.post("api/items/local", &body(item)).await?;
        match made.status {
            201 => {}
            409 if stands_already(client, item).await? => {}
            _ => return Err(Failed::of(&made, place)),
        }
        let Some(circuit) = self.circuit else {
            return Ok(None);
        };
        let path = format!("api/circuits/{circuit}/push-local");
        let pushed = client.post(&path, &json!({"local_id": item.local_id})).await?;
        match (pushed.status, pushed.body["dfid"].as_str()) {
            (200 | 201, Some(dfid)) => Ok(Some(dfid.to_owned())),
            _ => Err(Failed::of(&pushed, place)),
        }
    }

    /// Records an event. If a different one is stored under its id, it gets an id that follows from its content, so
    /// that neither is lost: documents in the field do use one `eventID` for several events.
    async fn record(
        &self,
        client: &mut Client,
        event: &Event,
        dfids: &[String],
    ) -> Result<Option<String>, Failed> {
        let mut body = event.body.clone();
        if let (Some(circuit), [first, ..]) = (self.circuit, dfids) {
            body["dfid"] = json!(first);
            body["circuit_id"] = json!(circuit);
            body["visibility"] = json!("circuit");
        }
        if dfids.len() > 1 {
            body["dfids"] = json!(dfids);
        }
        if self.record_as(client, &body).await? {
            return Ok(None);
        }
        let taken = body["client_event_id"].take();
        body["client_event_id"] = json!(event.content_id);
        if self.record_as(client, &body).await? {
            return Ok(Some(format!(
                "another event is stored under the id {taken}; this one is stored as {}",
                event.content_id
            )));
        }
        Err(Failed::Refused(Fault::whole(format!(
            "other events are stored under the ids {taken} and {}",
            event.content_id
        ))))
    }

    /// Whether this event is now stored under its id; if not, another one is.
    async fn record_as(&self, client: &mut Client, body: &Value) -> Result<bool, Failed> {
        let answer = client.post("api/events", body).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(Failed::of(&answer, str::to_owned));
        }
        let stored = &answer.body;
        if answer.status == 200 && !same(&stored["data"]["event"], &body["data"]["event"]) {
            return Ok(false);
        }
        if stored["circuit_id"] != body["circuit_id"] {
            return Err(Failed::Refused(Fault::whole(format!(
                "this event is stored already, in circuit {}",
                stored["circuit_id"]
            ))));
        }
        Ok(true)
    }
}

/// Whether the server refuses because nothing is left of what the caller may use.
fn used_up(answer: &Answer) -> bool {
    let codes = [ErrorCode::LimitExceeded, ErrorCode::InsufficientCredits];
    codes.iter().any(|code| answer.body["code"] == code.as_str())
}

/// The body of the request that makes an item.
fn body(item: &Item) -> Value {
    json!({"local_id": item.local_id, "identifiers": item.identifiers, "enriched_data": item.data})
}

/// Whether two values say the same: databases write numbers in their own way.
fn same(one: &Value, other: &Value) -> bool {
    matches!((canonical::digest(one), canonical::digest(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether the server holds this very item under its local id, from an earlier run.
async fn stands_already(client: &mut Client, item: &Item) -> Result<bool, Failed> {
    let found = client.get(&format!("api/items/local/{}", item.local_id)).await?;
    let stored: Vec<Identifier> =
        serde_json::from_value(found.body["identifiers"].clone()).unwrap_or_default();
    let stored: BTreeSet<String> = stored.iter().map(Identifier::canonical_key).collect();
    let wanted = item.identifiers.iter().filter_map(|new| new.check("").ok());
    let wanted: BTreeSet<String> = wanted.map(|identifier| identifier.canonical_key()).collect();
    Ok(found.status == 200 && stored == wanted && same(&found.body["enriched_data"], &item.data))
}
