//! Users that run scenario files: one cookie jar and one set of connections each, figures per request and per journey.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scenario::{
    Call, Directive, EntryOutcome, ErrorKind, Message, Observer, Outcome, Scenario, Settings, User, Value,
};

use super::crew::{Crew, Turn, VirtualUser};
use super::single::reason;
use crate::measure::{Answer, Reason, Sample, Tag, TagKind};

/// Characters kept of what was wrong with an answer.
const MOST_SHOWN: usize = 300;

/// Rows of variables from a data file; each turn takes the next, from the beginning again after the last.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    rows: Arc<Vec<Vec<(String, Value)>>>,
    next: Arc<AtomicUsize>,
}

impl Rows {
    /// Rows in the order of the file.
    pub fn new(rows: Vec<Vec<(String, Value)>>) -> Self {
        Self {
            rows: Arc::new(rows),
            next: Arc::default(),
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Vec<(String, Value)>] {
        &self.rows
    }

    fn take(&self) -> Option<&[(String, Value)]> {
        let length = self.rows.len();
        (length > 0).then(|| self.rows[self.next.fetch_add(1, Ordering::Relaxed) % length].as_slice())
    }
}

/// A scenario as the load engine runs it.
#[derive(Clone, Debug)]
pub struct Journey {
    /// The scenario.
    pub scenario: Scenario,
    /// Name in reports and thresholds.
    pub name: String,
    /// How often it is chosen among the others.
    pub weight: f64,
    /// Variables by row.
    pub rows: Rows,
    /// Forget cookies, captures and connections before each turn, as a new visitor would.
    pub new_visitor: bool,
}

/// Name of each entry of a scenario: its `# @name` comment, else method and path.
pub fn request_names(scenario: &Scenario) -> Vec<String> {
    let named = |index: usize| {
        let is_name = |d: &&Directive| d.entry == index && d.key == "name" && !d.value.is_empty();
        scenario
            .directives()
            .iter()
            .rev()
            .find(is_name)
            .map(|d| d.value.clone())
    };
    let entries = scenario.entries().iter().enumerate();
    entries
        .map(|(i, entry)| named(i).unwrap_or_else(|| format!("{} {}", entry.method, path(&entry.url))))
        .collect()
}

/// Whether any answer can be otherwise than the scenario asserts. One that asserts nothing proves nothing: smoke, load,
/// soak and comparison all ask here.
pub(crate) fn asserts_anything(scenario: &Scenario) -> bool {
    (0..scenario.entries().len()).any(|entry| scenario.asserts(entry))
}

/// The part of a URL template after scheme and host, or after a leading `{{variable}}`, without its query.
fn path(url: &str) -> &str {
    let rest = match (url.strip_prefix("{{"), url.split_once("://")) {
        (Some(rest), _) => rest.split_once("}}").map_or(url, |(_, rest)| rest),
        (None, Some((_, rest))) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        (None, None) => url,
    };
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    if path.is_empty() { "/" } else { path }
}

/// Users that run journeys.
#[derive(Clone)]
pub struct JourneyCrew(Arc<Shared>);

struct Shared {
    journeys: Vec<Journey>,
    settings: Arc<Settings>,
    tags: Vec<Tag>,
    /// Tag of each journey's first entry.
    first: Vec<u16>,
    /// Tag of the messages of each journey's entries that open a WebSocket: journey, entry.
    messages: BTreeMap<(usize, usize), u16>,
}

impl JourneyCrew {
    /// A crew for these journeys. Tags are the journeys in order, then the entries of each in order, then the messages
    /// of each entry that opens a WebSocket.
    pub fn new(journeys: Vec<Journey>, settings: Settings) -> Self {
        let tag = |kind, journey: &Journey, name: String| Tag {
            kind,
            scenario: journey.name.clone(),
            name,
        };
        let mut tags: Vec<Tag> = journeys
            .iter()
            .map(|j| tag(TagKind::Journey, j, j.name.clone()))
            .collect();
        let mut first = Vec::new();
        for journey in &journeys {
            first.push(tags.len() as u16);
            tags.extend(
                request_names(&journey.scenario)
                    .into_iter()
                    .map(|n| tag(TagKind::Request, journey, n)),
            );
        }
        let mut messages = BTreeMap::new();
        for (index, journey) in journeys.iter().enumerate() {
            let names = request_names(&journey.scenario);
            for (entry, name) in names
                .iter()
                .enumerate()
                .filter(|(i, _)| journey.scenario.opens_websocket(*i))
            {
                messages.insert((index, entry), tags.len() as u16);
                tags.push(tag(TagKind::Request, journey, format!("{name} (messages)")));
            }
        }
        Self(Arc::new(Shared {
            messages,
            journeys,
            settings: Arc::new(settings),
            tags,
            first,
        }))
    }

