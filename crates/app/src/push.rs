//! Pushing into a circuit: local items get their global id, known ones are enriched. All or nothing, one transaction.

use std::collections::BTreeSet;

use domain::{
    canonical,
    circuit::{MAX_BATCH, Permission},
    dfid::Dfid,
    event::Visibility,
    identifier::{Identifier, NewIdentifier},
    ids::{CircuitId, EventId, OperationId, PendingItemId, Timestamp, WorkspaceId},
    item::{
        Fingerprint, ItemContent, LocalItemStatus, MergeStrategy, PendingReason, PendingState, fingerprint,
        merge,
    },
    leaf::LeafKind,
    operation::{OperationKind, OperationState},
    problem::{ErrorCode, FieldError},
    push::{PushFacts, PushOutcome, PushStatus, decide},
};
use serde_json::{Value, json};
use store::{
    bind,
    circuit_items::{self, CircuitItem, Operation},
    circuits::{Circuit, Member},
    events::{self, NewEvent},
    items::{self, Known, NewChange, NewItem},
    local_items::{self, LocalItem},
    pending_items::{self, PendingItem},
    tenancy,
};

use crate::{App, AppError, Ctx, Record, Result, circuits::needs, local_items::check_content};

/// How often a push is tried again when another one took an identifier in between.
const ATTEMPTS: usize = 4;

/// What is pushed.
#[derive(Clone, Debug)]
pub struct PushLocal {
    /// The local item.
    pub local_id: String,
    /// Identifiers beside the stored ones.
    pub identifiers: Vec<NewIdentifier>,
    /// Data beside the stored ones; here the request wins.
    pub enriched_data: Option<Value>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The global id.
    pub dfid: Dfid,
    /// New, or known before.
    pub status: PushStatus,
    /// The operation.
    pub operation_id: OperationId,
    /// Where the operation stands.
    pub operation_state: OperationState,
    /// The local item, when it came from one.
    pub local_id: Option<String>,
    /// Whether this very push made something new (201) or repeated an earlier one (200).
    pub created: bool,
}

/// What a push in a unit of work came to: done, or stopped by a conflict that people must resolve.
enum Outcome {
    Done(Pushed),
    Conflict {
        pending: PendingItemId,
        dfids: Vec<Dfid>,
    },
}

impl App {
    /// Pushes a local item into a circuit. Repeating the call is harmless.
    pub async fn push_local(&self, ctx: &Ctx, circuit: CircuitId, push: &PushLocal) -> Result<Pushed> {
        let asked = check_content(&push.identifiers, push.enriched_data.clone())?;
        let mut attempt = 1;
        loop {
            match self.try_push_local(ctx, circuit, push, &asked).await {
                Err(error) if attempt < ATTEMPTS && lost_race(&error) => attempt += 1,
                other => return other,
            }
        }
    }

