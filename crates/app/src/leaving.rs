//! What ends with a seat in a circuit: open invitations, and what waits for approval in the name of who held it. Who may
//! take a member out is decided by `circuit_members` and by the workspace's `identity::members`.

use domain::{
    ids::{CircuitId, UserId, WorkspaceId},
    operation::{Action, OperationKind, OperationState},
};
use serde_json::json;
use store::{
    circuit_entry, circuit_members,
    operations::{self, Operation},
};

use crate::{App, Ctx, Record, Result};

/// Most operations that one leaving withdraws in its unit of work, so that nobody becomes too busy to be taken out. What
/// waits beyond them fails when it is decided.
const MOST_WITHDRAWN: u32 = 500;

impl App {
    /// Ends a seat, as far as it is not the owner's, and what waits in its name.
    ///
    /// The unit of work must reach the member's workspace.
    pub(crate) async fn end_seat(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        circuit: CircuitId,
        (user, workspace): (UserId, WorkspaceId),
    ) -> Result<()> {
        let member = (user, workspace);
        let waiting = operations::waiting_of_member(tx, circuit, member, MOST_WITHDRAWN).await?;
        self.withdraw(tx, ctx, record, waiting).await?;
        told(record, circuit, user)?;
        // The seat comes last: without it the workspace may have no part in the circuit, and reach nothing there.
        record
            .steps
            .extend(circuit_entry::end_open(circuit, user, record.now));
        record
            .steps
            .extend(circuit_members::delete(circuit, user, workspace));
        Ok(())
    }

    /// Ends the seats that a member of the caller's workspace holds for it, but for those of owned circuits, and what
    /// waits in the member's name in all of them.
    ///
    /// The unit of work must reach every circuit: other members of the workspace need not belong to them.
    pub(crate) async fn end_seats(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        user: UserId,
    ) -> Result<()> {
        let workspace = ctx.workspace();
        let waiting = operations::waiting_for(tx, workspace, user, MOST_WITHDRAWN).await?;
        self.withdraw(tx, ctx, record, waiting).await?;
        for circuit in circuit_members::held_for(tx, workspace, user).await? {
            told(record, circuit, user)?;
            record
                .steps
                .extend(circuit_members::delete(circuit, user, workspace));
        }
        let open = circuit_entry::end_open_for(workspace, user, record.now);
        record.steps.extend(open);
        Ok(())
    }

    /// Cancels what waits: pushes are taken back, and what they cost. Whatever was decided first stays as it was decided.
    async fn withdraw(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        record: &mut Record<'_>,
        waiting: Vec<Operation>,
    ) -> Result<()> {
        if waiting.is_empty() {
            return Ok(());
        }
        let moved = (OperationState::Pending, OperationState::Cancelled);
        let (by, reason) = (Some(ctx.user()), "who asked has left");
        let steps = waiting
            .iter()
            .map(|one| operations::move_on((one.circuit_id, one.id), moved, by, Some(reason), record.now));
        let counts = tx.pipeline(steps.collect()).await?;
        for (operation, count) in waiting.into_iter().zip(counts) {
            if count != 1 {
                continue;
            }
            let operation = Operation {
                state: moved.1,
                ..operation
            };
            if operation.kind == OperationKind::Push {
                self.take_push_back(record, &operation);
            }
            let (workspace, id) = (operation.workspace_id, operation.id);
            record.steps.push(self.credits().refund_step(ctx, workspace, id));
            self.trace_decision(record, &operation, Action::Cancel)?;
        }
        Ok(())
    }
}

/// The traces of a seat's end.
fn told(record: &mut Record<'_>, circuit: CircuitId, user: UserId) -> Result<()> {
    let details = json!({"user": user});
    record.activity(Some(circuit), "member.removed", &user.to_string(), &details);
    record.audit("circuit.member_removed", &circuit.to_string(), &details)?;
    record.outbox(
        "circuit.member_removed",
        &json!({"circuit_id": circuit, "user_id": user}),
    );
    Ok(())
}
