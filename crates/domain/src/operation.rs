//! The life of a circuit operation: `pending -> approved -> completed | failed`, `pending -> rejected | cancelled`.
//!
//! That each transition happens once under concurrency is the store's work (a conditional update); who may act is decided
//! by [`Action::needs`].

use crate::{circuit::Permission, words::words};

words! {
    /// What an operation does.
    OperationKind, "operation kind" {
        /// An item goes into the circuit.
        Push = "push",
        /// A member receives a lasting read right to an item.
        Pull = "pull",
    }
}

words! {
    /// Where an operation stands.
    OperationState, "operation state" {
        /// Waits for somebody's approval; visible to the circuit's approvers and its requester only.
        Pending = "pending",
        /// Approved, its effects not yet carried out.
        Approved = "approved",
        /// Its effects are there.
        Completed = "completed",
        /// Approved, but carrying it out failed.
        Failed = "failed",
        /// Refused by an approver.
        Rejected = "rejected",
        /// Withdrawn by its requester, or because the requester left.
        Cancelled = "cancelled",
    }
}

words! {
    /// What can be done to an operation.
    Action, "operation action" {
        /// An approver agrees.
        Approve = "approve",
        /// An approver refuses.
        Reject = "reject",
        /// The requester withdraws.
        Cancel = "cancel",
        /// The effects were carried out.
        Complete = "complete",
        /// The effects could not be carried out.
        Fail = "fail",
    }
}

/// An action that the present state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} an operation that is {from}")]
pub struct TransitionError {
    /// The state the operation is in.
    pub from: OperationState,
    /// What was tried.
    pub action: Action,
}

/// The state after `action`.
///
/// # Errors
/// If `from` does not allow the action; final states allow none.
pub const fn transition(from: OperationState, action: Action) -> Result<OperationState, TransitionError> {
    match (from, action) {
        (OperationState::Pending, Action::Approve) => Ok(OperationState::Approved),
        (OperationState::Pending, Action::Reject) => Ok(OperationState::Rejected),
        (OperationState::Pending, Action::Cancel) => Ok(OperationState::Cancelled),
        (OperationState::Approved, Action::Complete) => Ok(OperationState::Completed),
        (OperationState::Approved, Action::Fail) => Ok(OperationState::Failed),
        _ => Err(TransitionError { from, action }),
    }
}

impl OperationState {
    /// Where a new operation starts: waiting, or already done within the transaction that asked for it.
    #[must_use]
    pub const fn initial(approval_needed: bool) -> Self {
        if approval_needed {
            Self::Pending
        } else {
            Self::Completed
        }
    }
}

/// What somebody needs to take an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// This permission in the circuit.
    Permission(Permission),
    /// To have asked for the operation.
    BeRequester,
    /// Only the server itself acts.
    Server,
}

impl Action {
    /// What somebody needs to take this action: approving and rejecting decide about others' work, so it takes `manage_members`.
    #[must_use]
    pub const fn needs(self) -> Needs {
        match self {
            Self::Approve | Self::Reject => Needs::Permission(Permission::ManageMembers),
            Self::Cancel => Needs::BeRequester,
            Self::Complete | Self::Fail => Needs::Server,
        }
    }
}
