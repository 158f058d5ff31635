//! Carrying a push out: the item that is made or added to, its place in the circuit, the operation.

use domain::{
    credits::CostedOperation,
    dfid::Dfid,
    ids::{OperationId, Timestamp, UserId, WorkspaceId},
    item::{ItemContent, LocalItemStatus},
    operation::{OperationKind, OperationState},
    push::PushStatus,
};
use serde_json::{Value, json};
use store::{
    bind,
    circuit_items::{self, CircuitItem},
    item_history::{self, NewChange},
    items::{self, Item, NewItem},
    local_items,
    operations::{self, Operation},
    tenancy,
};

use super::{
    Job, Outcome, Pushed, again,
    content::{canonical_keys, enriched},
};
use crate::{App, AppError, Ctx, Record, Result};

/// Most pushes of one workspace that wait in one circuit with content of their own: it is kept until somebody decides.
pub const MAX_WAITING: u64 = 1_000;
/// How many merges one after the other are followed from a DFID to the item that stands for it.
const MAX_REDIRECTS: usize = 16;

/// Where a push ends.
pub(super) struct Target {
    pub(super) dfid: Dfid,
    pub(super) owner: WorkspaceId,
    pub(super) status: PushStatus,
    /// What waits for approval to be added to the item.
    pub(super) kept: Option<ItemContent>,
}

/// In whose name an item is changed.
pub(super) struct Author {
    pub(super) workspace: WorkspaceId,
    pub(super) user: UserId,
    pub(super) approved_by: Option<UserId>,
}

impl App {
    pub(crate) fn new_dfid(&self) -> Dfid {
        let mut random = [0; 10];
        self.ids().fill(&mut random);
        Dfid::new(self.now(), random)
    }

    pub(super) fn create(&self, record: &mut Record<'_>, ctx: &Ctx, dfid: Dfid, job: &Job<'_>) {
        let new = NewItem {
            dfid,
            workspace: ctx.workspace(),
            content: job.content,
            source: "push-local",
            fingerprint: job.fingerprint,
            by: ctx.user(),
        };
        record.steps.extend(items::insert(&new, record.now));
        let key = (ctx.workspace(), dfid);
        let change = self.change(record, ctx.user(), key, 1, "created", &json!({}));
        record.steps.push(change);
    }

    pub(crate) fn change(
        &self,
        record: &Record<'_>,
        actor: UserId,
        (workspace, dfid): (WorkspaceId, Dfid),
        version: u64,
        action: &str,
        changes: &Value,
    ) -> db::Step {
        let id = self.ids().uuid();
        let changes = bind::json(changes);
        let new = NewChange {
            workspace,
            id,
            dfid,
            version,
            action,
            actor,
            changes,
        };
        item_history::insert(new, record.now)
    }

    /// The item of a workspace that a DFID stands for today: itself, or the one it was merged into. None if that is no
    /// longer in use.
    pub(super) async fn current_item(
        &self,
        tx: &db::Tx,
        owner: WorkspaceId,
        mut dfid: Dfid,
    ) -> Result<Option<Item>> {
        for _ in 0..=MAX_REDIRECTS {
            let Some(item) = items::lock(tx, owner, dfid).await? else {
                return Ok(None);
            };
            match item.redirect_to {
                Some(other) => dfid = other,
                None => return Ok(Some(item).filter(|item| item.status.is_changeable())),
            }
        }
        Ok(None)
    }

    /// Adds what a push knows to an item that exists. What must wait for approval first is given back instead.
    ///
    /// The owner's own additions never wait: the owner may change the item at any time without asking the circuit.
    pub(super) async fn add_to(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        (owner, dfid): (WorkspaceId, Dfid),
        job: &Job<'_>,
        pushed: &ItemContent,
    ) -> Result<Option<ItemContent>> {
        let own = owner == ctx.workspace();
        if !own {
            tenancy::widen(tx, &[ctx.workspace(), owner]).await?;
        }
        let item = items::lock(tx, owner, dfid)
            .await?
            .ok_or_else(|| AppError::not_found("item"))?;
        if !item.status.is_changeable() {
            return Err(no_longer_in_use(&item));
        }
        let before = item.content()?;
        let after = enriched(own, &before, pushed)?;
        if after == before {
            return Ok(None);
        }
        if job.circuit.approvals.push && !own {
            self.check_room(tx, ctx, job).await?;
            return Ok(Some(pushed.clone()));
        }
        let author = Author {
            workspace: ctx.workspace(),
            user: ctx.user(),
            approved_by: None,
        };
        self.write_content(record, &item, (&before, &after), &author);
        Ok(None)
    }

    async fn check_room(&self, tx: &db::Tx, ctx: &Ctx, job: &Job<'_>) -> Result<()> {
        if operations::count_waiting(tx, job.circuit.id, ctx.workspace()).await? < MAX_WAITING {
            return Ok(());
        }
        Err(AppError::conflict(format!(
            "{MAX_WAITING} pushes of this workspace wait for approval in this circuit: have some decided, or cancel some"
        )))
    }

