//! Operations of a circuit: pulling, and deciding what waits. What lies in a circuit is `circuit_items`' subject.

use domain::{
    circuit::Permission,
    credits::CostedOperation,
    dfid::Dfid,
    ids::{CircuitId, OperationId, Timestamp},
    item::ItemContent,
    leaf::LeafKind,
    operation::{Action, Needs, OperationKind, OperationState, TransitionError, transition},
    page::{Cursor, Page, PageRequest},
    problem::ErrorCode,
};
use serde_json::json;
use store::{
    circuit_items::{self, CircuitItem},
    circuit_members::Member,
    circuits::Circuit,
    item_grants, items,
    operations::{self, Operation, OperationFilter},
    tenancy,
};

use crate::{
    App, AppError, Ctx, Record, Result,
    circuits::{after, needs},
    push::{ATTEMPTS, Carried, exchanges, lost_race},
    record::check_words,
};

/// A word about an operation: what is to be done, and why.
#[derive(Clone, Copy)]
struct Decision<'a> {
    action: Action,
    reason: Option<&'a str>,
}

impl App {
    /// Pulls an item: a lasting right to read it, at once or after approval. It stays in the circuit.
    pub async fn pull(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<(Operation, bool)> {
        let tx = self.db().begin(&ctx.scope()).await?;
        let pulled = self.pull_in(&tx, ctx, circuit, dfid).await;
        match self.finish(pulled, tx).await {
            Ok(pulled) => Ok(pulled),
            Err(error) => Err(self
                .credits()
                .explain_refusal(ctx, CostedOperation::Pull, error)
                .await),
        }
    }

    async fn pull_in(&self, tx: &db::Tx, ctx: &Ctx, id: CircuitId, dfid: Dfid) -> Result<(Operation, bool)> {
        let (circuit, member) = self.circuit_in(tx, ctx, id).await?;
        needs(&member, Permission::Pull)?;
        exchanges(&circuit)?;
        let place = circuit_items::find(tx, id, dfid).await?;
        let place = place
            .filter(|place| place.state == "active")
            .ok_or_else(|| AppError::not_found("item"))?;
        let earlier = operations::latest(tx, id, dfid, ctx.workspace(), OperationKind::Pull).await?;
        if let Some(earlier) =
            earlier.filter(|one| matches!(one.state, OperationState::Pending | OperationState::Completed))
        {
            return Ok((earlier, false));
        }
        let mut record = Record::new(self, ctx);
        let waits = circuit.approvals.pull && place.owner_id != ctx.workspace();
        let operation = self.new_pull(ctx, (id, dfid), waits, record.now);
        record.steps.push(operations::insert(&operation));
        let debit = self
            .credits()
            .debit_operation(ctx, CostedOperation::Pull, operation.id)?;
        record.steps.extend(debit);
        if !waits && place.owner_id != ctx.workspace() {
            tenancy::widen(tx, &[ctx.workspace(), place.owner_id]).await?;
            record.steps.extend(grant_of(&operation, &place, record.now));
        }
        self.trace(&mut record, &operation, "item.pulled")?;
        record.outbox("item.pulled", &payload_of(&operation));
        tx.pipeline(record.steps).await?;
        Ok((operation, true))
    }

    fn new_pull(
        &self,
        ctx: &Ctx,
        (circuit_id, dfid): (CircuitId, Dfid),
        waits: bool,
        now: Timestamp,
    ) -> Operation {
        Operation {
            circuit_id,
            id: OperationId::generate(self.ids()),
            workspace_id: ctx.workspace(),
            kind: OperationKind::Pull,
            state: OperationState::initial(waits),
            dfid,
            local_id: None,
            push_status: None,
            content: None,
            requested_by: ctx.user(),
            decided_by: None,
            reason: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The leaf and the activity of an operation. What was not approved is nobody else's to hear of.
    fn trace(&self, record: &mut Record<'_>, operation: &Operation, action: &str) -> Result<()> {
        let target = operation.dfid.to_string();
        record.leaf(LeafKind::CircuitOperation, &target, &payload_of(operation))?;
        let told = operation.kind == OperationKind::Pull || operation.state == OperationState::Completed;
        let circuit = told.then_some(operation.circuit_id);
        record.activity(circuit, action, &target, &json!({"operation": operation.id}));
        Ok(())
    }

    /// The operations of a circuit, oldest first: all of them for those who decide, one's own for the others.
    pub async fn operations(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        state: Option<OperationState>,
        page: &PageRequest,
    ) -> Result<Page<Operation>> {
        let filter = self.visible_operations(ctx, circuit, state).await?;
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let rows = operations::list(&db, circuit, filter, after(page)?, page).await?;
        Ok(Page::cut(rows, page, |operation| Cursor::new("", operation.id)))
    }

    /// Counts them.
    pub async fn count_operations(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        state: Option<OperationState>,
    ) -> Result<u64> {
        let filter = self.visible_operations(ctx, circuit, state).await?;
        let scope = ctx.scope();
        Ok(operations::count(&self.db().scoped(&scope), circuit, filter).await?)
    }

    async fn visible_operations(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        state: Option<OperationState>,
    ) -> Result<OperationFilter> {
        let (_, member) = self.circuit(ctx, circuit).await?;
        Ok(OperationFilter {
            state,
            requested_by: (!decides(&member)).then_some(member.user_id),
        })
    }

    /// One operation, and what a push that waits would bring: who decides must see it.
    pub async fn operation(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        id: OperationId,
    ) -> Result<(Operation, Option<ItemContent>)> {
        let (_, member) = self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let found = operations::find(&self.db().scoped(&scope), circuit, id).await?;
        let operation = seen_by(&member, found)?;
        let content = self.waiting_content(ctx, &operation).await?;
        Ok((operation, content))
    }

    async fn waiting_content(&self, ctx: &Ctx, operation: &Operation) -> Result<Option<ItemContent>> {
        if operation.kind != OperationKind::Push || operation.state != OperationState::Pending {
            return Ok(None);
        }
        if operation.content.is_some() {
            return Ok(operation.content.clone());
        }
        // The item belongs to the workspace that pushed it; pushing it shows it to those who decide, and to no one else.
        let scope = ctx.system_scope();
        let db = self.db().scoped(&scope);
        let item = items::find(&db, operation.workspace_id, operation.dfid).await?;
        Ok(item.map(|item| item.content()).transpose()?)
    }

    /// Approves, rejects or cancels what waits. Each transition happens once, also under concurrency.
    ///
    /// What is approved but cannot be carried out any more is `failed`, and its reason says why.
    pub async fn decide_operation(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        id: OperationId,
        action: Action,
        reason: Option<&str>,
    ) -> Result<Operation> {
        check_words("reason", reason.unwrap_or_default())?;
        let decision = Decision { action, reason };
        let mut attempt = 1;
        loop {
            let tx = self.db().begin(&ctx.scope()).await?;
            let decided = self.decide_in(&tx, ctx, (circuit, id), decision).await;
            match self.finish(decided, tx).await {
                // Another push took an identifier in between: look again what the approval amounts to.
                Err(error) if attempt < ATTEMPTS && lost_race(&error) => attempt += 1,
                other => return other,
            }
        }
    }

    async fn decide_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        (circuit, id): (CircuitId, OperationId),
        decision: Decision<'_>,
    ) -> Result<Operation> {
        let Decision { action, reason } = decision;
        let (circuit, member) = self.circuit_in(tx, ctx, circuit).await?;
        let found = operations::find(tx, circuit.id, id).await?;
        let mut operation = seen_by(&member, found)?;
        may_decide(ctx, &member, &operation, action)?;
        let to = transition(operation.state, action).map_err(refuse)?;
        if to == OperationState::Approved {
            exchanges(&circuit)?;
        }
        let mut record = Record::new(self, ctx);
        let (key, now) = ((circuit.id, id), record.now);
        let first = operations::move_on(key, (operation.state, to), Some(ctx.user()), reason, now);
        if tx.pipeline(vec![first]).await?.first() != Some(&1) {
            return Err(decided_before());
        }
        operation.state = to;
        operation.decided_by = Some(ctx.user());
        operation.updated_at = now;
        operation.reason = reason.map(str::to_owned).or(operation.reason);
        if to == OperationState::Approved {
            self.carry_out(tx, ctx, &mut record, &circuit, &mut operation)
                .await?;
        } else {
            tenancy::widen(tx, &[ctx.workspace(), operation.workspace_id]).await?;
            if operation.kind == OperationKind::Push {
                self.take_push_back(&mut record, &operation);
            }
        }
        if operation.state != OperationState::Completed {
            // Nothing came of it: what it cost goes back to who asked.
            let step = self
                .credits()
                .refund_step(ctx, operation.workspace_id, operation.id);
            record.steps.push(step);
        }
        self.trace_decision(&mut record, &operation, action)?;
        tx.pipeline(record.steps).await?;
        Ok(operation)
    }

    /// Carries an approved operation out: it ends completed or failed.
    async fn carry_out(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        circuit: &Circuit,
        operation: &mut Operation,
    ) -> Result<()> {
        let carried = match operation.kind {
            OperationKind::Push => self.approve_push(tx, ctx, record, circuit, operation).await?,
            OperationKind::Pull => self.approve_pull(tx, ctx, record, operation).await?,
        };
        let (action, reason) = match carried {
            Carried::Done(dfid) => {
                operation.dfid = dfid;
                (Action::Complete, None)
            }
            Carried::Failed(reason) => (Action::Fail, Some(reason)),
        };
        let from = operation.state;
        operation.state = transition(from, action).map_err(refuse)?;
        let (key, moved) = ((operation.circuit_id, operation.id), (from, operation.state));
        let step = operations::move_on(key, moved, None, reason.as_deref(), record.now);
        record.steps.push(step);
        operation.reason = reason.or(operation.reason.take());
        Ok(())
    }

    async fn approve_pull(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        operation: &Operation,
    ) -> Result<Carried> {
        tenancy::widen(tx, &[ctx.workspace(), operation.workspace_id]).await?;
        if let Some(reason) = self.barred(tx, operation, Permission::Pull).await? {
            return Ok(Carried::Failed(reason));
        }
        let place = circuit_items::find(tx, operation.circuit_id, operation.dfid).await?;
        let Some(place) = place.filter(|place| place.state == "active") else {
            return Ok(Carried::Failed(
                "the item has left the circuit meanwhile".to_owned(),
            ));
        };
        let workspaces = [ctx.workspace(), operation.workspace_id, place.owner_id];
        tenancy::widen(tx, &workspaces).await?;
        record.steps.extend(grant_of(operation, &place, record.now));
        Ok(Carried::Done(operation.dfid))
    }

    pub(crate) fn trace_decision(
        &self,
        record: &mut Record<'_>,
        operation: &Operation,
        action: Action,
    ) -> Result<()> {
        self.trace(record, operation, &format!("operation.{}", operation.state))?;
        let details = json!({"operation": operation.id, "action": action, "dfid": operation.dfid});
        let target = operation.circuit_id.to_string();
        record.audit("circuit.operation_decided", &target, &details)?;
        let topic = match (operation.kind, operation.state) {
            (OperationKind::Push, OperationState::Completed) => {
                self.trace_approved_push(record, operation)?;
                "item.approved".to_owned()
            }
            (OperationKind::Push, state) => format!("item.push_{state}"),
            (OperationKind::Pull, state) => format!("item.pull_{state}"),
        };
        // Told to the workspace that asked; what is completed, to the whole circuit.
        record.outbox_of(operation.workspace_id, &topic, &payload_of(operation));
        Ok(())
    }
}

fn payload_of(operation: &Operation) -> serde_json::Value {
    json!({
        "operation": operation.id, "circuit": operation.circuit_id, "dfid": operation.dfid,
        "kind": operation.kind, "state": operation.state,
    })
}

fn refuse(error: TransitionError) -> AppError {
    AppError::new(ErrorCode::InvalidTransition, error.to_string())
}

fn decided_before() -> AppError {
    AppError::new(
        ErrorCode::InvalidTransition,
        "somebody else decided this operation first",
    )
}

fn grant_of(operation: &Operation, place: &CircuitItem, now: Timestamp) -> [db::Step; 2] {
    let o = operation;
    item_grants::insert(
        o.workspace_id,
        o.dfid,
        place.owner_id,
        "pull",
        Some(o.circuit_id),
        o.requested_by,
        now,
    )
}

const fn decides(member: &Member) -> bool {
    member.permissions.contains(Permission::ManageMembers)
}

/// Those who decide see all operations, the others their own.
fn seen_by(member: &Member, found: Option<Operation>) -> Result<Operation> {
    found
        .filter(|one| decides(member) || one.requested_by == member.user_id)
        .ok_or_else(|| AppError::not_found("operation"))
}

fn may_decide(ctx: &Ctx, member: &Member, operation: &Operation, action: Action) -> Result<()> {
    match action.needs() {
        Needs::Permission(permission) => needs(member, permission),
        Needs::BeRequester if operation.requested_by == ctx.user() => Ok(()),
        Needs::BeRequester => Err(AppError::forbidden(
            "only who asked for an operation may cancel it",
        )),
        Needs::Server => Err(AppError::forbidden("this step is the server's own")),
    }
}
