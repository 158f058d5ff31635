//! What becomes of a push that waited: approved, it meets the circuit as it is then; refused, it leaves nothing.
//!
//! While it waits a push takes no identifiers, so another one of the same thing may have been approved first. Then a new
//! item is folded into that one, and content for an item is added to it; where that cannot be, people decide.

use std::collections::BTreeSet;

use domain::{
    circuit::Permission,
    dfid::Dfid,
    identity::Role,
    ids::{PendingItemId, WorkspaceId},
    item::{ItemContent, ItemStatus, PendingReason},
    operation::OperationState,
};
use serde_json::json;
use store::{
    circuit_items, circuit_members,
    circuits::Circuit,
    items::{self, Item, Known},
    local_items,
    operations::{self, Operation},
    tenancy,
};

use super::{
    conflict::Contested,
    content::{canonical_keys, combine, enriched},
    place::{Author, place_of},
};
use crate::{App, Ctx, Record, Result};

/// What an approval came to.
pub(crate) enum Carried {
    /// The item it is about lies in the circuit.
    Done(Dfid),
    /// It could not be carried out any more, and why.
    Failed(String),
}

/// An approval under way.
struct Approval<'a> {
    ctx: &'a Ctx,
    circuit: &'a Circuit,
    operation: &'a Operation,
}

impl App {
    /// Carries out an approved push. The rules are checked again: what waited may not fit any more.
    pub(crate) async fn approve_push(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        circuit: &Circuit,
        operation: &Operation,
    ) -> Result<Carried> {
        tenancy::widen(tx, &[ctx.workspace(), operation.workspace_id]).await?;
        let approval = Approval {
            ctx,
            circuit,
            operation,
        };
        let barred = self.barred(tx, operation, Permission::Push).await?;
        let carried = match (barred, &operation.content) {
            (Some(reason), _) => Carried::Failed(reason),
            (None, Some(content)) => self.add_waiting(tx, record, &approval, content).await?,
            (None, None) => self.show_waiting(tx, record, &approval).await?,
        };
        match &carried {
            Carried::Done(dfid) => {
                let o = operation;
                let local = o.local_id.as_deref();
                let step = local_items::approved(o.workspace_id, local, o.dfid, *dfid, record.now);
                record.steps.push(step);
                let key = (o.circuit_id, o.id);
                record.steps.push(operations::set_dfid(key, *dfid));
            }
            Carried::Failed(_) => self.take_push_back(record, operation),
        }
        Ok(carried)
    }

    /// Takes back what a push that was refused, or failed, had prepared.
    pub(crate) fn take_push_back(&self, record: &mut Record<'_>, operation: &Operation) {
        let o = operation;
        record.steps.push(circuit_items::take_back(o.circuit_id, o.id));
        let local = o.local_id.as_deref();
        let step = local_items::refused(o.workspace_id, local, o.dfid, record.now);
        record.steps.push(step);
    }

    /// Why who asked for an operation may not have it any more; nothing if they may. It takes what asking takes: an
    /// account and a workspace that let them act, and a seat with the permission.
    pub(crate) async fn barred(
        &self,
        tx: &db::Tx,
        operation: &Operation,
        permission: Permission,
    ) -> Result<Option<String>> {
        let (workspace, user) = (operation.workspace_id, operation.requested_by);
        let seat = circuit_members::seat(tx, operation.circuit_id, workspace, user).await?;
        let Some(seat) = seat.filter(|seat| seat.account.may_act()) else {
            let reason = "who asked no longer acts for the workspace that asked, or has left this circuit";
            return Ok(Some(reason.to_owned()));
        };
        // As the routes have it: a viewer of the workspace pulls, and pushes nothing.
        let least = match permission {
            Permission::Push => Role::Member,
            _ => Role::Viewer,
        };
        let may = seat.role >= least && seat.permissions.contains(permission);
        Ok((!may).then(|| format!("who asked no longer has the right to {permission} in this circuit")))
    }

