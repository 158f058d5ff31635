//! The state machine of operations, invitations and statuses.

use domain::{
    circuit::{CircuitStatus, InvitationState, JoinRequestState, Permission},
    item::{PendingState, Resolution},
    operation::{Action, Needs, OperationState, transition},
};
use proptest::prelude::*;

/// All transitions there are; everything else must be refused.
const ALLOWED: [(OperationState, Action, OperationState); 5] = [
    (OperationState::Pending, Action::Approve, OperationState::Approved),
    (OperationState::Pending, Action::Reject, OperationState::Rejected),
    (OperationState::Pending, Action::Cancel, OperationState::Cancelled),
    (
        OperationState::Approved,
        Action::Complete,
        OperationState::Completed,
    ),
    (OperationState::Approved, Action::Fail, OperationState::Failed),
];

#[test]
fn exactly_the_allowed_transitions_exist() {
    for from in OperationState::ALL {
        for action in Action::ALL {
            let wanted = ALLOWED
                .iter()
                .find(|(state, act, _)| state == from && act == action)
                .map(|(_, _, to)| *to);
            assert_eq!(transition(*from, *action).ok(), wanted, "{action} from {from}");
        }
    }
}

#[test]
fn a_refused_transition_says_what_and_from_where() {
    let error = transition(OperationState::Completed, Action::Reject).unwrap_err();
    assert_eq!(error.to_string(), "cannot reject an operation that is completed");
}

#[test]
fn a_new_operation_waits_only_if_it_must() {
    assert_eq!(OperationState::initial(true), OperationState::Pending);
    assert_eq!(OperationState::initial(false), OperationState::Completed);
}

#[test]
fn only_the_requester_cancels_and_only_the_server_completes() {
    assert_eq!(Action::Cancel.needs(), Needs::BeRequester);
    assert_eq!(
        Action::Approve.needs(),
        Needs::Permission(Permission::ManageMembers)
    );
    assert_eq!(Action::Complete.needs(), Needs::Server);
}

#[test]
fn what_waited_for_an_answer_changes_once() {
    for next in InvitationState::ALL {
        assert_eq!(
            InvitationState::Pending.may_become(*next),
            *next != InvitationState::Pending
        );
        assert!(!InvitationState::Accepted.may_become(*next));
    }
    for next in JoinRequestState::ALL {
        assert_eq!(
            JoinRequestState::Pending.may_become(*next),
            *next != JoinRequestState::Pending
        );
        assert!(!JoinRequestState::Rejected.may_become(*next));
    }
    for resolution in Resolution::ALL {
        let once = PendingState::Pending.after(*resolution).unwrap();
        assert_ne!(once, PendingState::Pending);
        assert_eq!(once.after(*resolution), None);
    }
}

#[test]
fn an_archived_circuit_stays_archived() {
    for next in CircuitStatus::ALL {
        assert!(!CircuitStatus::Archived.may_become(*next));
    }
    assert!(CircuitStatus::Inactive.may_become(CircuitStatus::Active));
    assert!(CircuitStatus::Active.may_become(CircuitStatus::Archived));
    assert!(!CircuitStatus::Active.may_become(CircuitStatus::Active));
    assert!(CircuitStatus::Active.allows_exchange() && !CircuitStatus::Inactive.allows_exchange());
}

proptest! {
    #![proptest_config(crate::seeded())]

    /// Whatever is tried in whatever order: at most two steps succeed, and what is final stays.
    #[test]
    fn a_life_ends(tries in proptest::collection::vec(0usize..5, 0..30)) {
        let mut state = OperationState::Pending;
        let mut steps = 0;
        for action in tries.into_iter().map(|index| Action::ALL[index]) {
            if let Ok(next) = transition(state, action) {
                prop_assert!(matches!(state, OperationState::Pending | OperationState::Approved));
                prop_assert_ne!(next, state);
                state = next;
                steps += 1;
            }
        }
        prop_assert!(steps <= 2);
    }
}
