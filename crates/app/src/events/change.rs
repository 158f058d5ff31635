//! Changing and erasing events. One about an item is never edited: a later event corrects it.

use domain::{
    event::{EventSubject, Visibility, check_tags},
    ids::EventId,
    leaf::LeafKind,
    problem::ErrorCode,
};
use serde_json::{Map, Value, json as object};
use store::{
    bind::json,
    event_queries,
    events::{self, Event},
};

use super::{Commitment, read::present, validate::check_data};
use crate::{App, AppError, Ctx, Record, Result};

/// What replaces an operational event's content; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct EventChange {
    /// The new tags.
    pub tags: Option<Vec<String>>,
    /// The new payload, an object.
    pub data: Option<Value>,
}

impl App {
    /// Replaces tags and payload of an operational event of the workspace.
    ///
    /// # Errors
    /// Conflict for an event about an item; precondition failed if it is no longer the version the caller knew.
    pub async fn change_event(
        &self,
        ctx: &Ctx,
        id: EventId,
        known: Option<u64>,
        change: EventChange,
    ) -> Result<Event> {
        let old = self.own_event(ctx, id).await?;
        if !EventSubject::of(old.dfid).is_editable() {
            return Err(AppError::conflict(
                "an event about an item is never edited: record a later one that corrects it",
            ));
        }
        if known.is_some_and(|known| known != old.version) {
            return Err(changed());
        }
        let mut new = self.open_events(ctx, vec![old.clone()]).await?.swap_remove(0);
        new.tags = match change.tags {
            Some(tags) => check_tags(&tags)?,
            None => new.tags,
        };
        if change.data.is_some() {
            new.data = Some(check_data(change.data)?);
        }
        new.version += 1;
        self.replace_event(ctx, &old, new).await
    }

    async fn replace_event(&self, ctx: &Ctx, old: &Event, mut new: Event) -> Result<Event> {
        let empty = Map::new();
        let data = new.data.as_ref().unwrap_or(&empty);
        let sealed = match new.visibility {
            Visibility::Private => Some(self.seal(ctx, new.id, data).await?),
            _ => None,
        };
        let mut record = Record::new(self, ctx);
        let leaf = record.leaf(LeafKind::Event, &new.id.to_string(), &commitment(&new, data))?;
        let update = events::Update {
            data: sealed.is_none().then(|| json(data)),
            sealed,
            tags: new.tags.clone(),
            leaf,
        };
        let mut steps = events::update(old, update);
        steps.extend(record.steps);
        self.run_if_first(&ctx.scope(), steps, changed()).await?;
        new.leaf_id = leaf;
        Ok(new)
    }

    /// Erases what an event of the workspace said. Its leaf stays; another leaf says when it was erased, and by whom.
    ///
    /// # Errors
    /// Forbidden for an event of another workspace.
    pub async fn erase_event(&self, ctx: &Ctx, id: EventId) -> Result<()> {
        let event = self.own_event(ctx, id).await?;
        let mut record = Record::new(self, ctx);
        let mut steps = events::erase(ctx.workspace(), id, event.leaf_id, &event.tags, record.now);
        let erasure =
            object!({ "event": id, "leaf": event.leaf_id, "erased_at": record.now, "by": ctx.user() });
        record.leaf(LeafKind::Erasure, &id.to_string(), &erasure)?;
        record.audit("event.erased", &id.to_string(), &object!({ "dfid": event.dfid }))?;
        steps.extend(record.steps);
        self.run_if_first(&ctx.scope(), steps, changed()).await
    }

    async fn own_event(&self, ctx: &Ctx, id: EventId) -> Result<Event> {
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        if let Some(own) = events::find(&db, ctx.workspace(), id).await? {
            return present(own);
        }
        match event_queries::find_visible(&db, ctx.workspace(), id).await? {
            Some(_) => Err(AppError::forbidden(
                "only the workspace that recorded an event may change or erase it",
            )),
            None => Err(AppError::not_found("event")),
        }
    }
}

fn changed() -> AppError {
    AppError::new(
        ErrorCode::PreconditionFailed,
        "the event has changed meanwhile: read it again, then retry",
    )
}

fn commitment<'a>(event: &'a Event, data: &'a Map<String, Value>) -> Commitment<'a> {
    Commitment {
        id: event.id,
        version: event.version,
        event_type: &event.event_type,
        source: &event.source,
        dfid: event.dfid,
        dfids: &event.items,
        circuit_id: event.circuit_id,
        visibility: event.visibility,
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at,
        user_id: event.user_ref.as_deref(),
        project_id: event.project.as_deref(),
        data,
        tags: &event.tags,
        recipients: &event.recipients,
        client_event_id: event.client_event_id.as_deref(),
    }
}
