//! Items: read, list, search, history. What changes them stands in `change`, what they are
//! known by in circuits in `identifiers`.

mod change;
mod identifiers;

use domain::{
    dfid::Dfid,
    identifier::NewIdentifier,
    item::ItemStatus,
    page::{Cursor, Page, PageRequest},
};
use store::{
    item_history::{self, Change},
    item_lists,
    items::Item,
    namespaces::{self, Namespace},
};
use uuid::Uuid;

use crate::{App, AppError, Ctx, Result};

/// Which items a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct ItemFilter {
    /// Those granted to the workspace instead of its own.
    pub shared: bool,
    /// Only those in this state.
    pub status: Option<ItemStatus>,
}

impl App {
    /// Reads an item: the workspace's own, or one that was shared with it or pulled.
    pub async fn item(&self, ctx: &Ctx, dfid: Dfid) -> Result<std::sync::Arc<Item>> {
        let found = self.parts.item_loader.get((ctx.workspace(), dfid));
        let found = ctx.meter.share("share a query for the item", found).await?;
        found.ok_or_else(|| AppError::not_found("item"))
    }

    /// The kinds of goods that identifiers belong to. One's own words are good too.
    pub async fn namespaces(&self, ctx: &Ctx) -> Result<Vec<Namespace>> {
        let scope = ctx.scope();
        Ok(namespaces::list(&self.db().scoped(&scope)).await?)
    }

    /// Lists items by DFID.
    pub async fn items(&self, ctx: &Ctx, filter: ItemFilter, page: &PageRequest) -> Result<Page<Item>> {
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let rows = item_lists::list(&db, ctx.workspace(), filter.shared, filter.status, page).await?;
        Ok(Page::cut(rows, page, |item| Cursor::new("", item.dfid)))
    }

    /// Counts them.
    pub async fn count_items(&self, ctx: &Ctx, filter: ItemFilter) -> Result<u64> {
        let scope = ctx.scope();
        Ok(item_lists::count(
            &self.db().scoped(&scope),
            ctx.workspace(),
            filter.shared,
            filter.status,
        )
        .await?)
    }

    /// Finds items by the value of an identifier, and its exact key if given.
    pub async fn search_items(
        &self,
        ctx: &Ctx,
        value: &str,
        exact: Option<&NewIdentifier>,
        page: &PageRequest,
    ) -> Result<Page<Item>> {
        let (value, key) = wanted(value, exact)?;
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let rows = item_lists::search(&db, ctx.workspace(), &value, key.as_deref(), page).await?;
        Ok(Page::cut(rows, page, |item| Cursor::new("", item.dfid)))
    }

    /// Counts them.
    pub async fn count_found_items(
        &self,
        ctx: &Ctx,
        value: &str,
        exact: Option<&NewIdentifier>,
    ) -> Result<u64> {
        let (value, key) = wanted(value, exact)?;
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        Ok(item_lists::count_found(&db, ctx.workspace(), &value, key.as_deref()).await?)
    }

    /// Who changed what of an item, oldest first.
    pub async fn item_history(&self, ctx: &Ctx, dfid: Dfid, page: &PageRequest) -> Result<Page<Change>> {
        self.item(ctx, dfid).await?;
        let scope = ctx.scope();
        let after: Uuid = match &page.after {
            Some(cursor) => cursor.id()?,
            None => Uuid::nil(),
        };
        let rows = item_history::list(&self.db().scoped(&scope), ctx.workspace(), dfid, after, page).await?;
        Ok(Page::cut(rows, page, |change| Cursor::new("", change.id)))
    }

    /// Counts its entries.
    pub async fn count_item_history(&self, ctx: &Ctx, dfid: Dfid) -> Result<u64> {
        self.item(ctx, dfid).await?;
        let scope = ctx.scope();
        Ok(item_history::count(&self.db().scoped(&scope), ctx.workspace(), dfid).await?)
    }
}

/// The value to look for and, where an identifier is described exactly, its key.
fn wanted(value: &str, exact: Option<&NewIdentifier>) -> Result<(String, Option<String>)> {
    match exact {
        None => Ok((value.trim().to_owned(), None)),
        Some(exact) => {
            let exact = exact.check("identifier").map_err(AppError::invalid)?;
            let key = exact.canonical_key();
            Ok((exact.value, Some(key)))
        }
    }
}
