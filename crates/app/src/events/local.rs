//! Events of local items: kept sealed in the workspace until the item has a DFID, then moved to it.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{credits::CostedOperation, ids::EventId, problem::ErrorCode};
use serde_json::{Map, Value, json};
use store::{
    events::Event,
    local_events::{self, LocalEvent},
    local_items,
};

use super::NewEvent;
use crate::{App, AppError, Ctx, Record, Result};

/// Most events moved by one call.
const MAX_MOVED: u32 = 1_000;

/// What a call moved.
#[derive(Debug)]
pub struct Moved {
    /// The events of the item.
    pub events: Vec<Event>,
    /// Whether others wait for another call.
    pub more: bool,
}

fn unreadable() -> AppError {
    AppError::new(
        ErrorCode::Internal,
        "a local event can't be read; report the request id",
    )
}

impl App {
    /// Keeps an event of a local item of the workspace.
    ///
    /// # Errors
    /// Broken rules by field; not found if there is no such local item.
    pub async fn record_local_event(
        &self,
        ctx: &Ctx,
        local_id: &str,
        mut new: NewEvent,
    ) -> Result<LocalEvent> {
        if new.dfid.is_some() || !new.dfids.is_empty() {
            let error =
                domain::problem::FieldError::new("dfid", "not_here", "the item has none yet: leave it out");
            return Err(error.into());
        }
        new.occurred_at.get_or_insert(self.now());
        self.check_event(ctx, new.clone(), "").await?;
        let id = EventId::generate(self.ids());
        let content = match serde_json::to_value(&new) {
            Ok(Value::Object(content)) => content,
            _ => return Err(unreadable()),
        };
        let body = json!({ "sealed": STANDARD.encode(self.seal(ctx, id, &content).await?) });
        let event = LocalEvent {
            id,
            body,
            created_by: ctx.user(),
            created_at: self.now(),
        };
        self.add_local(ctx, local_id, &event).await?;
        Ok(event)
    }

    /// Writes a local event. It is paid here, and not again when it moves to the item's DFID.
    async fn add_local(&self, ctx: &Ctx, local_id: &str, event: &LocalEvent) -> Result<()> {
        let step = local_events::insert(ctx.workspace(), local_id, event);
        let price = self.price_of(ctx, &[event.id])?;
        let otherwise = AppError::not_found("local item");
        if price.is_empty() {
            // One statement is a unit of its own: nothing to undo if it finds no such item.
            let affected = self.db().run(&ctx.scope(), vec![step]).await?;
            return (affected.first() == Some(&1)).then_some(()).ok_or(otherwise);
        }
        let steps = [vec![step], price].concat();
        match self.run_if_first(&ctx.scope(), steps, otherwise).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self
                .credits()
                .explain_refusal(ctx, CostedOperation::EventCreate, error)
                .await),
        }
    }

    /// Moves the events of a local item to its DFID, at most 1,000 at a time. Repeating the call is harmless.
    ///
    /// # Errors
    /// Conflict while the item has no DFID.
    pub async fn push_local_events(&self, ctx: &Ctx, local_id: &str) -> Result<Moved> {
        let tx = self.db().begin(&ctx.scope()).await?;
        self.finish(self.push_local_events_in(&tx, ctx, local_id).await, tx)
            .await
    }

    async fn push_local_events_in(&self, tx: &db::Tx, ctx: &Ctx, local_id: &str) -> Result<Moved> {
        let item = local_items::lock(tx, ctx.workspace(), local_id).await?;
        let item = item.ok_or_else(|| AppError::not_found("local item"))?;
        let Some(dfid) = item.dfid else {
            return Err(AppError::conflict(
                "the local item has no DFID yet: push it to a circuit first",
            ));
        };
        let waiting = local_events::lock_waiting(tx, ctx.workspace(), local_id, MAX_MOVED + 1).await?;
        let more = waiting.len() > MAX_MOVED as usize;
        let mut record = Record::new(self, ctx);
        let mut moved = Vec::new();
        for local in waiting.into_iter().take(MAX_MOVED as usize) {
            let new = NewEvent {
                dfid: Some(dfid),
                ..self.open_local(ctx, &local).await?
            };
            let checked = self.check_event(ctx, new, "").await?;
            let event = self.add_event(ctx, &mut record, checked).await?;
            record
                .steps
                .push(local_events::moved(ctx.workspace(), local.id, event.id));
            moved.push(event);
        }
        tx.pipeline(record.steps).await.map_err(super::about_item)?;
        Ok(Moved { events: moved, more })
    }

    async fn open_local(&self, ctx: &Ctx, local: &LocalEvent) -> Result<NewEvent> {
        let sealed = local
            .body
            .get("sealed")
            .and_then(Value::as_str)
            .ok_or_else(unreadable)?;
        let sealed = STANDARD.decode(sealed).map_err(|_| unreadable())?;
        let content: Map<String, Value> = self.unseal(ctx, local.id, &sealed).await?;
        serde_json::from_value(Value::Object(content)).map_err(|_| unreadable())
    }
}
