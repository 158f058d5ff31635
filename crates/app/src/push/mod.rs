//! Pushing into a circuit: local items get their global id, known ones are enriched. All or nothing, one transaction.
//!
//! Here: the ways in, and the decision what a push amounts to. `place` carries it out, `approval` what waited for
//! somebody's word; `known` looks up what is there, `content` is what is pushed, `conflict` what people must decide,
//! `trace` what is left behind; `batch` pushes many.

mod approval;
mod batch;
mod conflict;
mod content;
mod known;
pub(crate) mod lane;
mod place;
mod trace;

use std::collections::BTreeSet;

pub(crate) use approval::Carried;
use content::{canonical_keys, combine, fingerprint_of, is_empty};
use domain::{
    circuit::Permission,
    credits::CostedOperation,
    dfid::Dfid,
    identifier::NewIdentifier,
    ids::{CircuitId, OperationId, PendingItemId, WorkspaceId},
    item::{Fingerprint, ItemContent, LocalItemStatus},
    operation::OperationState,
    problem::FieldError,
    push::{PushFacts, PushOutcome, PushStatus, decide},
};
pub use place::MAX_WAITING;
use place::{Target, no_longer_in_use};
use serde_json::Value;
use store::{
    circuit_items::{self, CircuitItem},
    circuit_members::Member,
    circuits::Circuit,
    items::{self, Known},
    local_items::{self, LocalItem},
    operations,
};

use crate::{App, AppError, Ctx, Record, Result, circuits::needs, local_items::check_content};

/// How often a unit of work is tried again when another one took an identifier in between.
pub(crate) const ATTEMPTS: usize = 4;

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

/// What a push in a unit of work came to: done, or stopped by what people must resolve: a conflict, or no identifiers.
enum Outcome {
    Done(Pushed),
    Conflict {
        pending: PendingItemId,
        dfids: BTreeSet<Dfid>,
    },
    Nameless {
        pending: PendingItemId,
        broken: Vec<FieldError>,
    },
}

/// What is known before a push is decided.
struct Facts {
    /// The items that carry its canonical identifiers.
    known: Vec<Known>,
    /// The item the local item stands for.
    mapped: Option<Mapped>,
    /// What the request says beside the local item.
    asked: ItemContent,
}

/// What a push works with once the rules are passed.
struct Job<'a> {
    circuit: &'a Circuit,
    local_id: Option<&'a str>,
    /// The DFID the local item has had so far.
    mapped: Option<Dfid>,
    content: &'a ItemContent,
    keys: Vec<String>,
    fingerprint: Option<Fingerprint>,
}

/// The item a local item stands for, and its place in the circuit if it has one.
struct Mapped {
    dfid: Dfid,
    owner: WorkspaceId,
    place: Option<CircuitItem>,
    /// What it says, if it is the caller's own.
    content: Option<ItemContent>,
}

impl App {
    /// Pushes a local item into a circuit. Repeating the call is harmless.
    pub async fn push_local(&self, ctx: &Ctx, circuit: CircuitId, push: &PushLocal) -> Result<Pushed> {
        let asked = check_content(&push.identifiers, push.enriched_data.clone())?;
        if let Some(done) = self.push_together(ctx, circuit, push, &asked).await? {
            return done;
        }
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
        let work = async {
            let (circuit, member) = self.circuit_in(&tx, ctx, circuit).await?;
            self.push_local_in(&tx, ctx, &circuit, &member, push, asked).await
        };
        // A conflict is committed too: its pending item must be there.
        self.settle(ctx, self.finish(work.await, tx).await).await?.done()
    }

