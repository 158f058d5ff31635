//! Local items: create, read, merge, unmerge, find duplicates, organise.

use domain::{
    credits::CostedOperation,
    identifier::{NewIdentifier, check_all},
    item::{
        DuplicateGroup, ItemContent, LocalItemStatus, MergeStrategy, check_enriched_data, group_duplicates,
        merge, unmerge,
    },
    page::{Cursor, Page, PageRequest},
    problem::FieldError,
    tier::Limit,
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::local_items::{self, LocalItem, MergeRecord};

use crate::{App, AppError, Ctx, Result, credits::lacked_cover};

/// Longest local id, in characters.
pub const MAX_LOCAL_ID: usize = 128;
/// How many merges of one item can be undone; older ones are final.
const MAX_UNDO: usize = 32;
/// How many items one look for duplicates takes in.
const MAX_DUPLICATES: u32 = 1_000;

/// What a new local item is made of.
#[derive(Debug)]
pub struct NewLocalItem {
    /// The workspace's own name for it; made up when absent.
    pub local_id: Option<String>,
    /// Its identifiers.
    pub identifiers: Vec<NewIdentifier>,
    /// Its data, an object.
    pub enriched_data: Option<Value>,
}

/// One merge that `organise` did or would do.
#[derive(Debug, Serialize)]
pub struct Organised {
    /// The item that stays.
    pub kept: String,
    /// The items merged into it.
    pub merged: Vec<String>,
    /// What they share.
    pub shared: Vec<String>,
}

/// What `organise` found and did.
#[derive(Debug)]
pub struct OrganiseOutcome {
    /// Groups without contradictions: merged, or to be merged.
    pub merges: Vec<Organised>,
    /// Groups whose data contradict each other: left for people.
    pub conflicts: Vec<DuplicateGroup<usize>>,
    /// The local ids that the groups' numbers stand for.
    pub local_ids: Vec<String>,
}

impl App {
    /// Creates a local item. A local id that is taken is a conflict.
    pub async fn create_local_item(&self, ctx: &Ctx, new: NewLocalItem) -> Result<LocalItem> {
        let content = check_content(&new.identifiers, new.enriched_data)?;
        let local_id = match new.local_id {
            Some(given) => check_local_id(given)?,
            None => self.ids().uuid().to_string(),
        };
        let now = self.now();
        let mut steps = local_items::insert(ctx.workspace(), &local_id, &content, ctx.user(), now);
        steps.extend(self.limits().count(ctx, Limit::ItemsPerMonth, 1));
        let debit = self
            .credits()
            .debit(ctx, CostedOperation::ItemCreate, 1, &local_id)?;
        steps.extend(debit.into_iter().flat_map(|debit| debit.steps));
        match self.db().run_grouped(&ctx.scope(), steps).await {
            Ok(_) => {}
            Err(error @ db::DbError::Unique { .. }) => return Err(taken(&local_id, error)),
            Err(error) if lacked_cover(&error) => {
                let costed = CostedOperation::ItemCreate;
                return Err(self.credits().explain(ctx, costed, 1, error).await);
            }
            Err(error) => return Err(self.limits().explain(ctx, Limit::ItemsPerMonth, error).await),
        }
        Ok(LocalItem {
            local_id,
            content,
            status: LocalItemStatus::LocalOnly,
            dfid: None,
            merged_into: None,
            undo: Vec::new(),
            created_by: ctx.user(),
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// Reads a local item of the workspace.
    pub async fn local_item(&self, ctx: &Ctx, local_id: &str) -> Result<LocalItem> {
        let scope = ctx.scope();
        let found = local_items::find(&self.db().scoped(&scope), ctx.workspace(), local_id).await?;
        found.ok_or_else(|| AppError::not_found("local item"))
    }

    /// Lists local items by id.
    pub async fn local_items(
        &self,
        ctx: &Ctx,
        status: Option<LocalItemStatus>,
        page: &PageRequest,
    ) -> Result<Page<LocalItem>> {
        let scope = ctx.scope();
        let rows = local_items::list(&self.db().scoped(&scope), ctx.workspace(), status, page).await?;
        Ok(Page::cut(rows, page, |item| Cursor::new("", &item.local_id)))
    }

    /// Counts local items.
    pub async fn count_local_items(&self, ctx: &Ctx, status: Option<LocalItemStatus>) -> Result<u64> {
        let scope = ctx.scope();
        Ok(local_items::count(&self.db().scoped(&scope), ctx.workspace(), status).await?)
    }

    /// Merges other local items into one, keeping what is needed to undo it.
    pub async fn merge_local_items(
        &self,
        ctx: &Ctx,
        into: &str,
        others: &[String],
        strategy: MergeStrategy,
    ) -> Result<LocalItem> {
        check_merge(into, others)?;
        let tx = self.db().begin(&ctx.scope()).await?;
        self.finish(self.merge_in(&tx, ctx, into, others, strategy).await, tx)
            .await?;
        self.local_item(ctx, into).await
    }

    async fn merge_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        into: &str,
        others: &[String],
        strategy: MergeStrategy,
    ) -> Result<()> {
        let all: Vec<String> = others.iter().cloned().chain([into.to_owned()]).collect();
        let locked = local_items::lock_many(tx, ctx.workspace(), all).await?;
        let find = |id: &str| {
            let item = locked.iter().find(|item| item.local_id == id);
            item.ok_or_else(|| AppError::not_found("local item"))
        };
        let base = find(into)?;
        changeable(base)?;
        let mut content = base.content.clone();
        for other in others {
            let other = find(other)?;
            changeable(other)?;
            content = merge(&content, &other.content, strategy)?.content;
        }
        let mut undo = base.undo.clone();
        undo.push(MergeRecord {
            merged: others.to_vec(),
            undo: domain::item::Undo::new(&base.content, &content),
        });
        undo.drain(..undo.len().saturating_sub(MAX_UNDO));
        let now = self.now();
        let mut steps = local_items::set_content(ctx.workspace(), into, &content, &undo, now);
        steps.extend(others.iter().map(|other| {
            local_items::set_status(
                ctx.workspace(),
                other,
                LocalItemStatus::Merged,
                None,
                Some(into),
                now,
            )
        }));
        tx.pipeline(steps).await?;
        Ok(())
    }

    /// Takes the last merge into an item back: it and the merged ones are exactly as before.
    pub async fn unmerge_local_item(&self, ctx: &Ctx, local_id: &str) -> Result<LocalItem> {
        let tx = self.db().begin(&ctx.scope()).await?;
        self.finish(self.unmerge_in(&tx, ctx, local_id).await, tx).await?;
        self.local_item(ctx, local_id).await
    }

    async fn unmerge_in(&self, tx: &db::Tx, ctx: &Ctx, local_id: &str) -> Result<()> {
        let found = local_items::lock(tx, ctx.workspace(), local_id).await?;
        let mut item = found.ok_or_else(|| AppError::not_found("local item"))?;
        changeable(&item)?;
        let last = item
            .undo
            .pop()
            .ok_or_else(|| AppError::conflict("nothing was merged into this item"))?;
        let before =
            unmerge(&item.content, &last.undo).map_err(|error| AppError::conflict(error.to_string()))?;
        let now = self.now();
        let mut steps = local_items::set_content(ctx.workspace(), local_id, &before, &item.undo, now);
        steps.extend(last.merged.iter().map(|other| {
            local_items::set_status(
                ctx.workspace(),
                other,
                LocalItemStatus::LocalOnly,
                None,
                None,
                now,
            )
        }));
        tx.pipeline(steps).await?;
        Ok(())
    }

    /// Groups local items that share a canonical identifier, with what their data contradict each other in.
    pub async fn local_duplicates(&self, ctx: &Ctx) -> Result<(Vec<DuplicateGroup<usize>>, Vec<String>)> {
        let scope = ctx.scope();
        let items = local_items::sharing(&self.db().scoped(&scope), ctx.workspace(), MAX_DUPLICATES).await?;
        let (ids, contents): (Vec<_>, Vec<_>) = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| (item.local_id, (index, item.content)))
            .unzip();
        Ok((group_duplicates(&contents), ids))
    }

    /// Merges duplicates whose data agree; with `dry_run` only says what it would do.
    pub async fn organise_local_items(&self, ctx: &Ctx, dry_run: bool) -> Result<OrganiseOutcome> {
        let (groups, local_ids) = self.local_duplicates(ctx).await?;
        let (clean, conflicts): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.conflicts.is_empty());
        let mut merges = Vec::new();
        for group in clean {
            let mut ids = group.items.iter().map(|index| local_ids[*index].clone());
            let Some(kept) = ids.next() else { continue };
            let merged: Vec<_> = ids.collect();
            if !dry_run {
                self.merge_local_items(ctx, &kept, &merged, MergeStrategy::KeepFirst)
                    .await?;
            }
            merges.push(Organised {
                kept,
                merged,
                shared: group.shared,
            });
        }
        Ok(OrganiseOutcome {
            merges,
            conflicts,
            local_ids,
        })
    }
}

/// Checks what [`App::create_local_item`] would refuse in a new item by itself, without a database.
///
/// # Errors
/// Broken rules by field.
pub fn check_new(new: &NewLocalItem) -> Result<()> {
    let local_id = new.local_id.clone().map(check_local_id).transpose();
    let content = check_content(&new.identifiers, new.enriched_data.clone());
    local_id.and(content.map(|_| ()))
}

pub(crate) fn check_content(identifiers: &[NewIdentifier], data: Option<Value>) -> Result<ItemContent> {
    let mut errors = Vec::new();
    let identifiers = check_all("identifiers", identifiers).unwrap_or_else(|broken| {
        errors.extend(broken);
        Vec::new()
    });
    let data = data.unwrap_or_else(|| Value::Object(Map::new()));
    errors.extend(check_enriched_data("enriched_data", &data));
    match data {
        Value::Object(data) if errors.is_empty() => Ok(ItemContent { identifiers, data }),
        Value::Object(_) => Err(AppError::invalid(errors)),
        _ => {
            if errors.is_empty() {
                errors.push(FieldError::new(
                    "enriched_data",
                    "wrong_type",
                    "must be an object",
                ));
            }
            Err(AppError::invalid(errors))
        }
    }
}

fn check_local_id(given: String) -> Result<String> {
    // `/api/items/local/..` is another address to clients, so nobody could ask for such an item.
    if matches!(given.as_str(), "." | "..") {
        let message = format!("`{given}` is no id: clients of HTTP take it for a step in the path");
        return Err(FieldError::new("local_id", "malformed", message).into());
    }
    let fits = !given.is_empty()
        && given.chars().count() <= MAX_LOCAL_ID
        && given
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    if fits {
        return Ok(given);
    }
    let message = format!("must have 1 to {MAX_LOCAL_ID} of the letters, digits, `-`, `_`, `.` and `:`");
    Err(FieldError::new("local_id", "malformed", message).into())
}

fn check_merge(into: &str, others: &[String]) -> Result<()> {
    let unique: std::collections::BTreeSet<_> = others.iter().collect();
    let (code, message) = if others.is_empty() || others.len() > 100 {
        ("length", "must name 1 to 100 local items")
    } else if unique.len() < others.len() {
        ("duplicate", "names a local item twice")
    } else if others.iter().any(|other| other == into) {
        ("same_item", "an item cannot be merged into itself")
    } else {
        return Ok(());
    };
    Err(FieldError::new("local_ids", code, message).into())
}

fn changeable(item: &LocalItem) -> Result<()> {
    if item.status.is_changeable() {
        return Ok(());
    }
    let message = format!(
        "the local item `{}` is {} and cannot be changed any more",
        item.local_id, item.status
    );
    Err(AppError::conflict(message))
}

fn taken(local_id: &str, error: db::DbError) -> AppError {
    let message = format!("the local id `{local_id}` is taken in this workspace");
    AppError {
        source: Some(error),
        ..AppError::conflict(message)
    }
}
