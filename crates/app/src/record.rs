//! What every change leaves behind, gathered as steps of the change's own unit of work.
//!
//! A leaf for the transparency log, an activity, an audit record, an outbox row. Nothing here talks to the database:
//! the use case sends all steps together and commits once.

use db::Step;
use domain::{
    canonical,
    ids::{ActivityId, AuditId, CircuitId, OutboxId, Timestamp, UserId, WorkspaceId},
    leaf::{Leaf, LeafKind, Salt},
    problem::{ErrorCode, FieldError},
};
use serde::Serialize;
use store::{
    bind::json,
    records::{self, NewActivity, NewAudit, NewLeaf},
};
use uuid::Uuid;

use crate::{App, AppError, Ctx, Result};

/// Gathers the steps of one unit of work.
pub struct Record<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    /// The moment of the change, the same for all its traces.
    pub now: Timestamp,
    /// The steps so far.
    pub steps: Vec<Step>,
}

impl<'a> Record<'a> {
    /// Begins the record of a change.
    #[must_use]
    pub fn new(app: &'a App, ctx: &'a Ctx) -> Self {
        Self {
            app,
            ctx,
            now: app.now(),
            steps: Vec::new(),
        }
    }

    /// Adds a leaf that commits to `payload`, and returns its id.
    pub fn leaf(&mut self, kind: LeafKind, subject: &str, payload: &impl Serialize) -> Result<Uuid> {
        let (id, step) = self
            .app
            .leaf_step(self.ctx.workspace(), kind, subject, payload, self.now)?;
        self.steps.push(step);
        Ok(id)
    }

    /// Adds what the caller did, for the circuit's and the user's activity lists.
    pub fn activity(
        &mut self,
        circuit: Option<CircuitId>,
        action: &str,
        target: &str,
        details: &impl Serialize,
    ) {
        let new = NewActivity {
            workspace: self.ctx.workspace(),
            id: ActivityId::generate(self.app.ids()),
            circuit,
            actor: self.ctx.user(),
            action,
            target,
            details: json(details),
        };
        self.steps.push(records::insert_activity(new, self.now));
    }

    /// Adds an entry of the audit trail, with its leaf.
    pub fn audit(&mut self, action: &str, target: &str, details: &impl Serialize) -> Result<()> {
        let entry = AuditEntry {
            workspace: self.ctx.workspace(),
            actor: Some(self.ctx.user()),
            action,
            target,
            denied: false,
            address: &self.ctx.address,
        };
        let steps = self.app.audit_steps(&entry, details, self.now)?;
        self.steps.extend(steps);
        Ok(())
    }

    /// Asks the workers to do something after commit.
    pub fn outbox(&mut self, topic: &str, payload: &impl Serialize) {
        self.outbox_of(self.ctx.workspace(), topic, payload);
    }

    /// The same in the name of another workspace, which it concerns.
    pub fn outbox_of(&mut self, workspace: WorkspaceId, topic: &str, payload: &impl Serialize) {
        let id = OutboxId::generate(self.app.ids());
        self.steps.push(records::insert_outbox(
            workspace,
            id,
            topic,
            json(payload),
            self.now,
        ));
    }
}

/// An entry of the audit trail: who did, or tried to do, what.
pub(crate) struct AuditEntry<'a> {
    pub(crate) workspace: WorkspaceId,
    /// Nobody for an attempt of somebody unknown.
    pub(crate) actor: Option<UserId>,
    pub(crate) action: &'a str,
    pub(crate) target: &'a str,
    /// Whether it was refused.
    pub(crate) denied: bool,
    pub(crate) address: &'a str,
}

impl App {
    /// The steps that add an entry of the audit trail and the leaf that commits to it.
    pub(crate) fn audit_steps(
        &self,
        entry: &AuditEntry<'_>,
        details: &impl Serialize,
        now: Timestamp,
    ) -> Result<[Step; 2]> {
        let id = AuditId::generate(self.ids());
        let (actor, action, target) = (entry.actor, entry.action, entry.target);
        let mut payload = serde_json::json!({
            "id": id, "actor": actor, "action": action, "target": target, "details": details,
        });
        let outcome = if entry.denied { "denied" } else { "done" };
        if entry.denied {
            payload["outcome"] = outcome.into();
        }
        let (leaf, step) =
            self.leaf_step(entry.workspace, LeafKind::Audit, &id.to_string(), &payload, now)?;
        let new = NewAudit {
            workspace: entry.workspace,
            id,
            actor,
            action,
            target,
            outcome,
            address: entry.address,
            details: json(details),
            leaf,
        };
        Ok([step, records::insert_audit(new, now)])
    }

    /// The step that adds a leaf of this workspace, and the leaf's id.
    pub(crate) fn leaf_step(
        &self,
        workspace: WorkspaceId,
        kind: LeafKind,
        subject: &str,
        payload: &impl Serialize,
        now: Timestamp,
    ) -> Result<(Uuid, Step)> {
        let mut salt: Salt = [0; 32];
        self.ids().fill(&mut salt);
        let internal = |_| AppError::new(ErrorCode::Internal, "internal error; report the request id");
        let bytes = canonical::to_bytes(payload).map_err(internal)?;
        let leaf = Leaf::new(kind, subject, &bytes, &salt, now);
        let id = self.ids().uuid();
        let canonical = leaf.canonical_bytes().map_err(internal)?;
        let new = NewLeaf {
            workspace,
            id,
            kind,
            canonical,
            hash: leaf.hash.0,
            salt,
        };
        Ok((id, records::insert_leaf(new, now)))
    }
}

/// Most characters of what somebody says about a change.
const MAX_WORDS: usize = 1_000;

/// Refuses a reason or a note that is too long for the record.
pub(crate) fn check_words(field: &str, words: &str) -> Result<()> {
    if words.chars().count() > MAX_WORDS {
        let message = format!("must have at most {MAX_WORDS} characters");
        return Err(FieldError::new(field, "too_long", message).into());
    }
    Ok(())
}