    /// Explains a push that the workspace's credits do not cover.
    async fn settle<T>(&self, ctx: &Ctx, outcome: Result<T>) -> Result<T> {
        match outcome {
            Ok(done) => Ok(done),
            Err(error) => Err(self
                .credits()
                .explain_refusal(ctx, CostedOperation::Push, error)
                .await),
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
        let local = pushable(found)?;
        if local.status == LocalItemStatus::PendingApproval
            && let Some(waiting) =
                operations::waiting_push(tx, circuit.id, ctx.workspace(), &local.local_id).await?
        {
            return self
                .waits_already(tx, ctx, circuit, &waiting, &local, asked)
                .await;
        }
        let mapped = self.mapped(tx, ctx, circuit, &local).await?;
        let place = mapped.as_ref().and_then(|mapped| mapped.place.as_ref());
        if let Some(place) = place.filter(|_| is_empty(asked)) {
            return lies_already(tx, circuit, place, Some(&local.local_id)).await;
        }
        let content = combine(circuit, said(mapped.as_ref(), &local), asked);
        let broken = circuit.rules.check(&content.identifiers);
        if !broken.is_empty() && !content.identifiers.is_empty() {
            return Err(AppError::invalid(broken));
        }
        let job = Job {
            circuit,
            local_id: Some(&local.local_id),
            mapped: local.dfid,
            content: &content,
            keys: canonical_keys(&content.identifiers),
            fingerprint: fingerprint_of(circuit, ctx.workspace(), &content)?,
        };
        if content.identifiers.is_empty() {
            return self.refuse_nameless(tx, ctx, &job, broken).await;
        }
        let facts = Facts {
            known: self.known(tx, ctx, &job).await?,
            mapped,
            asked: combine(circuit, &ItemContent::default(), asked),
        };
        self.decide_push(tx, ctx, facts, &job).await
    }

    async fn decide_push(&self, tx: &db::Tx, ctx: &Ctx, facts: Facts, job: &Job<'_>) -> Result<Outcome> {
        let decision = decide(PushFacts {
            rule_errors: Vec::new(),
            mapping: facts.mapped.as_ref().map(|mapped| mapped.dfid),
            known: facts.known.iter().map(|known| known.dfid).collect(),
            fingerprint: self.same_push(tx, ctx, job).await?,
            approval_needed: job.circuit.approvals.push,
        })?;
        let mut record = Record::new(self, ctx);
        if let PushOutcome::Conflict { dfids } = decision.outcome {
            let dfids = dfids.into_iter().collect();
            return self.refuse_contested(tx, ctx, record, job, dfids).await;
        }
        let target = self
            .target(tx, ctx, &mut record, &decision.outcome, &facts, job)
            .await?;
        self.place(tx, ctx, record, target, job).await
    }

    /// The item the push ends at, made or added to.
    async fn target(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        outcome: &PushOutcome,
        facts: &Facts,
        job: &Job<'_>,
    ) -> Result<Target> {
        let own = ctx.workspace();
        let (dfid, owner, pushed) = match *outcome {
            // A conflict was refused before.
            PushOutcome::New | PushOutcome::Conflict { .. } => {
                let dfid = self.new_dfid();
                self.create(record, ctx, dfid, job);
                (dfid, own, None)
            }
            PushOutcome::SameFingerprint(dfid) => (dfid, own, None),
            PushOutcome::AlreadyMapped(dfid) => {
                let owner = facts.mapped.as_ref().map_or(own, |mapped| mapped.owner);
                // What the local item says was added when it was mapped; said again it would undo later changes.
                let said = if owner == own { &facts.asked } else { job.content };
                (dfid, owner, (!is_empty(&facts.asked)).then_some(said))
            }
            PushOutcome::Enrich(dfid) => {
                let found = facts.known.iter().find(|one| one.dfid == dfid);
                (dfid, found.map_or(own, |one| one.owner_id), Some(job.content))
            }
        };
        let kept = match pushed {
            Some(pushed) => self.add_to(tx, ctx, record, (owner, dfid), job, pushed).await?,
            None => None,
        };
        Ok(Target {
            dfid,
            owner,
            status: outcome.status(),
            kept,
        })
    }

    /// Pushes an item that has a global id already: the caller's own.
    pub async fn push_item(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<Pushed> {
        let tx = self.db().begin(&ctx.scope()).await?;
        let outcome = self.push_item_in(&tx, ctx, circuit, dfid).await;
        self.settle(ctx, self.finish(outcome, tx).await).await?.done()
    }

    async fn push_item_in(&self, tx: &db::Tx, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<Outcome> {
        let (circuit, member) = self.circuit_in(tx, ctx, circuit).await?;
        may_push(&circuit, &member)?;
        let item = items::lock(tx, ctx.workspace(), dfid)
            .await?
            .ok_or_else(|| AppError::not_found("item"))?;
        if !item.status.is_changeable() {
            return Err(no_longer_in_use(&item));
        }
        if let Some(place) = circuit_items::find(tx, circuit.id, dfid).await? {
            return lies_already(tx, &circuit, &place, None).await;
        }
        let content = combine(&circuit, &item.content()?, &ItemContent::default());
        let broken = circuit.rules.check(&content.identifiers);
        if !broken.is_empty() {
            return Err(AppError::invalid(broken));
        }
        let job = Job {
            circuit: &circuit,
            local_id: None,
            mapped: Some(dfid),
            content: &content,
            keys: canonical_keys(&content.identifiers),
            fingerprint: None,
        };
        let record = Record::new(self, ctx);
        let known = self.known(tx, ctx, &job).await?;
        if known.iter().any(|one| one.dfid != dfid) {
            let dfids = known.iter().map(|one| one.dfid).chain([dfid]).collect();
            return self.refuse_contested(tx, ctx, record, &job, dfids).await;
        }
        let target = Target {
            dfid,
            owner: ctx.workspace(),
            status: PushStatus::ExistingItemEnriched,
            kept: None,
        };
        self.place(tx, ctx, record, target, &job).await
    }
}

/// The local item, unless it is gone or was merged into another one.
fn pushable(found: Option<LocalItem>) -> Result<LocalItem> {
    let local = found.ok_or_else(|| AppError::not_found("local item"))?;
    match &local.merged_into {
        None => Ok(local),
        Some(into) => Err(AppError::conflict(format!(
            "this local item was merged into `{into}`: push that one"
        ))),
    }
}

/// What a push says beside its request. What the local item says was said when it was mapped; by now its item may say
/// something else.
fn said<'a>(mapped: Option<&'a Mapped>, local: &'a LocalItem) -> &'a ItemContent {
    let today = mapped.and_then(|mapped| mapped.content.as_ref());
    today.unwrap_or(&local.content)
}

/// What a push comes to whose item has its place in the circuit and that brings nothing new.
async fn lies_already(
    tx: &db::Tx,
    circuit: &Circuit,
    place: &CircuitItem,
    local_id: Option<&str>,
) -> Result<Outcome> {
    let operation = operations::find(tx, circuit.id, place.operation_id).await?;
    let state = operation.map(|one| one.state);
    Ok(Outcome::Done(again(place, state, local_id)))
}

fn again(place: &CircuitItem, state: Option<OperationState>, local_id: Option<&str>) -> Pushed {
    Pushed {
        dfid: place.dfid,
        status: PushStatus::ExistingItemEnriched,
        operation_id: place.operation_id,
        operation_state: state.unwrap_or(OperationState::Completed),
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

/// Whether a push failed only because another one took its identifiers a moment before.
pub(crate) fn lost_race(error: &AppError) -> bool {
    matches!(
        error.source,
        Some(db::DbError::Unique { .. } | db::DbError::Retry { .. })
    )
}
