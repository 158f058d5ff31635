//! Events: recording them, alone or many at once. Reading, changing, local events and exports have files of their own.

mod change;
pub mod export;
mod local;
mod read;
mod retention;
mod seal;
mod validate;

pub use change::EventChange;
use db::{DbError, Step};
use domain::{
    credits::CostedOperation,
    dfid::Dfid,
    event::{MAX_BULK, Visibility},
    ids::{CircuitId, EventId, Timestamp, WorkspaceId},
    leaf::LeafKind,
    problem::{Extension, FieldError},
};
pub use local::Moved;
pub use read::EventQuery;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{
    bind::json,
    events::{self, Event},
};
use validate::Checked;

use crate::{App, AppError, Ctx, Record, Result, credits::lacked_cover};

/// What an event is made of, as the caller said it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NewEvent {
    /// Its type.
    pub event_type: String,
    /// What recorded it; `api` if absent.
    pub source: Option<String>,
    /// The item it is about.
    pub dfid: Option<Dfid>,
    /// The items it is about, if they are several.
    #[serde(default)]
    pub dfids: Vec<Dfid>,
    /// The circuit it happened in.
    pub circuit_id: Option<CircuitId>,
    /// Who may see it; the workspace's default if absent.
    pub visibility: Option<Visibility>,
    /// When it happened; now if absent.
    pub occurred_at: Option<Timestamp>,
    /// Its payload, an object.
    pub data: Option<Value>,
    /// Its tags.
    pub tags: Vec<String>,
    /// A user of the sender's system.
    pub user_ref: Option<String>,
    /// A project of the sender's.
    pub project: Option<String>,
    /// The workspaces a direct event is addressed to.
    pub recipients: Vec<WorkspaceId>,
    /// The sender's own id: the same one sent twice stays one.
    pub client_event_id: Option<String>,
}

/// Topic of the outbox row that each recorded event leaves.
pub const RECORDED: &str = "event.recorded";

/// What follows a recorded event needs to know; never the payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The event.
    pub id: EventId,
    /// Its type.
    pub event_type: String,
    /// The item it is about.
    pub dfid: Option<Dfid>,
    /// All items it is about, if they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dfids: Vec<Dfid>,
    /// The circuit it happened in.
    pub circuit_id: Option<CircuitId>,
    /// Who may see it.
    pub visibility: Visibility,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// The record that an event's leaf commits to.
#[derive(Serialize)]
struct Commitment<'a> {
    id: EventId,
    version: u64,
    event_type: &'a str,
    source: &'a str,
    dfid: Option<Dfid>,
    /// Left out unless several, so that an event about one item keeps its canonical form.
    #[serde(skip_serializing_if = "<[Dfid]>::is_empty")]
    dfids: &'a [Dfid],
    circuit_id: Option<CircuitId>,
    visibility: Visibility,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    data: &'a Map<String, Value>,
    tags: &'a [String],
    recipients: &'a [WorkspaceId],
    client_event_id: Option<&'a str>,
}

/// An event, and whether this call recorded it.
#[derive(Debug)]
pub struct Outcome {
    /// The event, payload readable.
    pub event: Event,
    /// False if it had been recorded before.
    pub created: bool,
}

impl App {
    /// Records an event. One with a known `client_event_id` is answered as it was recorded.
    ///
    /// # Errors
    /// Broken rules by field; an item or circuit the caller can't see is not found.
    pub async fn record_event(&self, ctx: &Ctx, new: NewEvent) -> Result<Outcome> {
        let checked = self.check_event(ctx, new, "").await?;
        let client_id = checked.client_event_id.clone();
        let mut record = Record::new(self, ctx);
        let event = self.add_event(ctx, &mut record, checked).await?;
        record.steps.extend(self.price_of(ctx, &[event.id])?);
        match self.db().run_grouped(&ctx.scope(), record.steps).await {
            Ok(_) => {
                self.wake_outbox();
                Ok(Outcome { event, created: true })
            }
            Err(error @ DbError::Unique { .. }) => {
                let known = self.known_events(ctx, client_id.into_iter().collect()).await?;
                let event = known.into_iter().next().ok_or(error)?;
                Ok(Outcome {
                    event,
                    created: false,
                })
            }
            Err(error) => Err(self.not_recorded(ctx, 1, error).await),
        }
    }

    /// The steps that debit events in the unit of work that records them; none if they cost nothing. They come after
    /// the events: what was recorded before is answered without being paid again.
    fn price_of(&self, ctx: &Ctx, events: &[EventId]) -> Result<Vec<Step>> {
        let Some(first) = events.first() else {
            return Ok(Vec::new());
        };
        let times = events.len() as u64;
        let debit = self
            .credits()
            .debit(ctx, CostedOperation::EventCreate, times, &first.to_string())?;
        Ok(debit.map_or_else(Vec::new, |debit| debit.steps))
    }

    /// Why a unit of work that records so many events did not.
    async fn not_recorded(&self, ctx: &Ctx, events: usize, error: DbError) -> AppError {
        if !lacked_cover(&error) {
            return about_item(error);
        }
        let (credits, costed) = (self.credits(), CostedOperation::EventCreate);
        credits.explain(ctx, costed, events as u64, error).await
    }

