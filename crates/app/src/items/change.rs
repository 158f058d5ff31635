//! What the owner does to an item: enrich, merge, split, deprecate, share.

use domain::{
    dfid::Dfid,
    identifier::{Identifier, NewIdentifier},
    ids::WorkspaceId,
    item::{ItemContent, ItemStatus, MergeStrategy, SplitPart, merge, split},
    problem::{ErrorCode, FieldError},
    tier::Limit,
};
use serde_json::{Value, json};
use store::{
    circuit_items, item_grants,
    items::{self, Item, NewItem},
};

use crate::{
    App, AppError, Ctx, Record, Result, limits::broke_limit, local_items::check_content, record::check_words,
};

impl App {
    /// Adds identifiers and data to an item of the workspace; given data replace what had the same name.
    pub async fn enrich_item(
        &self,
        ctx: &Ctx,
        dfid: Dfid,
        identifiers: &[NewIdentifier],
        data: Option<Value>,
        if_version: Option<u64>,
    ) -> Result<()> {
        let asked = check_content(identifiers, data)?;
        let tx = self.db().begin(&ctx.scope()).await?;
        let work = async {
            let item = self.changeable_item(&tx, ctx, dfid).await?;
            if if_version.is_some_and(|version| version != item.version) {
                let message = "the item has changed: read it again, then retry";
                return Err(AppError::new(ErrorCode::PreconditionFailed, message));
            }
            let before = item.content()?;
            let identifiers = merge(&before, &asked, MergeStrategy::Append)?.content.identifiers;
            let mut data = before.data.clone();
            data.extend(asked.data);
            let after = ItemContent { identifiers, data };
            let errors = after.validate();
            if !errors.is_empty() {
                return Err(AppError::invalid(errors));
            }
            let known = self
                .take_identifiers(&tx, ctx, (dfid, &[]), &asked.identifiers)
                .await?;
            let mut record = Record::new(self, ctx);
            let changes = json!({"before": before, "after": after});
            self.replace(&mut record, ctx, &item, &after, "enriched", &changes)?;
            record.steps.extend(known);
            tx.pipeline(record.steps).await?;
            Ok(())
        };
        self.finish(work.await, tx).await
    }

    fn replace(
        &self,
        record: &mut Record<'_>,
        ctx: &Ctx,
        item: &Item,
        after: &ItemContent,
        action: &str,
        changes: &Value,
    ) -> Result<()> {
        let sources: Vec<String> = serde_json::from_str(&item.sources.0).unwrap_or_default();
        record.steps.extend(items::set_content(
            ctx.workspace(),
            item.dfid,
            after,
            &sources,
            record.now,
        ));
        self.note(record, ctx, item, action, changes)
    }

    fn note(
        &self,
        record: &mut Record<'_>,
        ctx: &Ctx,
        item: &Item,
        action: &str,
        changes: &Value,
    ) -> Result<()> {
        let key = (ctx.workspace(), item.dfid);
        record
            .steps
            .push(self.change(record, ctx.user(), key, item.version + 1, action, changes));
        let target = item.dfid.to_string();
        record.leaf(
            domain::leaf::LeafKind::Event,
            &target,
            &json!({"action": action, "changes": changes}),
        )?;
        record.activity(None, &format!("item.{action}"), &target, &json!({}));
        record.outbox(&format!("item.{action}"), &json!({"dfid": item.dfid}));
        Ok(())
    }

    async fn changeable_item(&self, tx: &db::Tx, ctx: &Ctx, dfid: Dfid) -> Result<Item> {
        let found = items::lock(tx, ctx.workspace(), dfid).await?;
        let item = match found {
            Some(item) => item,
            None if items::find(tx, ctx.workspace(), dfid).await?.is_some() => {
                return Err(AppError::forbidden(
                    "the item belongs to another workspace: only its owner changes it",
                ));
            }
            None => return Err(AppError::not_found("item")),
        };
        if item.status.is_changeable() {
            return Ok(item);
        }
        Err(AppError::conflict(format!(
            "the item is {} and cannot be changed any more",
            item.status
        )))
    }

