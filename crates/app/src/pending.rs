//! Pending items: what waits for a person, and the three ways to resolve it.

use domain::{
    dfid::Dfid,
    ids::PendingItemId,
    item::{ItemContent, LocalItemStatus, MergeStrategy, PendingState, Resolution, merge},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
use serde_json::{Value, json};
use store::{
    items::{self, Item},
    local_items,
    pending_items::{self, PendingItem},
};

use crate::{App, AppError, Ctx, Record, Result, local_items::check_content, record::check_words};

/// How a pending item is resolved.
#[derive(Debug)]
pub struct Resolve {
    /// Approve, reject or modify.
    pub resolution: Resolution,
    /// For `approve`: the candidate that the content belongs to; it must be the workspace's own item.
    pub dfid: Option<Dfid>,
    /// For `modify`: the identifiers the local item shall have instead; then push it again.
    pub identifiers: Vec<domain::identifier::NewIdentifier>,
    /// A word for the record.
    pub note: Option<String>,
}

impl App {
    /// Pending items, oldest first.
    pub async fn pending_items(
        &self,
        ctx: &Ctx,
        state: Option<PendingState>,
        page: &PageRequest,
    ) -> Result<Page<PendingItem>> {
        let scope = ctx.scope();
        let after = crate::circuits::after(page)?;
        let rows =
            pending_items::list(&self.db().scoped(&scope), ctx.workspace(), state, after, page).await?;
        Ok(Page::cut(rows, page, |pending| Cursor::new("", pending.id)))
    }

    /// Counts them.
    pub async fn count_pending_items(&self, ctx: &Ctx, state: Option<PendingState>) -> Result<u64> {
        let scope = ctx.scope();
        Ok(pending_items::count(&self.db().scoped(&scope), ctx.workspace(), state).await?)
    }

    /// Resolves a pending item, once.
    pub async fn resolve_pending(
        &self,
        ctx: &Ctx,
        id: PendingItemId,
        resolve: Resolve,
    ) -> Result<PendingItem> {
        check_words("note", resolve.note.as_deref().unwrap_or_default())?;
        let tx = self.db().begin(&ctx.scope()).await?;
        let outcome = self.resolve_in(&tx, ctx, id, &resolve).await;
        self.finish(outcome, tx).await
    }

    async fn resolve_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        id: PendingItemId,
        resolve: &Resolve,
    ) -> Result<PendingItem> {
        let found = pending_items::lock(tx, ctx.workspace(), id).await?;
        let pending = found.ok_or_else(|| AppError::not_found("pending item"))?;
        let state = pending.state.after(resolve.resolution);
        let state = state.ok_or_else(|| resolved_before(pending.state))?;
        let mut record = Record::new(self, ctx);
        match resolve.resolution {
            Resolution::Approve => self.give_to(tx, ctx, &mut record, &pending, resolve.dfid).await?,
            Resolution::Modify => self.correct(tx, ctx, &mut record, &pending, resolve).await?,
            Resolution::Reject => {}
        }
        let resolution: Value = json!({
            "resolution": resolve.resolution, "by": ctx.user(), "dfid": resolve.dfid, "note": resolve.note,
        });
        record.steps.push(pending_items::resolve(
            ctx.workspace(),
            id,
            state,
            &resolution,
            record.now,
        ));
        // Not in the circuit's list: the note is the workspace's own, and the item need not lie in the circuit.
        record.activity(None, "pending_item.resolved", &id.to_string(), &resolution);
        record.audit("pending_item.resolved", &id.to_string(), &resolution)?;
        let now = record.now;
        tx.pipeline(record.steps).await?;
        Ok(PendingItem {
            state,
            resolution: Some(store::bind::json(&resolution)),
            resolved_at: Some(now),
            ..pending
        })
    }

    /// The pushed data go to the candidate that was chosen, as far as they are new, and the local item stands for it.
    async fn give_to(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        pending: &PendingItem,
        chosen: Option<Dfid>,
    ) -> Result<()> {
        let chosen = chosen
            .filter(|dfid| pending.candidates.contains(dfid))
            .ok_or_else(|| {
                let known: Vec<_> = pending.candidates.iter().map(ToString::to_string).collect();
                FieldError::new(
                    "dfid",
                    "unknown_value",
                    format!("choose one of the candidates: {}", known.join(", ")),
                )
            })?;
        let found = items::lock(tx, ctx.workspace(), chosen).await?;
        let item =
            found.ok_or_else(|| AppError::forbidden("only the owner of an item can give it more content"))?;
        if !item.status.is_changeable() {
            return Err(not_to_choose(&item));
        }
        let before = item.content()?;
        let pushed = ItemContent {
            identifiers: Vec::new(),
            data: pending.content.data.clone(),
        };
        let after = merge(&before, &pushed, MergeStrategy::KeepFirst)?.content;
        let sources: Vec<String> = serde_json::from_str(&item.sources.0).unwrap_or_default();
        record.steps.extend(items::set_content(
            ctx.workspace(),
            chosen,
            &after,
            &sources,
            record.now,
        ));
        let changes = json!({"pending_item": pending.id, "before": before, "after": after});
        let key = (ctx.workspace(), chosen);
        record
            .steps
            .push(self.change(record, ctx.user(), key, item.version + 1, "enriched", &changes));
        self.map_to(tx, ctx, record, pending, chosen).await
    }

    /// The local item stands for the chosen item, or its next push would ask the same again. One that stands for an item
    /// already keeps it.
    async fn map_to(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        pending: &PendingItem,
        chosen: Dfid,
    ) -> Result<()> {
        let Some(local_id) = pending.local_id.as_deref() else {
            return Ok(());
        };
        let found = local_items::lock(tx, ctx.workspace(), local_id).await?;
        if found.is_some_and(|local| local.status.is_changeable()) {
            let (ws, status) = (ctx.workspace(), LocalItemStatus::Tokenized);
            let step = local_items::set_status(ws, local_id, status, Some(chosen), None, record.now);
            record.steps.push(step);
        }
        Ok(())
    }

    async fn correct(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        pending: &PendingItem,
        resolve: &Resolve,
    ) -> Result<()> {
        let asked = check_content(&resolve.identifiers, None)?;
        let local_id = pending.local_id.as_deref().unwrap_or_default();
        let found = local_items::lock(tx, ctx.workspace(), local_id).await?;
        let local =
            found.ok_or_else(|| AppError::conflict("there is no local item to correct: reject instead"))?;
        if !local.status.is_changeable() {
            return Err(AppError::conflict(format!(
                "the local item is {} already",
                local.status
            )));
        }
        let content = ItemContent {
            identifiers: asked.identifiers,
            data: local.content.data.clone(),
        };
        let steps = local_items::set_content(ctx.workspace(), local_id, &content, &local.undo, record.now);
        record.steps.extend(steps);
        Ok(())
    }
}

fn not_to_choose(item: &Item) -> AppError {
    let into = item.redirect_to.map(|into| format!(" into {into}"));
    AppError::conflict(format!(
        "the item {} is {}{} and takes nothing any more: choose another candidate, or reject this and push again, which \
         finds the items in use",
        item.dfid,
        item.status,
        into.unwrap_or_default()
    ))
}

fn resolved_before(state: PendingState) -> AppError {
    AppError::new(
        ErrorCode::InvalidTransition,
        format!("the pending item is {state} already"),
    )
}
