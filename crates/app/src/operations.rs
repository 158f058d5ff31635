//! Operations of a circuit: pulling, deciding what waits, what lies in a circuit and what the public sees of it.

use domain::{
    circuit::Permission,
    dfid::Dfid,
    ids::{CircuitId, OperationId},
    item::LocalItemStatus,
    leaf::LeafKind,
    operation::{Action, Needs, OperationKind, OperationState, transition},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
use serde_json::json;
use store::{
    circuit_items::{self, CircuitItem, Operation, PublishedItem},
    circuits::{self, Circuit, Member},
    items, local_items, tenancy,
};

use crate::{
    App, AppError, Ctx, Record, Result,
    circuits::{after, needs},
    push::exchanges,
};

impl App {
    /// Pulls an item: a lasting right to read it, at once or after approval. It stays in the circuit.
    pub async fn pull(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<(Operation, bool)> {
        let tx = self.db().begin(&ctx.scope()).await?;
        match self.pull_in(&tx, ctx, circuit, dfid).await {
            Ok(pulled) => {
                tx.commit().await?;
                self.parts.outbox_wake.notify_one();
                Ok(pulled)
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }

    async fn pull_in(&self, tx: &db::Tx, ctx: &Ctx, id: CircuitId, dfid: Dfid) -> Result<(Operation, bool)> {
        let (circuit, member) = self.circuit_in(tx, ctx, id).await?;
        needs(&member, Permission::Pull)?;
        exchanges(&circuit)?;
        let place = circuit_items::find(tx, id, dfid).await?;
        let place = place.filter(|place| place.state == "active").ok_or_else(|| AppError::not_found("item"))?;
        let earlier = circuit_items::latest(tx, id, dfid, ctx.workspace(), OperationKind::Pull).await?;
        if let Some(earlier) =
            earlier.filter(|one| matches!(one.state, OperationState::Pending | OperationState::Completed))
        {
            return Ok((earlier, false));
        }
        let mut record = Record::new(self, ctx);
        let waits = circuit.approvals.pull && place.owner_id != ctx.workspace();
        let operation = Operation {
            circuit_id: id,
            id: OperationId::generate(self.ids()),
            workspace_id: ctx.workspace(),
            kind: OperationKind::Pull,
            state: OperationState::initial(waits),
            dfid,
            local_id: None,
            requested_by: ctx.user(),
            decided_by: None,
            reason: None,
            created_at: record.now,
            updated_at: record.now,
        };
        record.steps.push(circuit_items::insert_operation(&operation));
        if !waits && place.owner_id != ctx.workspace() {
            tenancy::widen(tx, ctx.workspace(), place.owner_id).await?;
            record.steps.push(grant_of(&operation, &place, record.now));
        }
        self.trace(&mut record, &operation, "item.pulled")?;
        tx.pipeline(record.steps).await?;
        Ok((operation, true))
    }

    fn trace(&self, record: &mut Record<'_>, operation: &Operation, action: &str) -> Result<()> {
        let payload = json!({
            "operation": operation.id, "circuit": operation.circuit_id, "dfid": operation.dfid,
            "kind": operation.kind, "state": operation.state,
        });
        record.leaf(LeafKind::CircuitOperation, &operation.dfid.to_string(), &payload)?;
        let target = operation.dfid.to_string();
        record.activity(Some(operation.circuit_id), action, &target, &json!({"operation": operation.id}));
        record.outbox(action, &payload);
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
        let (_, member) = self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let mut rows = circuit_items::operations(&db, circuit, state, after(page)?, page.rows()).await?;
        let next = Page::cut(rows.clone(), page, |operation| Cursor::new("", operation.id)).next;
        rows.truncate(page.limit as usize);
        rows.retain(|operation| sees(&member, operation));
        Ok(Page { data: rows, next })
    }

    /// One operation.
    pub async fn operation(&self, ctx: &Ctx, circuit: CircuitId, id: OperationId) -> Result<Operation> {
        let (_, member) = self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let found = circuit_items::operation(&self.db().scoped(&scope), circuit, id).await?;
        found.filter(|one| sees(&member, one)).ok_or_else(|| AppError::not_found("operation"))
    }

    /// Approves, rejects or cancels what waits. Each transition happens once, also under concurrency.
    pub async fn decide_operation(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        id: OperationId,
        action: Action,
        reason: Option<&str>,
    ) -> Result<Operation> {
        if reason.is_some_and(|reason| reason.chars().count() > 1_000) {
            return Err(FieldError::new("reason", "too_long", "must have at most 1000 characters").into());
        }
        let tx = self.db().begin(&ctx.scope()).await?;
        match self.decide_in(&tx, ctx, (circuit, id), action, reason).await {
            Ok(operation) => {
                tx.commit().await?;
                self.parts.outbox_wake.notify_one();
                Ok(operation)
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }

    async fn decide_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        (circuit, id): (CircuitId, OperationId),
        action: Action,
        reason: Option<&str>,
    ) -> Result<Operation> {
        let (_, member) = self.circuit_in(tx, ctx, circuit).await?;
        let found = circuit_items::operation(tx, circuit, id).await?;
        let operation =
            found.filter(|one| sees(&member, one)).ok_or_else(|| AppError::not_found("operation"))?;
        may_decide(ctx, &member, &operation, action)?;
        let refuse = |error: domain::operation::TransitionError| {
            AppError::new(ErrorCode::InvalidTransition, error.to_string())
        };
        let to = transition(operation.state, action).map_err(refuse)?;
        let mut record = Record::new(self, ctx);
        let (key, now) = ((circuit, id), record.now);
        let first =
            circuit_items::move_operation(key, (operation.state, to), Some(ctx.user()), reason, now);
        if tx.pipeline(vec![first]).await?.first() != Some(&1) {
            return Err(AppError::new(ErrorCode::InvalidTransition, "somebody else decided this operation first"));
        }
        let mut decided = Operation { state: to, decided_by: Some(ctx.user()), updated_at: now, ..operation };
        decided.reason = reason.map(str::to_owned).or(decided.reason);
        if to == OperationState::Approved {
            decided.state = transition(to, Action::Complete).map_err(refuse)?;
            record.steps.push(circuit_items::move_operation(key, (to, decided.state), None, None, now));
        }
        self.carry_out(tx, ctx, &mut record, &decided).await?;
        self.trace(&mut record, &decided, &format!("operation.{}", decided.state))?;
        let details = json!({"operation": id, "action": action, "dfid": decided.dfid});
        record.audit("circuit.operation_decided", &circuit.to_string(), &details)?;
        tx.pipeline(record.steps).await?;
        Ok(decided)
    }

    async fn carry_out(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        operation: &Operation,
    ) -> Result<()> {
        let (circuit, dfid) = (operation.circuit_id, operation.dfid);
        let completed = operation.state == OperationState::Completed;
        if operation.workspace_id != ctx.workspace() {
            tenancy::widen(tx, ctx.workspace(), operation.workspace_id).await?;
        }
        match operation.kind {
            OperationKind::Push => {
                if completed {
                    record.steps.push(circuit_items::activate(circuit, dfid, operation.id));
                } else {
                    record.steps.extend(circuit_items::take_back(circuit, dfid, operation.id));
                }
                if let Some(local) = &operation.local_id {
                    let (owner, to) = (operation.workspace_id, LocalItemStatus::Tokenized);
                    record.steps.push(local_items::settle(owner, local, dfid, to, Some(dfid), record.now));
                }
            }
            OperationKind::Pull if completed => {
                let place = circuit_items::find(tx, circuit, dfid).await?;
                let place = place.ok_or_else(|| AppError::conflict("the item has left the circuit meanwhile"))?;
                tenancy::widen(tx, ctx.workspace(), place.owner_id).await?;
                record.steps.push(grant_of(operation, &place, record.now));
            }
            OperationKind::Pull => {}
        }
        Ok(())
    }

    /// What lies in a circuit, by DFID.
    pub async fn circuit_items(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        page: &PageRequest,
    ) -> Result<Page<CircuitItem>> {
        self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let rows = circuit_items::list(&self.db().scoped(&scope), circuit, ctx.workspace(), page).await?;
        Ok(Page::cut(rows, page, |item| Cursor::new("", item.dfid)))
    }

    /// Counts it.
    pub async fn count_circuit_items(&self, ctx: &Ctx, circuit: CircuitId) -> Result<u64> {
        self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        Ok(circuit_items::count(&self.db().scoped(&scope), circuit, ctx.workspace()).await?)
    }

    /// Takes an item out of a circuit: one's own, or another's with the permission. What was pulled stays pulled.
    pub async fn remove_from_circuit(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<()> {
        let place = self.place_of(ctx, circuit, dfid).await?;
        let mut record = Record::new(self, ctx);
        record.steps.extend(circuit_items::remove(circuit, place.dfid));
        record.activity(Some(circuit), "item.removed", &dfid.to_string(), &json!({}));
        record.audit("circuit.item_removed", &circuit.to_string(), &json!({"dfid": dfid}))?;
        self.db().run(&ctx.scope(), record.steps).await?;
        Ok(())
    }

    /// Shows an item in the circuit's public view, or hides it.
    pub async fn publish_in_circuit(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid, shown: bool) -> Result<()> {
        self.place_of(ctx, circuit, dfid).await?;
        let mut record = Record::new(self, ctx);
        let action = if shown { "item.published" } else { "item.unpublished" };
        record.steps.push(circuit_items::set_published(circuit, dfid, shown));
        record.activity(Some(circuit), action, &dfid.to_string(), &json!({}));
        record.audit(action, &circuit.to_string(), &json!({"dfid": dfid}))?;
        record.outbox(action, &json!({"circuit": circuit, "dfid": dfid}));
        self.decide(&ctx.scope(), record, "the item waits for approval: it can be published afterwards").await
    }

    async fn place_of(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<CircuitItem> {
        let (_, member) = self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let found = circuit_items::find(&self.db().scoped(&scope), circuit, dfid).await?;
        let visible = |place: &CircuitItem| place.state == "active" || place.workspace_id == ctx.workspace();
        let place = found.filter(visible).ok_or_else(|| AppError::not_found("item"))?;
        if place.owner_id != ctx.workspace() {
            needs(&member, Permission::ManageMembers)?;
        }
        Ok(place)
    }

    /// The public view of a circuit; absent unless it shows itself now. A guarded one wants its password.
    pub async fn public_circuit(
        &self,
        slug: &str,
        password: Option<&str>,
        page: &PageRequest,
    ) -> Result<(Circuit, Page<PublishedItem>)> {
        // The public belongs to no tenant; only published items of a circuit that shows itself are read.
        let scope = db::Scope::system();
        let db = self.db().scoped(&scope);
        let found = circuits::by_slug(&db, slug).await?;
        let shown = |one: &Circuit| one.status.allows_exchange() && one.public.is_shown_at(self.now());
        let circuit = found.filter(shown).ok_or_else(|| AppError::not_found("circuit"))?;
        if let Some(hash) = &circuit.public_password_hash {
            self.check_public_password(password, hash).await?;
        }
        let rows = circuit_items::published(&db, circuit.id, page).await?;
        Ok((circuit, Page::cut(rows, page, |item| Cursor::new("", item.dfid))))
    }

    async fn check_public_password(&self, password: Option<&str>, hash: &str) -> Result<()> {
        let wrong = || AppError::new(ErrorCode::Unauthenticated, "this public view wants its password in `X-Access-Password`");
        let password = password.ok_or_else(wrong)?;
        if self.parts.identity.check_text(password, hash, self.ids()).await? { Ok(()) } else { Err(wrong()) }
    }
}

fn grant_of(operation: &Operation, place: &CircuitItem, now: domain::ids::Timestamp) -> db::Step {
    let o = operation;
    items::grant(o.workspace_id, o.dfid, place.owner_id, "pull", Some(o.circuit_id), o.requested_by, now)
}

/// Those who decide see all operations, the others their own.
fn sees(member: &Member, operation: &Operation) -> bool {
    member.permissions.contains(Permission::ManageMembers) || operation.requested_by == member.user_id
}

fn may_decide(ctx: &Ctx, member: &Member, operation: &Operation, action: Action) -> Result<()> {
    match action.needs() {
        Needs::Permission(permission) => needs(member, permission),
        Needs::BeRequester if operation.requested_by == ctx.user() => Ok(()),
        Needs::BeRequester => Err(AppError::forbidden("only who asked for an operation may cancel it")),
        Needs::Server => Err(AppError::forbidden("this step is the server's own")),
    }
}