    /// The pusher's own item is shown to the circuit.
    async fn show_waiting(
        &self,
        tx: &db::Tx,
        record: &mut Record<'_>,
        approval: &Approval<'_>,
    ) -> Result<Carried> {
        let (circuit, operation) = (approval.circuit, approval.operation);
        let owner = operation.workspace_id;
        let Some(item) = self.current_item(tx, owner, operation.dfid).await? else {
            return Ok(Carried::Failed("the item is no longer in use".to_owned()));
        };
        let content = combine(circuit, &item.content()?, &ItemContent::default());
        if let Some(broken) = broken_rules(circuit, &content) {
            return Ok(broken);
        }
        let keys = canonical_keys(&content.identifiers);
        let mut others = known_here(tx, circuit, &keys).await?;
        others.retain(|one| one.dfid != item.dfid);
        let others: BTreeSet<_> = others.iter().map(|one| (one.dfid, one.owner_id)).collect();
        match others.first() {
            None => {
                let done = Operation {
                    dfid: item.dfid,
                    state: OperationState::Completed,
                    ..operation.clone()
                };
                let id = circuit.id;
                record
                    .steps
                    .push(circuit_items::insert(id, &place_of(&done, owner)));
                let step = circuit_items::insert_identifiers(id, item.dfid, owner, keys);
                record.steps.push(step);
                Ok(Carried::Done(item.dfid))
            }
            Some(&other) if others.len() == 1 && self.is_fresh(tx, approval, &item).await? => {
                self.fold(tx, record, approval, (&item, &content), other).await
            }
            Some(_) => {
                let dfids = others.iter().map(|one| one.0).chain([item.dfid]).collect();
                self.contested(tx, record, approval, &content, &dfids).await
            }
        }
    }

    /// Whether the item came from a local item and nobody else knows it: then its DFID may give way to another.
    async fn is_fresh(&self, tx: &db::Tx, approval: &Approval<'_>, item: &Item) -> Result<bool> {
        let (owner, circuit) = (item.workspace_id, approval.circuit.id);
        Ok(approval.operation.local_id.is_some()
            && !items::known_to_others(tx, owner, item.dfid, circuit).await?)
    }

    /// Another push of the same thing was approved first: its item is enriched and stands for this one too.
    async fn fold(
        &self,
        tx: &db::Tx,
        record: &mut Record<'_>,
        approval: &Approval<'_>,
        (item, content): (&Item, &ItemContent),
        (into, owner): (Dfid, WorkspaceId),
    ) -> Result<Carried> {
        let (operation, own) = (approval.operation, item.workspace_id);
        let Some(target) = self.others_item(tx, approval, (owner, into)).await? else {
            return Ok(Carried::Failed(left()));
        };
        // First, because the two may belong to one workspace, where an identifier is carried once.
        record.steps.push(items::release_identifiers(own, item.dfid));
        self.add_content(record, approval, &target, content)?;
        let mut aliases: Vec<String> = serde_json::from_str(&target.aliases.0).unwrap_or_default();
        aliases.push(item.dfid.to_string());
        aliases.extend(item.merged().iter().map(ToString::to_string));
        record.steps.push(items::set_aliases(owner, into, &aliases));
        let merged = items::set_status(own, item.dfid, ItemStatus::Merged, Some(into), &[], record.now);
        record.steps.push(merged);
        let (key, changes) = ((own, item.dfid), json!({"into": into, "operation": operation.id}));
        let by = operation.requested_by;
        let change = self.change(record, by, key, item.version + 1, "merged", &changes);
        record.steps.push(change);
        let place = circuit_items::take_back(approval.circuit.id, operation.id);
        record.steps.push(place);
        Ok(Carried::Done(into))
    }