    async fn try_push_local(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        push: &PushLocal,
        asked: &ItemContent,
    ) -> Result<Pushed> {
        let tx = self.db().begin(&ctx.scope()).await?;
        let outcome = match self.circuit_in(&tx, ctx, circuit).await {
            Ok((circuit, member)) => self.push_local_in(&tx, ctx, &circuit, &member, push, asked).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(outcome) => {
                tx.commit().await?;
                self.parts.outbox_wake.notify_one();
                outcome.done()
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }

    /// Pushes several local items. Each has a transaction of its own, or all share one (`atomic`).
    pub async fn push_batch(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        pushes: &[PushLocal],
        atomic: bool,
    ) -> Result<Vec<Result<Pushed>>> {
        if pushes.is_empty() || pushes.len() > MAX_BATCH {
            let message = format!("must have 1 to {MAX_BATCH} entries");
            return Err(FieldError::new("items", "length", message).into());
        }
        if atomic {
            return self.push_atomic(ctx, circuit, pushes).await;
        }
        self.circuit(ctx, circuit).await?;
        let mut results = Vec::with_capacity(pushes.len());
        for push in pushes {
            results.push(self.push_local(ctx, circuit, push).await);
        }
        Ok(results)
    }

    async fn push_atomic(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        pushes: &[PushLocal],
    ) -> Result<Vec<Result<Pushed>>> {
        let tx = self.db().begin(&ctx.scope()).await?;
        let work = async {
            let (circuit, member) = self.circuit_in(&tx, ctx, id).await?;
            let mut done = Vec::with_capacity(pushes.len());
            for (index, push) in pushes.iter().enumerate() {
                let at = |error: AppError| error.with("item", index);
                let asked = check_content(&push.identifiers, push.enriched_data.clone()).map_err(at)?;
                let outcome = self
                    .push_local_in(&tx, ctx, &circuit, &member, push, &asked)
                    .await
                    .map_err(at)?;
                done.push(Ok(outcome.done().map_err(at)?));
            }
            Ok(done)
        };
        match work.await {
            Ok(done) => {
                tx.commit().await?;
                self.parts.outbox_wake.notify_one();
                Ok(done)
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }

    async fn push_local_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        circuit: &Circuit,
        member: &Member,
        push: &PushLocal,
        asked: &ItemContent,
    ) -> Result<Outcome> {
        may_push(circuit, member)?;
        let found = local_items::lock(tx, ctx.workspace(), &push.local_id).await?;
        let local = found.ok_or_else(|| AppError::not_found("local item"))?;
        if local.status == LocalItemStatus::Merged {
            let into = local.merged_into.unwrap_or_default();
            return Err(AppError::conflict(format!(
                "this local item was merged into `{into}`: push that one"
            )));
        }
        if let Some(dfid) = local.dfid
            && let Some(place) = circuit_items::find(tx, circuit.id, dfid).await?
        {
            return self.repeated(tx, circuit, &place, &local).await;
        }
        let content = combine(circuit, &local.content, asked);
        let broken = circuit.rules.check(&content.identifiers);
        if !broken.is_empty() {
            return Err(AppError::invalid(broken));
        }
        let keys = canonical_keys(&content.identifiers);
        let known = self.known(tx, ctx, circuit, &keys).await?;
        let fingerprint = fingerprint_of(circuit, ctx.workspace(), &content)?;
        let same = match fingerprint {
            Some(print) => items::by_fingerprint(tx, ctx.workspace(), print).await?,
            None => None,
        };
        let decision = decide(PushFacts {
            rule_errors: Vec::new(),
            mapping: local.dfid,
            known: known.iter().map(|known| known.dfid).collect(),
            fingerprint: same,
            approval_needed: circuit.approvals.push,
        })?;
        let job = Job {
            circuit,
            local_id: Some(&local.local_id),
            content: &content,
            keys,
            fingerprint,
        };
        self.carry_out_push(tx, ctx, decision.outcome, &known, &job).await
    }

    async fn carry_out_push(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        outcome: PushOutcome,
        known: &[Known],
        job: &Job<'_>,
    ) -> Result<Outcome> {
        let status = outcome.status();
        let mut record = Record::new(self, ctx);
        let (dfid, owner) = match outcome {
            PushOutcome::Conflict { dfids } => return self.open_conflict(tx, ctx, job, dfids).await,
            PushOutcome::New => {
                let dfid = self.new_dfid();
                self.create(&mut record, ctx, dfid, job);
                (dfid, ctx.workspace())
            }
            PushOutcome::AlreadyMapped(dfid) | PushOutcome::SameFingerprint(dfid) => (dfid, ctx.workspace()),
            PushOutcome::Enrich(dfid) => {
                let found = known.iter().find(|one| one.dfid == dfid);
                let owner = found.map_or(ctx.workspace(), |one| one.owner_id);
                let waits = job.circuit.approvals.push;
                self.enrich_known(tx, ctx, &mut record, (owner, dfid), job.content, waits)
                    .await?;
                (dfid, owner)
            }
        };
        self.place(tx, ctx, record, (dfid, owner), status, job).await
    }

    /// Pushes an item that has a global id already: the caller's own.
    pub async fn push_item(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<Pushed> {
        let tx = self.db().begin(&ctx.scope()).await?;
        match self.push_item_in(&tx, ctx, circuit, dfid).await {
            Ok(outcome) => {
                tx.commit().await?;
                self.parts.outbox_wake.notify_one();
                outcome.done()
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }

    async fn push_item_in(&self, tx: &db::Tx, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<Outcome> {
        let (circuit, member) = self.circuit_in(tx, ctx, circuit).await?;
        may_push(&circuit, &member)?;
        let item = items::lock(tx, ctx.workspace(), dfid)
            .await?
            .ok_or_else(|| AppError::not_found("item"))?;
        if !item.status.is_changeable() {
            return Err(AppError::conflict(format!(
                "the item is {} and cannot be pushed",
                item.status
            )));
        }
        if let Some(place) = circuit_items::find(tx, circuit.id, dfid).await? {
            let operation = circuit_items::operation(tx, circuit.id, place.operation_id).await?;
            return Ok(Outcome::Done(again(&place, operation, None)));
        }
        let content = combine(&circuit, &item.content()?, &ItemContent::default());
        let broken = circuit.rules.check(&content.identifiers);
        if !broken.is_empty() {
            return Err(AppError::invalid(broken));
        }
        let keys = canonical_keys(&content.identifiers);
        let known = circuit_items::known(tx, circuit.id, keys.clone()).await?;
        let job = Job {
            circuit: &circuit,
            local_id: None,
            content: &content,
            keys,
            fingerprint: None,
        };
        if known.iter().any(|one| one.dfid != dfid) {
            let dfids = known.iter().map(|one| one.dfid).chain([dfid]).collect();
            return self.open_conflict(tx, ctx, &job, dfids).await;
        }
        let record = Record::new(self, ctx);
        let (item, status) = ((dfid, ctx.workspace()), PushStatus::ExistingItemEnriched);
        self.place(tx, ctx, record, item, status, &job).await
    }

    async fn repeated(
        &self,
        tx: &db::Tx,
        circuit: &Circuit,
        place: &CircuitItem,
        local: &LocalItem,
    ) -> Result<Outcome> {
        let operation = circuit_items::operation(tx, circuit.id, place.operation_id).await?;
        Ok(Outcome::Done(again(place, operation, Some(&local.local_id))))
    }

    /// What is known within the circuit's reach: in the circuit, and in the caller's own workspace.
    async fn known(&self, tx: &db::Tx, ctx: &Ctx, circuit: &Circuit, keys: &[String]) -> Result<Vec<Known>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = circuit_items::known(tx, circuit.id, keys.to_vec()).await?;
        known.extend(items::by_canonical(tx, ctx.workspace(), keys.to_vec()).await?);
        Ok(known)
    }

    fn new_dfid(&self) -> Dfid {
        let mut random = [0; 10];
        self.ids().fill(&mut random);
        Dfid::new(self.now(), random)
    }

    fn create(&self, record: &mut Record<'_>, ctx: &Ctx, dfid: Dfid, job: &Job<'_>) {
        let new = NewItem {
            dfid,
            workspace: ctx.workspace(),
            content: job.content,
            source: "push-local",
            fingerprint: job.fingerprint,
            by: ctx.user(),
        };
        record.steps.extend(items::insert(&new, record.now));
        record
            .steps
            .push(self.change(record, ctx, (ctx.workspace(), dfid), 1, "created", &json!({})));
    }

    pub(crate) fn change(
        &self,
        record: &Record<'_>,
        ctx: &Ctx,
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
            actor: ctx.user(),
            changes,
        };
        items::insert_change(new, record.now)
    }

    /// Adds what a push knows to an item that exists. The owner's own push may change values, another's only adds.
    async fn enrich_known(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        (owner, dfid): (WorkspaceId, Dfid),
        pushed: &ItemContent,
        approval_needed: bool,
    ) -> Result<()> {
        let own = owner == ctx.workspace();
        if !own {
            tenancy::widen(tx, ctx.workspace(), owner).await?;
        }
        let item = items::lock(tx, owner, dfid)
            .await?
            .ok_or_else(|| AppError::not_found("item"))?;
        let before = item.content()?;
        let strategy = if own {
            MergeStrategy::Overwrite
        } else {
            MergeStrategy::KeepFirst
        };
        let data = merge(&before, pushed, strategy)?.content.data;
        let identifiers = merge(&before, pushed, MergeStrategy::Append)?.content.identifiers;
        let after = ItemContent { identifiers, data };
        if after == before {
            return Ok(());
        }
        if approval_needed && !own {
            // An operation keeps no content that could be added later, and adding it now would pass the approvers by.
            return Err(AppError::conflict(
                "pushes into this circuit wait for approval, and this one would add to another workspace's item at \
                 once: ask the item's owner to add it",
            ));
        }
        let mut sources: Vec<String> = serde_json::from_str(&item.sources.0).unwrap_or_default();
        if !sources.iter().any(|source| source == "push-local") {
            sources.push("push-local".to_owned());
        }
        record
            .steps
            .extend(items::set_content(owner, dfid, &after, &sources, record.now));
        let changes = json!({"by_workspace": ctx.workspace(), "before": before, "after": after});
        record
            .steps
            .push(self.change(record, ctx, (owner, dfid), item.version + 1, "enriched", &changes));
        Ok(())
    }

    /// Places an item in a circuit with all its traces, in one round trip.
    async fn place(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        mut record: Record<'_>,
        (dfid, owner): (Dfid, WorkspaceId),
        status: PushStatus,
        job: &Job<'_>,
    ) -> Result<Outcome> {
        let (circuit, waits) = (job.circuit.id, job.circuit.approvals.push);
        let operation = self.operation_of(ctx, dfid, job, record.now);
        record.steps.push(circuit_items::insert_operation(&operation));
        let inserted = record.steps.len();
        record
            .steps
            .push(circuit_items::insert(circuit, &place_of(&operation, owner)));
        if !job.keys.is_empty() {
            let keys = job.keys.clone();
            record
                .steps
                .push(circuit_items::insert_identifiers(circuit, dfid, owner, keys));
        }
        if let Some(local) = job.local_id {
            let to = if waits {
                LocalItemStatus::PendingApproval
            } else {
                LocalItemStatus::Tokenized
            };
            let step = local_items::set_status(ctx.workspace(), local, to, Some(dfid), None, record.now);
            record.steps.push(step);
        }
        self.trace_push(&mut record, ctx, &operation, status)?;
        let affected = tx.pipeline(std::mem::take(&mut record.steps)).await?;
        let placed = affected.get(inserted) == Some(&1);
        if !placed && waits {
            // Another member had placed the item here already: it was enriched, and nothing waits.
            let moved = (OperationState::Pending, OperationState::Completed);
            let step = circuit_items::move_operation((circuit, operation.id), moved, None, None, record.now);
            let mut steps = vec![step];
            // Nobody will approve it: the local item must not wait for that either.
            steps.extend(job.local_id.map(|local| {
                let to = LocalItemStatus::Tokenized;
                local_items::settle(ctx.workspace(), local, dfid, to, Some(dfid), record.now)
            }));
            tx.pipeline(steps).await?;
        }
        Ok(Outcome::Done(Pushed {
            dfid,
            status,
            operation_id: operation.id,
            operation_state: if placed {
                operation.state
            } else {
                OperationState::Completed
            },
            local_id: operation.local_id,
            created: status == PushStatus::NewItemCreated,
        }))
    }

    fn operation_of(&self, ctx: &Ctx, dfid: Dfid, job: &Job<'_>, now: Timestamp) -> Operation {
        Operation {
            circuit_id: job.circuit.id,
            id: OperationId::generate(self.ids()),
            workspace_id: ctx.workspace(),
            kind: OperationKind::Push,
            state: OperationState::initial(job.circuit.approvals.push),
            dfid,
            local_id: job.local_id.map(str::to_owned),
            requested_by: ctx.user(),
            decided_by: None,
            reason: None,
            created_at: now,
            updated_at: now,
        }
    }

    fn trace_push(
        &self,
        record: &mut Record<'_>,
        ctx: &Ctx,
        operation: &Operation,
        status: PushStatus,
    ) -> Result<()> {
        let dfid = operation.dfid.to_string();
        let payload = json!({
            "operation": operation.id, "circuit": operation.circuit_id, "dfid": dfid,
            "local_id": operation.local_id, "status": status, "state": operation.state,
        });
        let kind = match status {
            PushStatus::NewItemCreated => LeafKind::Tokenization,
            _ => LeafKind::CircuitOperation,
        };
        record.leaf(kind, &dfid, &payload)?;
        let event_id = EventId::generate(self.ids());
        let data = bind::json(&payload);
        let leaf = record.leaf(
            LeafKind::Event,
            &dfid,
            &json!({"id": event_id, "type": "item.pushed", "data": payload}),
        )?;
        record.steps.push(events::insert(
            NewEvent {
                workspace: ctx.workspace(),
                id: event_id,
                event_type: "item.pushed",
                source: "farmgate",
                dfid: Some(operation.dfid),
                circuit: Some(operation.circuit_id),
                visibility: Visibility::Circuit,
                occurred_at: record.now,
                by: ctx.user(),
                user_ref: None,
                project: None,
                data: Some(data),
                sealed: None,
                tags: bind::json(&Vec::<String>::new()),
                client_event_id: None,
                leaf,
            },
            record.now,
        ));
        record.activity(
            Some(operation.circuit_id),
            "item.pushed",
            &dfid,
            &json!({"operation": operation.id}),
        );
        record.outbox("item.pushed", &payload);
        Ok(())
    }

    async fn open_conflict(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        job: &Job<'_>,
        dfids: Vec<Dfid>,
    ) -> Result<Outcome> {
        let local = job.local_id.unwrap_or_default();
        if let Some(pending) = pending_items::open(tx, ctx.workspace(), local, job.circuit.id).await? {
            return Ok(Outcome::Conflict { pending, dfids });
        }
        let mut record = Record::new(self, ctx);
        let reason = PendingReason::ConflictingIdentifiers;
        let dfids: Vec<_> = dfids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let pending = PendingItem {
            id: PendingItemId::generate(self.ids()),
            circuit_id: Some(job.circuit.id),
            local_id: job.local_id.map(str::to_owned),
            reason,
            priority: reason.priority(),
            content: job.content.clone(),
            candidates: dfids.clone(),
            state: PendingState::Pending,
            resolution: None,
            created_by: ctx.user(),
            created_at: record.now,
            resolved_at: None,
        };
        record
            .steps
            .push(pending_items::insert(ctx.workspace(), &pending));
        record.activity(
            Some(job.circuit.id),
            "item.conflict",
            &pending.id.to_string(),
            &json!({"dfids": dfids}),
        );
        tx.pipeline(record.steps).await?;
        Ok(Outcome::Conflict {
            pending: pending.id,
            dfids,
        })
    }
}

/// What a push works with once the rules are passed.
struct Job<'a> {
    circuit: &'a Circuit,
    local_id: Option<&'a str>,
    content: &'a ItemContent,
    keys: Vec<String>,
    fingerprint: Option<Fingerprint>,
}

impl Outcome {
    fn done(self) -> Result<Pushed> {
        match self {
            Self::Done(pushed) => Ok(pushed),
            Self::Conflict { pending, dfids } => {
                let message =
                    "the identifiers belong to different items; resolve the pending item that was opened";
                let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
                Err(AppError::new(ErrorCode::ConflictDetected, message)
                    .with("status", PushStatus::ConflictDetected.as_str())
                    .with("pending_item_id", pending.to_string())
                    .with("dfids", dfids))
            }
        }
    }
}

fn place_of(operation: &Operation, owner: WorkspaceId) -> CircuitItem {
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

fn again(place: &CircuitItem, operation: Option<Operation>, local_id: Option<&str>) -> Pushed {
    Pushed {
        dfid: place.dfid,
        status: PushStatus::ExistingItemEnriched,
        operation_id: place.operation_id,
        operation_state: operation.map_or(OperationState::Completed, |operation| operation.state),
        local_id: local_id.map(str::to_owned),
        created: false,
    }
}

fn may_push(circuit: &Circuit, member: &Member) -> Result<()> {
    needs(member, Permission::Push)?;
    exchanges(circuit)
}

/// Refuses a circuit that is not active.
pub(crate) fn exchanges(circuit: &Circuit) -> Result<()> {
    if circuit.status.allows_exchange() {
        return Ok(());
    }
    Err(AppError::conflict(format!(
        "the circuit is {}: nothing can be pushed or pulled",
        circuit.status
    )))
}

/// The stored content plus the request's: identifiers add up, in data the request wins.
fn combine(circuit: &Circuit, stored: &ItemContent, asked: &ItemContent) -> ItemContent {
    let mut identifiers = stored.identifiers.clone();
    for identifier in &asked.identifiers {
        if !identifiers
            .iter()
            .any(|known| known.canonical_key() == identifier.canonical_key())
        {
            identifiers.push(identifier.clone());
        }
    }
    let mut data = stored.data.clone();
    data.extend(asked.data.clone());
    let identifiers = circuit
        .rules
        .apply_namespace(circuit.default_namespace.as_deref(), identifiers);
    ItemContent { identifiers, data }
}

fn canonical_keys(identifiers: &[Identifier]) -> Vec<String> {
    identifiers
        .iter()
        .filter(|one| one.is_canonical())
        .map(Identifier::canonical_key)
        .collect()
}

fn fingerprint_of(
    circuit: &Circuit,
    workspace: WorkspaceId,
    content: &ItemContent,
) -> Result<Option<Fingerprint>> {
    if !circuit.rules.fingerprinting {
        return Ok(None);
    }
    let print = fingerprint(workspace, &content.identifiers, &content.data).map_err(
        |_: canonical::CanonicalError| {
            AppError::new(ErrorCode::Internal, "internal error; report the request id")
        },
    )?;
    Ok(Some(print))
}

/// Whether a push failed only because another one took its identifiers a moment before.
fn lost_race(error: &AppError) -> bool {
    matches!(
        error.source,
        Some(db::DbError::Unique { .. } | db::DbError::Retry { .. })
    )
}
