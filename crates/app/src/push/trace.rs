//! What a push leaves behind: leaf, event, activity, outbox row. What waits for approval is told to nobody else.

use domain::{
    event::Visibility,
    ids::{EventId, UserId, WorkspaceId},
    leaf::LeafKind,
    operation::OperationState,
    push::PushStatus,
};
use serde_json::{Value, json};
use store::{
    bind,
    events::{self, NewEvent},
    operations::Operation,
};

use crate::{App, Record, Result};

impl App {
    /// Records a push that was asked for, done or waiting.
    pub(super) fn trace_push(
        &self,
        record: &mut Record<'_>,
        operation: &Operation,
        status: PushStatus,
    ) -> Result<()> {
        let payload = payload(operation, status);
        let dfid = operation.dfid.to_string();
        let kind = match status {
            PushStatus::NewItemCreated => LeafKind::Tokenization,
            _ => LeafKind::CircuitOperation,
        };
        record.leaf(kind, &dfid, &payload)?;
        let waits = operation.state == OperationState::Pending;
        let (event_type, visibility) = if waits {
            // Addressed to nobody: the workspace that asked sees it, the circuit does not.
            ("item.push_requested", Visibility::Direct)
        } else {
            ("item.pushed", Visibility::Circuit)
        };
        self.push_event(record, operation, (event_type, visibility), &payload)?;
        let circuit = (!waits).then_some(operation.circuit_id);
        let details = json!({"operation": operation.id});
        record.activity(circuit, event_type, &dfid, &details);
        record.outbox(event_type, &payload);
        Ok(())
    }

    /// Records that a push which waited is done: from now on the circuit may see it.
    pub(crate) fn trace_approved_push(&self, record: &mut Record<'_>, operation: &Operation) -> Result<()> {
        let status = operation.push_status.unwrap_or(PushStatus::ExistingItemEnriched);
        let payload = payload(operation, status);
        let event = ("item.pushed", Visibility::Circuit);
        self.push_event(record, operation, event, &payload)
    }

    fn push_event(
        &self,
        record: &mut Record<'_>,
        operation: &Operation,
        (event_type, visibility): (&str, Visibility),
        payload: &Value,
    ) -> Result<()> {
        let id = EventId::generate(self.ids());
        let (workspace, by): (WorkspaceId, UserId) = (operation.workspace_id, operation.requested_by);
        let committed = json!({"id": id, "type": event_type, "data": payload});
        let subject = operation.dfid.to_string();
        let (leaf, step) = self.leaf_step(workspace, LeafKind::Event, &subject, &committed, record.now)?;
        record.steps.push(step);
        let new = NewEvent {
            workspace,
            id,
            event_type,
            source: "farmgate",
            dfid: Some(operation.dfid),
            circuit: Some(operation.circuit_id),
            visibility,
            occurred_at: record.now,
            by,
            user_ref: None,
            project: None,
            data: Some(bind::json(payload)),
            sealed: None,
            tags: bind::json(&Vec::<String>::new()),
            client_event_id: None,
            leaf,
        };
        record.steps.push(events::insert(new, record.now));
        Ok(())
    }
}

fn payload(operation: &Operation, status: PushStatus) -> Value {
    json!({
        "operation": operation.id, "circuit": operation.circuit_id, "dfid": operation.dfid,
        "local_id": operation.local_id, "status": status, "state": operation.state,
    })
}
