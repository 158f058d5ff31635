//! Reading events: one, lists, an item's timeline, statistics.

use std::time::Duration;

use domain::{
    dfid::Dfid,
    ids::{EventId, Timestamp},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
pub use store::event_queries::EventFilter as EventQuery;
use store::{
    event_queries::{self, HourCount},
    events::{self, Event},
    items::{self, Item},
};

use crate::{App, AppError, Ctx, Result};

/// Span of statistics whose beginning is not given.
const DEFAULT_SPAN: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest span of statistics.
const MAX_SPAN: Duration = Duration::from_secs(92 * 24 * 3600);
/// Most rows of statistics.
const MAX_STATS: u32 = 10_000;

impl App {
    /// Reads an event the caller may see. An erased one of its own is gone.
    ///
    /// # Errors
    /// Not found for what is hidden or never existed.
    pub async fn event(&self, ctx: &Ctx, id: EventId) -> Result<Event> {
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let found = match events::find(&db, ctx.workspace(), id).await? {
            Some(own) => Some(present(own)?),
            None => event_queries::find_visible(&db, ctx.workspace(), id).await?,
        };
        let opened = self.open_events(ctx, found.into_iter().collect()).await?;
        opened
            .into_iter()
            .next()
            .ok_or_else(|| AppError::not_found("event"))
    }

    /// Lists the workspace's events; with a `dfid`, all events of that item the workspace may see.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn events(&self, ctx: &Ctx, query: &EventQuery, page: &PageRequest) -> Result<Page<Event>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let query = with_merged(&db, ctx, query).await?;
        let rows = event_queries::list(&db, ctx.workspace(), &query, after, page).await?;
        let rows = self.open_events(ctx, rows).await?;
        Ok(Page::cut(rows, page, |event| Cursor::new("", event.id)))
    }

    /// Counts what [`Self::events`] lists.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn count_events(&self, ctx: &Ctx, query: &EventQuery) -> Result<u64> {
        let scope = ctx.scope();
        let db = self.db().scoped_replica(&scope);
        let query = with_merged(&db, ctx, query).await?;
        Ok(event_queries::count(&db, ctx.workspace(), &query).await?)
    }

    /// The events of an item in the order they happened.
    ///
    /// # Errors
    /// Not found if the caller may not read the item.
    pub async fn item_timeline(&self, ctx: &Ctx, dfid: Dfid, page: &PageRequest) -> Result<Page<Event>> {
        let after = match &page.after {
            Some(cursor) => Some((cursor.moment()?, cursor.id()?)),
            None => None,
        };
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let found = items::find(&db, ctx.workspace(), dfid).await?;
        let item = found.ok_or_else(|| AppError::not_found("item"))?;
        let merged = merged_into(&db, ctx, &item).await?;
        let rows = event_queries::timeline(&db, ctx.workspace(), (dfid, &merged), after, page).await?;
        let rows = self.open_events(ctx, rows).await?;
        Ok(Page::cut(rows, page, |event| {
            Cursor::at(event.occurred_at, event.id)
        }))
    }

    /// Counts the workspace's events per type and hour, by default of the last seven days.
    ///
    /// # Errors
    /// If the span is negative or longer than 92 days, or holds more than 10,000 counts.
    pub async fn event_stats(
        &self,
        ctx: &Ctx,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<HourCount>> {
        let to = to.unwrap_or_else(|| self.now());
        let from = from.unwrap_or_else(|| to.minus(DEFAULT_SPAN));
        if from > to || to.since(from) > MAX_SPAN {
            let message = "must lie before `to`, by at most 92 days";
            return Err(FieldError::new("from", "out_of_range", message).into());
        }
        let scope = ctx.scope();
        let db = self.db().scoped_replica(&scope);
        let counts = event_queries::stats(&db, ctx.workspace(), from, to, MAX_STATS + 1).await?;
        if counts.len() > MAX_STATS as usize {
            let message = format!("spans more than {MAX_STATS} counts: ask for less time");
            return Err(FieldError::new("from", "too_many", message).into());
        }
        Ok(counts)
    }
}

/// The items that were merged into this one, as far as the caller may read them.
async fn merged_into(db: &impl db::Read, ctx: &Ctx, item: &Item) -> Result<Vec<Dfid>> {
    let merged = item.merged();
    if merged.is_empty() {
        return Ok(merged);
    }
    let keys: Vec<_> = merged.into_iter().map(|dfid| (ctx.workspace(), dfid)).collect();
    Ok(items::load(db, &keys)
        .await?
        .into_keys()
        .map(|key| key.1)
        .collect())
}

/// The query, for an item together with those that were merged into it.
async fn with_merged(db: &impl db::Read, ctx: &Ctx, query: &EventQuery) -> Result<EventQuery> {
    let mut query = query.clone();
    if let Some(dfid) = query.dfid
        && let Some(item) = items::find(db, ctx.workspace(), dfid).await?
    {
        query.merged = merged_into(db, ctx, &item).await?;
    }
    Ok(query)
}

/// An event of the caller's own, unless its content was erased.
pub(super) fn present(event: Event) -> Result<Event> {
    match event.erased_at {
        None => Ok(event),
        Some(at) => Err(AppError::new(
            ErrorCode::Gone,
            format!("the event was erased at {at}"),
        )),
    }
}