    /// The weights of the journeys, for the plan.
    pub fn weights(&self) -> Vec<f64> {
        self.0.journeys.iter().map(|j| j.weight).collect()
    }
}

impl Crew for JourneyCrew {
    type User = JourneyUser;

    fn tags(&self) -> Vec<Tag> {
        self.0.tags.clone()
    }

    fn first_tag(&self, journey: usize) -> u16 {
        self.0.first[journey]
    }

    fn unasserted(&self) -> Vec<String> {
        let journeys = self.0.journeys.iter().filter(|j| !asserts_anything(&j.scenario));
        journeys.map(|j| j.name.clone()).collect()
    }

    fn recruit(&self, number: usize) -> JourneyUser {
        let mut user = User::new(self.0.settings.clone());
        user.set_variable("user_number", Value::String(number.to_string()));
        JourneyUser {
            shared: self.0.clone(),
            user,
            notes: Notes::default(),
        }
    }
}

/// One user of a [`JourneyCrew`].
pub struct JourneyUser {
    shared: Arc<Shared>,
    user: User,
    notes: Notes,
}

/// What is kept of an exchange until its asserts are known.
struct Note {
    entry: usize,
    attempt: u32,
    start: Instant,
    took: Duration,
    status: u16,
    bytes: u64,
    failed: Option<Reason>,
    /// Of a message on a WebSocket: whether it was as asserted. `None` for an HTTP exchange.
    message: Option<bool>,
}

#[derive(Default)]
struct Notes(Vec<Note>);

impl Observer for Notes {
    fn call(&mut self, call: &Call<'_>) {
        let (status, bytes, failed) = match call.result {
            Ok(response) => (response.status, response.body.len() as u64, None),
            Err(error) => (0, 0, Some(reason(error.reason))),
        };
        let Call {
            entry,
            attempt,
            start,
            took,
            ..
        } = *call;
        self.0.push(Note {
            entry,
            attempt,
            start,
            took,
            status,
            bytes,
            failed,
            message: None,
        });
    }

    fn message(&mut self, message: &Message) {
        let (bytes, ok, failed) = match &message.result {
            Ok((bytes, ok)) => (*bytes as u64, *ok, None),
            Err(error) => (0, false, Some(reason(error.reason))),
        };
        self.0.push(Note {
            entry: message.entry,
            attempt: message.attempt,
            start: message.start,
            took: message.took,
            status: 0,
            bytes,
            failed,
            message: Some(ok),
        });
    }
}

impl VirtualUser for JourneyUser {
    async fn turn(&mut self, turn: Turn<'_>) -> bool {
        let journey = &self.shared.journeys[turn.journey];
        if journey.new_visitor {
            self.user.reset();
        }
        for (name, value) in journey.rows.take().unwrap_or_default() {
            self.user.set_variable(name, value.clone());
        }
        self.notes.0.clear();
        let outcome = self.user.run(&journey.scenario, &mut self.notes).await;
        self.file_requests(&turn, &outcome);
        self.file_journey(&turn, &outcome);
        self.notes
            .0
            .last()
            .is_none_or(|note| note.failed != Some(Reason::Connect))
    }
}

impl JourneyUser {
    /// One sample per exchange, and one per entry that could not even be sent.
    fn file_requests(&self, turn: &Turn<'_>, outcome: &Outcome) {
        let first = self.shared.first[turn.journey];
        let mut position = 0;
        for row in outcome.entries.iter().filter(|row| !row.skipped) {
            let tag = first + row.index as u16;
            let notes = &self.notes.0[position..];
            let mine = notes
                .iter()
                .take_while(|n| n.entry == row.index && n.attempt == row.attempt)
                .count();
            let messages = self.shared.messages.get(&(turn.journey, row.index));
            for (index, note) in notes[..mine].iter().enumerate() {
                let is_last = index + 1 == mine;
                let tag = messages.filter(|_| note.message.is_some()).unwrap_or(&tag);
                self.file(
                    turn,
                    *tag,
                    note,
                    position + index == 0,
                    answer_of(note, is_last, row),
                );
            }
            if !row.ok() {
                turn.sink.example(tag, || what_was_wrong(row));
            }
            if mine == 0 && row.error.is_some() {
                turn.sink.record(&unsent(turn, tag, row));
            }
            position += mine;
        }
    }