    /// Records up to 1,000 events, all or none. Events with a known `client_event_id` are answered as recorded.
    ///
    /// # Errors
    /// Broken rules by field, such as `events[3].event_type`; nothing is recorded then.
    pub async fn record_events(&self, ctx: &Ctx, new: Vec<NewEvent>) -> Result<Vec<Outcome>> {
        if new.is_empty() || new.len() > MAX_BULK {
            let message = format!("must have 1 to {MAX_BULK} entries");
            return Err(FieldError::new("events", "length", message).into());
        }
        let checked = self.check_events(ctx, new).await?;
        // Somebody else may record the same event between the look and the write; the second look finds it.
        match self.record_checked(ctx, checked.clone()).await {
            Err(AppError {
                source: Some(DbError::Unique { .. }),
                ..
            }) => self.record_checked(ctx, checked).await,
            other => other,
        }
    }

    async fn check_events(&self, ctx: &Ctx, new: Vec<NewEvent>) -> Result<Vec<Checked>> {
        let mut checked = Vec::with_capacity(new.len());
        let mut errors = Vec::new();
        for (index, event) in new.into_iter().enumerate() {
            match self.check_event(ctx, event, &format!("events[{index}].")).await {
                Ok(event) => checked.push(event),
                Err(error) if !error.fields.is_empty() => errors.extend(error.fields),
                Err(error) => return Err(error.with(Extension::Index, index)),
            }
        }
        if errors.is_empty() {
            Ok(checked)
        } else {
            Err(errors.into())
        }
    }

    async fn record_checked(&self, ctx: &Ctx, checked: Vec<Checked>) -> Result<Vec<Outcome>> {
        let ids: Vec<_> = checked
            .iter()
            .filter_map(|event| event.client_event_id.clone())
            .collect();
        let known = if ids.is_empty() {
            Vec::new()
        } else {
            self.known_events(ctx, ids).await?
        };
        let mut record = Record::new(self, ctx);
        let outcomes = self.add_unknown(ctx, &mut record, known, checked).await?;
        let new = outcomes.iter().filter(|outcome| outcome.created);
        let new: Vec<_> = new.map(|outcome| outcome.event.id).collect();
        record.steps.extend(self.price_of(ctx, &new)?);
        if let Err(error) = self.db().run(&ctx.scope(), record.steps).await {
            return Err(self.not_recorded(ctx, new.len(), error).await);
        }
        self.wake_outbox();
        Ok(outcomes)
    }

    /// Adds the steps of those events that are not known by the sender's own id.
    async fn add_unknown(
        &self,
        ctx: &Ctx,
        record: &mut Record<'_>,
        mut known: Vec<Event>,
        checked: Vec<Checked>,
    ) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(checked.len());
        for event in checked {
            let same = |other: &Event| {
                event.client_event_id.is_some() && other.client_event_id == event.client_event_id
            };
            let found = known.iter().find(|other| same(other)).cloned();
            let event = match found {
                Some(event) => Outcome {
                    event,
                    created: false,
                },
                None => {
                    let event = self.add_event(ctx, record, event).await?;
                    known.extend(event.client_event_id.is_some().then(|| event.clone()));
                    Outcome { event, created: true }
                }
            };
            outcomes.push(event);
        }
        Ok(outcomes)
    }

    async fn known_events(&self, ctx: &Ctx, client_ids: Vec<String>) -> Result<Vec<Event>> {
        let scope = ctx.scope();
        let found =
            events::find_by_client_ids(&self.db().scoped(&scope), ctx.workspace(), client_ids).await?;
        self.open_events(ctx, found).await
    }

    /// Adds the steps of an event to a unit of work: leaf, event, tags, outbox row.
    async fn add_event(&self, ctx: &Ctx, record: &mut Record<'_>, new: Checked) -> Result<Event> {
        let id = EventId::generate(self.ids());
        let commitment = new.commitment(id, 1, record.now);
        let leaf = record.leaf(LeafKind::Event, &new.subject(id), &commitment)?;
        let sealed = match new.visibility {
            Visibility::Private => Some(self.seal(ctx, id, &new.data).await?),
            _ => None,
        };
        let stored = events::NewEvent {
            workspace: ctx.workspace(),
            id,
            event_type: new.event_type.as_str(),
            source: &new.source,
            dfid: new.dfid,
            circuit: new.circuit_id,
            visibility: new.visibility,
            occurred_at: new.occurred_at,
            by: ctx.user(),
            user_ref: new.user_ref.as_deref(),
            project: new.project.as_deref(),
            data: sealed.is_none().then(|| json(&new.data)),
            sealed,
            tags: json(&new.tags),
            client_event_id: new.client_event_id.as_deref(),
            leaf,
        };
        let steps: Vec<Step> = events::record(stored, &new.dfids, &new.tags, &new.recipients, record.now);
        record.steps.extend(steps);
        record.outbox(RECORDED, &new.recorded(id));
        Ok(new.into_event(ctx, id, leaf, record.now))
    }
}

/// The statement that adds an event about an item breaks a rule if the workspace can't read the item.
fn about_item(error: DbError) -> AppError {
    match error {
        DbError::Check { .. } | DbError::ForeignKey { .. } => AppError {
            source: Some(error),
            ..AppError::not_found("item")
        },
        other => other.into(),
    }
}