    /// Merges other items of the workspace into one; their DFIDs redirect to it and nothing is lost.
    pub async fn merge_items(
        &self,
        ctx: &Ctx,
        into: Dfid,
        others: &[Dfid],
        strategy: MergeStrategy,
    ) -> Result<()> {
        check_merged(into, others)?;
        let tx = self.db().begin(&ctx.scope()).await?;
        let work = async {
            let all: Vec<Dfid> = others.iter().copied().chain([into]).collect();
            items::lock_many(&tx, ctx.workspace(), &all).await?;
            let base = self.changeable_item(&tx, ctx, into).await?;
            let before = base.content()?;
            let mut content = before.clone();
            let mut aliases: Vec<String> = serde_json::from_str(&base.aliases.0).unwrap_or_default();
            let (mut record, mut one) = (Record::new(self, ctx), base.merged());
            for other in others {
                let other = self.changeable_item(&tx, ctx, *other).await?;
                content = merge(&content, &other.content()?, strategy)?.content;
                let taken = other.merged();
                aliases.push(other.dfid.to_string());
                aliases.extend(taken.iter().map(ToString::to_string));
                one.push(other.dfid);
                one.extend(taken);
                self.give_way(&mut record, ctx, &other, into)?;
            }
            let ws = ctx.workspace();
            let known = self
                .take_identifiers(&tx, ctx, (into, others), &content.identifiers)
                .await?;
            record.steps.push(items::set_aliases(ws, into, &aliases));
            let changes = json!({"merged": others, "before": before, "after": content});
            self.replace(&mut record, ctx, &base, &content, "absorbed", &changes)?;
            record.steps.extend(known);
            // Who may read one of them reads all of them, what happened to each included.
            one.push(into);
            record.steps.push(item_grants::join(ws, &one));
            tx.pipeline(record.steps).await?;
            Ok(())
        };
        self.finish(work.await, tx).await
    }

    /// An item gives its identifiers and places to the one it is merged into; what was merged into it follows.
    fn give_way(&self, record: &mut Record<'_>, ctx: &Ctx, other: &Item, into: Dfid) -> Result<()> {
        let (now, ws, merged) = (record.now, ctx.workspace(), other.merged());
        let aliases: Vec<_> = merged.iter().map(ToString::to_string).collect();
        record.steps.push(items::release_identifiers(ws, other.dfid));
        record.steps.extend(circuit_items::move_to(ws, other.dfid, into));
        let status = items::set_status(ws, other.dfid, ItemStatus::Merged, Some(into), &aliases, now);
        record.steps.push(status);
        record.steps.push(items::redirect(ws, &merged, into));
        self.note(record, ctx, other, "merged", &json!({"into": into}))
    }

    /// Divides an item: each part becomes an item of its own, what nobody asked for stays.
    pub async fn split_item(&self, ctx: &Ctx, dfid: Dfid, parts: &[SplitPart]) -> Result<Vec<Dfid>> {
        let tx = self.db().begin(&ctx.scope()).await?;
        let divided = self.split_in(&tx, ctx, dfid, parts).await;
        match self.finish(divided, tx).await {
            Err(AppError {
                source: Some(error), ..
            }) if broke_limit(&error) => Err(self.limits().explain(ctx, Limit::ItemsPerMonth, error).await),
            other => other,
        }
    }

    async fn split_in(&self, tx: &db::Tx, ctx: &Ctx, dfid: Dfid, parts: &[SplitPart]) -> Result<Vec<Dfid>> {
        let item = self.changeable_item(tx, ctx, dfid).await?;
        let before = item.content()?;
        let divided = split(&before, parts)?;
        let mut record = Record::new(self, ctx);
        let dfids: Vec<Dfid> = divided.parts.iter().map(|_| self.new_dfid()).collect();
        let changes = json!({"parts": dfids, "before": before, "after": divided.rest});
        self.replace(&mut record, ctx, &item, &divided.rest, "split", &changes)?;
        let gone = divided.parts.iter().flat_map(|part| &part.identifiers);
        let gone = gone.map(Identifier::canonical_key).collect();
        let step = circuit_items::free_some_identifiers(ctx.workspace(), dfid, gone);
        record.steps.push(step);
        for (new, content) in dfids.iter().zip(&divided.parts) {
            self.add_part(&mut record, ctx, dfid, (*new, content));
        }
        // What comes of dividing an item is made this month like any other.
        let made = dfids.len() as u64;
        let counted = self.limits().count(ctx, Limit::ItemsPerMonth, made);
        record.steps.extend(counted);
        tx.pipeline(record.steps).await?;
        Ok(dfids)
    }