    pub(super) fn write_content(
        &self,
        record: &mut Record<'_>,
        item: &Item,
        (before, after): (&ItemContent, &ItemContent),
        author: &Author,
    ) {
        let mut sources: Vec<String> = serde_json::from_str(&item.sources.0).unwrap_or_default();
        if !sources.iter().any(|source| source == "push-local") {
            sources.push("push-local".to_owned());
        }
        let key = (item.workspace_id, item.dfid);
        let steps = items::set_content(key.0, key.1, after, &sources, record.now);
        record.steps.extend(steps);
        let mut added = canonical_keys(&after.identifiers);
        let known = canonical_keys(&before.identifiers);
        added.retain(|key| !known.contains(key));
        if !added.is_empty() {
            let step = circuit_items::spread_identifiers(key.0, key.1, added);
            record.steps.push(step);
        }
        let mut changes = json!({"by_workspace": author.workspace, "before": before, "after": after});
        if let Some(approver) = author.approved_by {
            changes["approved_by"] = json!(approver);
        }
        let change = self.change(record, author.user, key, item.version + 1, "enriched", &changes);
        record.steps.push(change);
    }

    /// Places an item in a circuit with all its traces, in one round trip. What waits for approval takes no identifiers
    /// in the circuit: a second push of the same thing must not find it.
    pub(super) async fn place(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        mut record: Record<'_>,
        target: Target,
        job: &Job<'_>,
    ) -> Result<Outcome> {
        let (circuit, waits) = (job.circuit.id, job.circuit.approvals.push);
        let there = match waits && target.status != PushStatus::NewItemCreated {
            true => circuit_items::find(tx, circuit, target.dfid).await?,
            false => None,
        };
        if let Some(place) = there.as_ref().filter(|place| place.state == "pending") {
            return self.join_waiting(tx, ctx, record, place, job).await;
        }
        let pending = waits && (target.kept.is_some() || there.is_none());
        let operation = self.operation_of(ctx, &target, pending, job, record.now);
        record.steps.push(operations::insert(&operation));
        let debit = self
            .credits()
            .debit_operation(ctx, CostedOperation::Push, operation.id)?;
        record.steps.extend(debit);
        if target.kept.is_none() {
            let place = place_of(&operation, target.owner);
            record.steps.push(circuit_items::insert(circuit, &place));
        }
        if !pending && !job.keys.is_empty() {
            let (dfid, keys) = (target.dfid, job.keys.clone());
            let step = circuit_items::insert_identifiers(circuit, dfid, target.owner, keys);
            record.steps.push(step);
        }
        let known = match target.kept {
            Some(_) => job.mapped,
            None => Some(target.dfid),
        };
        record
            .steps
            .extend(local_step(ctx, job, pending, known, record.now));
        self.trace_push(&mut record, &operation, target.status)?;
        tx.pipeline(record.steps).await?;
        Ok(Outcome::Done(pushed_by(operation, target.status)))
    }

    /// The item waits here already, after another push of this workspace: both wait for the same decision.
    async fn join_waiting(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        mut record: Record<'_>,
        place: &CircuitItem,
        job: &Job<'_>,
    ) -> Result<Outcome> {
        let operation = operations::find(tx, job.circuit.id, place.operation_id).await?;
        let step = local_step(ctx, job, true, Some(place.dfid), record.now);
        record.steps.extend(step);
        tx.pipeline(record.steps).await?;
        Ok(Outcome::Done(again(
            place,
            operation.map(|one| one.state),
            job.local_id,
        )))
    }

    pub(super) fn operation_of(
        &self,
        ctx: &Ctx,
        target: &Target,
        pending: bool,
        job: &Job<'_>,
        now: Timestamp,
    ) -> Operation {
        Operation {
            circuit_id: job.circuit.id,
            id: OperationId::generate(self.ids()),
            workspace_id: ctx.workspace(),
            kind: OperationKind::Push,
            state: OperationState::initial(pending),
            dfid: target.dfid,
            local_id: job.local_id.map(str::to_owned),
            push_status: Some(target.status),
            content: target.kept.clone(),
            requested_by: ctx.user(),
            decided_by: None,
            reason: None,
            created_at: now,
            updated_at: now,
        }
    }
}

fn pushed_by(operation: Operation, status: PushStatus) -> Pushed {
    Pushed {
        dfid: operation.dfid,
        status,
        operation_id: operation.id,
        operation_state: operation.state,
        local_id: operation.local_id,
        created: status == PushStatus::NewItemCreated,
    }
}

fn local_step(
    ctx: &Ctx,
    job: &Job<'_>,
    pending: bool,
    dfid: Option<Dfid>,
    now: Timestamp,
) -> Option<db::Step> {
    let local = job.local_id?;
    let to = if pending {
        LocalItemStatus::PendingApproval
    } else {
        LocalItemStatus::Tokenized
    };
    Some(local_items::set_status(
        ctx.workspace(),
        local,
        to,
        dfid,
        None,
        now,
    ))
}

/// The place an operation gives its item: waiting like the operation, or active.
pub(super) fn place_of(operation: &Operation, owner: WorkspaceId) -> CircuitItem {
    let waits = operation.state == OperationState::Pending;
    CircuitItem {
        dfid: operation.dfid,
        workspace_id: operation.workspace_id,
        owner_id: owner,
        pushed_by: operation.requested_by,
        operation_id: operation.id,
        state: if waits { "pending" } else { "active" }.to_owned(),
        published: false,
        created_at: operation.created_at,
    }
}

pub(super) fn no_longer_in_use(item: &Item) -> AppError {
    AppError::conflict(format!(
        "the item {} is {}: it cannot be pushed or added to",
        item.dfid, item.status
    ))
}
