//! What people must decide: identifiers that belong to different items, or none at all. A pending item, and the answer
//! that names it.

use std::collections::BTreeSet;

use domain::{
    dfid::Dfid,
    ids::{CircuitId, PendingItemId, UserId, WorkspaceId},
    item::{ItemContent, PendingReason, PendingState},
    problem::{ErrorCode, Extension, FieldError},
    push::PushStatus,
};
use serde_json::json;
use store::pending_items::{self, PendingItem};

use super::{Job, Outcome, Pushed};
use crate::{App, AppError, Ctx, Record, Result};

/// The push whose identifiers contradict each other.
pub(super) struct Contested<'a> {
    pub(super) circuit: CircuitId,
    pub(super) workspace: WorkspaceId,
    pub(super) by: UserId,
    pub(super) local_id: Option<&'a str>,
    pub(super) content: &'a ItemContent,
}

impl Job<'_> {
    fn contested(&self, ctx: &Ctx) -> Contested<'_> {
        Contested {
            circuit: self.circuit.id,
            workspace: ctx.workspace(),
            by: ctx.user(),
            local_id: self.local_id,
            content: self.content,
        }
    }
}

impl App {
    /// The pending item of this push: the open one of an earlier try, or a new one.
    pub(super) async fn open_pending(
        &self,
        tx: &db::Tx,
        record: &mut Record<'_>,
        reason: PendingReason,
        contested: &Contested<'_>,
        dfids: &BTreeSet<Dfid>,
    ) -> Result<PendingItemId> {
        let c = contested;
        let candidates: Vec<_> = dfids.iter().copied().collect();
        let open = pending_items::open(tx, c.workspace, c.circuit, c.local_id, &candidates).await?;
        if let Some(open) = open {
            return Ok(open);
        }
        let pending = PendingItem {
            id: PendingItemId::generate(self.ids()),
            circuit_id: Some(c.circuit),
            local_id: c.local_id.map(str::to_owned),
            reason,
            priority: reason.priority(),
            content: c.content.clone(),
            candidates,
            state: PendingState::Pending,
            resolution: None,
            created_by: c.by,
            created_at: record.now,
            resolved_at: None,
        };
        record.steps.push(pending_items::insert(c.workspace, &pending));
        // Not in the circuit's list: the items need not lie in it.
        let details = json!({"reason": reason});
        record.activity(None, "item.pending", &pending.id.to_string(), &details);
        Ok(pending.id)
    }

    pub(super) async fn refuse_contested(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        mut record: Record<'_>,
        job: &Job<'_>,
        dfids: BTreeSet<Dfid>,
    ) -> Result<Outcome> {
        let (reason, contested) = (PendingReason::ConflictingIdentifiers, job.contested(ctx));
        let pending = self
            .open_pending(tx, &mut record, reason, &contested, &dfids)
            .await?;
        tx.pipeline(record.steps).await?;
        Ok(Outcome::Conflict { pending, dfids })
    }

    /// Without identifiers nobody could ever find the item again: somebody has to give it some.
    pub(super) async fn refuse_nameless(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        job: &Job<'_>,
        broken: Vec<FieldError>,
    ) -> Result<Outcome> {
        let mut record = Record::new(self, ctx);
        let (reason, contested) = (PendingReason::NoIdentifiers, job.contested(ctx));
        let pending = self
            .open_pending(tx, &mut record, reason, &contested, &BTreeSet::new())
            .await?;
        tx.pipeline(record.steps).await?;
        Ok(Outcome::Nameless { pending, broken })
    }
}

impl Outcome {
    /// What was pushed; a conflict becomes the refusal that names its pending item.
    pub(super) fn done(self) -> Result<Pushed> {
        match self {
            Self::Done(pushed) => Ok(pushed),
            Self::Conflict { pending, dfids } => {
                let message =
                    "the identifiers belong to different items; resolve the pending item that was opened";
                Err(conflict(message, &dfids).with(Extension::PendingItemId, pending.to_string()))
            }
            Self::Nameless { pending, broken } => {
                Err(AppError::invalid(broken).with(Extension::PendingItemId, pending.to_string()))
            }
        }
    }

    /// The same where the unit of work ends with the refusal, and the pending item with it.
    pub(super) fn done_or_undone(self) -> Result<Pushed> {
        match self {
            Self::Done(pushed) => Ok(pushed),
            Self::Conflict { dfids, .. } => {
                let message =
                    "the identifiers belong to different items; push this one alone to have it resolved";
                Err(conflict(message, &dfids))
            }
            Self::Nameless { broken, .. } => Err(AppError::invalid(broken)),
        }
    }
}

fn conflict(message: &str, dfids: &BTreeSet<Dfid>) -> AppError {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    AppError::new(ErrorCode::ConflictDetected, message)
        .with(Extension::PushStatus, PushStatus::ConflictDetected.as_str())
        .with(Extension::Dfids, dfids)
}
