//! Tiers, limits, and credits in double entry.

use domain::{
    credits::{Account, CostTable, CostedOperation, Entry, MAX_AMOUNT, Movement, MovementKind, balance},
    ids::WorkspaceId,
    tier::{Limit, Tier},
};
use proptest::prelude::*;

fn workspace(number: u8) -> WorkspaceId {
    uuid::Uuid::from_u128(u128::from(number)).into()
}

#[test]
fn the_table_is_the_specifications() {
    let row = |tier: Tier| {
        Limit::ALL
            .iter()
            .map(|limit| tier.allowed(*limit))
            .collect::<Vec<_>>()
    };
    assert_eq!(row(Tier::Basic), [1_000, 5, 3, 1, 100, 30].map(Some));
    assert_eq!(row(Tier::Professional), [10_000, 25, 10, 3, 1_000, 90].map(Some));
    assert_eq!(
        row(Tier::Enterprise),
        [None, None, None, None, Some(10_000), Some(365)]
    );
    assert_eq!(row(Tier::Admin), [None; 6]);
}

#[test]
fn a_check_carries_limit_used_and_allowed() {
    let check = Tier::Basic.check(Limit::Circuits, 4);
    let json = serde_json::to_value(check).unwrap();
    assert_eq!(
        json,
        serde_json::json!({ "limit": "circuits", "used": 4, "allowed": 5 })
    );
    assert_eq!(Tier::Admin.check(Limit::Circuits, u64::MAX).allowed, None);
}

#[test]
fn what_is_not_in_the_cost_table_is_free() {
    let table: CostTable = serde_json::from_str(r#"{ "push": { "basic": 5 } }"#).unwrap();
    assert_eq!(table.cost(CostedOperation::Push, Tier::Basic), 5);
    assert_eq!(table.cost(CostedOperation::Push, Tier::Enterprise), 0);
    assert_eq!(table.cost(CostedOperation::Pull, Tier::Basic), 0);
    assert!(serde_json::from_str::<CostTable>(r#"{ "fly": {} }"#).is_err());
    let mut dear = table;
    dear.set(CostedOperation::Export, Tier::Basic, MAX_AMOUNT + 1);
    assert_eq!(
        dear.validate("credits.costs")[0].field,
        "credits.costs.export.basic"
    );
}

#[test]
fn an_amount_is_positive_and_bounded() {
    let make = |amount| Movement::new(MovementKind::Grant, workspace(1), amount);
    assert_eq!(make(0).unwrap_err().code, "out_of_range");
    assert_eq!(make(MAX_AMOUNT + 1).unwrap_err().code, "out_of_range");
    assert_eq!(make(MAX_AMOUNT).unwrap().amount(), MAX_AMOUNT);
}

#[test]
fn granting_adds_paying_takes_and_a_refund_gives_back() {
    let entries: Vec<_> = [
        (MovementKind::Grant, 100),
        (MovementKind::Debit, 30),
        (MovementKind::Refund, 30),
        (MovementKind::Revoke, 10),
    ]
    .into_iter()
    .flat_map(|(kind, amount)| Movement::new(kind, workspace(1), amount).unwrap().entries())
    .collect();
    assert_eq!(balance(Account::Workspace(workspace(1)), &entries), 90);
    assert_eq!(balance(Account::Issued, &entries), -90);
    assert_eq!(balance(Account::Spent, &entries), 0);
}

proptest! {
    #![proptest_config(crate::seeded())]

    /// However credits move, nothing is made and nothing lost; and a debit with its refund changes no balance.
    #[test]
    fn the_ledger_sums_to_zero(moves in proptest::collection::vec((0usize..4, 0u8..3, 1u64..=MAX_AMOUNT), 0..50)) {
        let entries: Vec<Entry> = moves
            .iter()
            .flat_map(|(kind, owner, amount)| Movement::new(MovementKind::ALL[*kind], workspace(*owner), *amount).unwrap().entries())
            .collect();
        let sum: i128 = entries.iter().map(|entry| i128::from(entry.amount)).sum();
        prop_assert_eq!(sum, 0);
        let held: i128 = (0..3).map(|owner| balance(Account::Workspace(workspace(owner)), &entries)).sum();
        prop_assert_eq!(held + balance(Account::Issued, &entries) + balance(Account::Spent, &entries), 0);
        for (_, owner, amount) in &moves {
            let pair = [MovementKind::Debit, MovementKind::Refund].map(|kind| Movement::new(kind, workspace(*owner), *amount).unwrap().entries());
            prop_assert_eq!(balance(Account::Workspace(workspace(*owner)), &pair.concat()), 0);
        }
    }
}