    /// The content that was kept is added to the other workspace's item.
    async fn add_waiting(
        &self,
        tx: &db::Tx,
        record: &mut Record<'_>,
        approval: &Approval<'_>,
        content: &ItemContent,
    ) -> Result<Carried> {
        let (circuit, asker) = (approval.circuit, approval.operation.workspace_id);
        if let Some(broken) = broken_rules(circuit, content) {
            return Ok(broken);
        }
        let keys = canonical_keys(&content.identifiers);
        let mut known = known_here(tx, circuit, &keys).await?;
        let place = circuit_items::find(tx, circuit.id, approval.operation.dfid).await?;
        known.extend(place.filter(|place| place.state == "active").map(|place| Known {
            dfid: place.dfid,
            owner_id: place.owner_id,
        }));
        if !keys.is_empty() {
            known.extend(items::by_canonical(tx, asker, keys).await?);
        }
        let known: BTreeSet<_> = known.iter().map(|one| (one.dfid, one.owner_id)).collect();
        match known.first() {
            Some(&(dfid, owner)) if known.len() == 1 && owner != asker => {
                let Some(item) = self.others_item(tx, approval, (owner, dfid)).await? else {
                    return Ok(Carried::Failed(left()));
                };
                self.add_content(record, approval, &item, content)?;
                Ok(Carried::Done(dfid))
            }
            Some(_) if known.len() > 1 => {
                let dfids = known.iter().map(|one| one.0).collect();
                self.contested(tx, record, approval, content, &dfids).await
            }
            _ => Ok(Carried::Failed(left())),
        }
    }

    /// The other workspace's item, locked; none if it is no longer in use.
    async fn others_item(
        &self,
        tx: &db::Tx,
        approval: &Approval<'_>,
        (owner, dfid): (WorkspaceId, Dfid),
    ) -> Result<Option<Item>> {
        let workspaces = [approval.ctx.workspace(), approval.operation.workspace_id, owner];
        tenancy::widen(tx, &workspaces).await?;
        let found = items::lock(tx, owner, dfid).await?;
        Ok(found.filter(|item| item.status.is_changeable()))
    }

    fn add_content(
        &self,
        record: &mut Record<'_>,
        approval: &Approval<'_>,
        item: &Item,
        content: &ItemContent,
    ) -> Result<()> {
        let before = item.content()?;
        let after = enriched(false, &before, content)?;
        if after != before {
            let author = Author {
                workspace: approval.operation.workspace_id,
                user: approval.operation.requested_by,
                approved_by: Some(approval.ctx.user()),
            };
            self.write_content(record, item, (&before, &after), &author);
        }
        let keys = canonical_keys(&content.identifiers);
        if !keys.is_empty() {
            let (circuit, owner) = (approval.circuit.id, item.workspace_id);
            let step = circuit_items::insert_identifiers(circuit, item.dfid, owner, keys);
            record.steps.push(step);
        }
        Ok(())
    }

    /// Nobody but people can say which item is meant: the pusher's workspace gets a pending item.
    async fn contested(
        &self,
        tx: &db::Tx,
        record: &mut Record<'_>,
        approval: &Approval<'_>,
        content: &ItemContent,
        dfids: &BTreeSet<Dfid>,
    ) -> Result<Carried> {
        let operation = approval.operation;
        let contested = Contested {
            circuit: approval.circuit.id,
            workspace: operation.workspace_id,
            by: operation.requested_by,
            local_id: operation.local_id.as_deref(),
            content,
        };
        let pending: PendingItemId = self
            .open_pending(
                tx,
                record,
                PendingReason::ConflictingIdentifiers,
                &contested,
                dfids,
            )
            .await?;
        Ok(Carried::Failed(format!(
            "conflict_detected: its identifiers belong to different items by now; pending item {pending}"
        )))
    }
}

async fn known_here(tx: &db::Tx, circuit: &Circuit, keys: &[String]) -> Result<Vec<Known>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    Ok(circuit_items::known(tx, circuit.id, keys.to_vec()).await?)
}

fn broken_rules(circuit: &Circuit, content: &ItemContent) -> Option<Carried> {
    let broken = circuit.rules.check(&content.identifiers);
    let said: Vec<_> = broken
        .iter()
        .map(|error| format!("{}: {}", error.field, error.message))
        .collect();
    (!said.is_empty()).then(|| {
        Carried::Failed(format!(
            "it breaks the circuit's rules by now: {}",
            said.join("; ")
        ))
    })
}

fn left() -> String {
    "the item it would add to is no longer in use in this circuit: push again".to_owned()
}