    fn add_part(
        &self,
        record: &mut Record<'_>,
        ctx: &Ctx,
        from: Dfid,
        (dfid, content): (Dfid, &ItemContent),
    ) {
        let new = NewItem {
            dfid,
            workspace: ctx.workspace(),
            content,
            source: "split",
            fingerprint: None,
            by: ctx.user(),
        };
        record.steps.extend(items::insert(&new, record.now));
        let key = (ctx.workspace(), dfid);
        let details = json!({"split_from": from});
        let step = self.change(record, ctx.user(), key, 1, "created", &details);
        record.steps.push(step);
    }

    /// Marks an item as no longer in use. It stays readable.
    pub async fn deprecate_item(&self, ctx: &Ctx, dfid: Dfid, reason: &str) -> Result<()> {
        check_words("reason", reason)?;
        let tx = self.db().begin(&ctx.scope()).await?;
        let work = async {
            let item = self.changeable_item(&tx, ctx, dfid).await?;
            let aliases: Vec<String> = serde_json::from_str(&item.aliases.0).unwrap_or_default();
            let mut record = Record::new(self, ctx);
            let now = record.now;
            let status =
                items::set_status(ctx.workspace(), dfid, ItemStatus::Deprecated, None, &aliases, now);
            record.steps.push(status);
            // Its identifiers still find it, but no longer hold: what carries them next is another item.
            let ws = ctx.workspace();
            record.steps.push(items::retire_identifiers(ws, dfid));
            record.steps.push(circuit_items::free_identifiers(ws, dfid));
            self.note(&mut record, ctx, &item, "deprecated", &json!({"reason": reason}))?;
            tx.pipeline(record.steps).await?;
            Ok(())
        };
        self.finish(work.await, tx).await
    }

    /// Lets a workspace, or the home workspace of a user, read an item from now on.
    pub async fn share_item(
        &self,
        ctx: &Ctx,
        dfid: Dfid,
        workspace: Option<WorkspaceId>,
        username: Option<&str>,
    ) -> Result<WorkspaceId> {
        let reader = self.reader(ctx, workspace, username).await?;
        if reader == ctx.workspace() {
            return Err(AppError::conflict("the item is this workspace's own"));
        }
        let tx = self.db().begin(&ctx.scope()).await?;
        let work = async {
            let item = self.changeable_item(&tx, ctx, dfid).await?;
            let mut record = Record::new(self, ctx);
            let grant = item_grants::insert(
                reader,
                dfid,
                ctx.workspace(),
                "share",
                None,
                ctx.user(),
                record.now,
            );
            record.steps.extend(grant);
            record.activity(
                None,
                "item.shared",
                &item.dfid.to_string(),
                &json!({"workspace": reader}),
            );
            record.audit("item.shared", &dfid.to_string(), &json!({"workspace": reader}))?;
            record.outbox("item.shared", &json!({"dfid": dfid, "workspace_id": reader}));
            tx.pipeline(record.steps).await?;
            Ok(reader)
        };
        self.finish(work.await, tx).await
    }

    async fn reader(
        &self,
        ctx: &Ctx,
        workspace: Option<WorkspaceId>,
        username: Option<&str>,
    ) -> Result<WorkspaceId> {
        // Whom one shares with is another tenant; only its existence is looked up.
        let scope = ctx.system_scope();
        let db = self.db().scoped(&scope);
        match (workspace, username) {
            (Some(id), None) => match store::workspaces::find(&db, id).await? {
                Some(_) => Ok(id),
                None => Err(FieldError::new("workspace_id", "unknown_value", "no such workspace").into()),
            },
            (None, Some(name)) => {
                let found = self.user_by_name(&db, name).await?;
                let user =
                    found.ok_or_else(|| FieldError::new("username", "unknown_value", "no such user"))?;
                Ok(user.home_workspace_id)
            }
            _ => Err(FieldError::new(
                "workspace_id",
                "one_of",
                "give either `workspace_id` or `username`",
            )
            .into()),
        }
    }
}

/// Refuses a merge that names no items, too many, one twice, or the one merged into.
fn check_merged(into: Dfid, others: &[Dfid]) -> Result<()> {
    let unique: std::collections::BTreeSet<_> = others.iter().collect();
    if others.is_empty() || others.len() > 100 || unique.len() < others.len() || others.contains(&into) {
        let message = "must name 1 to 100 different items, none of them the one merged into";
        return Err(FieldError::new("dfids", "length", message).into());
    }
    Ok(())
}