    /// The first exchange of a journey counts from when the journey was due, the others from their own start.
    fn file(&self, turn: &Turn<'_>, tag: u16, note: &Note, is_first: bool, answer: Answer) {
        let latency = if is_first {
            (note.start + note.took).saturating_duration_since(turn.due)
        } else {
            note.took
        };
        let Note { status, bytes, .. } = *note;
        turn.sink.record(&Sample {
            phase: turn.phase,
            tag,
            latency,
            answer,
            status,
            bytes,
        });
    }

    fn file_journey(&self, turn: &Turn<'_>, outcome: &Outcome) {
        let unanswered = self.notes.0.last().and_then(|note| note.failed);
        let answer = match (outcome.ok, unanswered) {
            (true, _) => Answer::Ok,
            (false, Some(reason)) => Answer::None(reason),
            (false, None) => Answer::NotOk,
        };
        let latency = turn.due.elapsed();
        let (phase, tag) = (turn.phase, turn.journey as u16);
        turn.sink.record(&Sample {
            phase,
            tag,
            latency,
            answer,
            status: 0,
            bytes: 0,
        });
    }
}

/// A redirection that was followed is an answer as it should be; the last exchange of a try carries its asserts.
/// A message carries its own; the exchange that opened its WebSocket was as it should be, or there were no messages.
fn answer_of(note: &Note, is_last: bool, row: &EntryOutcome) -> Answer {
    match note.failed {
        Some(reason) => Answer::None(reason),
        None if note.message == Some(true) => Answer::Ok,
        None if is_last && !row.ok() => Answer::NotOk,
        None => Answer::Ok,
    }
}

/// The first assert that did not hold, or what kept the entry from being carried out.
fn what_was_wrong(row: &EntryOutcome) -> String {
    let failed = row.asserts.iter().find(|assert| !assert.ok);
    let text = match (&row.error, failed) {
        (Some(error), _) => format!("line {}: {}", error.line, error.message),
        (None, Some(assert)) => format!(
            "line {}: {}: expected {}, came {}",
            assert.line, assert.text, assert.expected, assert.actual
        ),
        (None, None) => String::new(),
    };
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_SHOWN)
        .collect()
}

fn unsent(turn: &Turn<'_>, tag: u16, row: &EntryOutcome) -> Sample {
    let why = match row.error.as_ref().map(|error| error.kind) {
        Some(ErrorKind::Http(http)) => reason(http),
        _ => Reason::Other,
    };
    let latency = Duration::ZERO;
    Sample {
        phase: turn.phase,
        tag,
        latency,
        answer: Answer::None(why),
        status: 0,
        bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_request_without_a_name_is_named_by_its_path() {
        for (url, expected) in [
            ("{{url}}/api/items?limit=10", "/api/items"),
            ("http://localhost:8080/login", "/login"),
            ("https://example.org", "/"),
            ("{{host}}/items/{{id}}/events", "/items/{{id}}/events"),
        ] {
            assert_eq!(path(url), expected);
        }
    }
}
