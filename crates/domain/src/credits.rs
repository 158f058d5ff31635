//! Credits: the cost table and movements in double entry. A balance is the sum of a workspace's entries, nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ids::WorkspaceId, problem::FieldError, tier::Tier, words::words};

/// Largest amount of one movement, in credits; keeps every sum far from overflow.
pub const MAX_AMOUNT: u64 = 1_000_000_000_000;

words! {
    /// An operation that may cost credits.
    CostedOperation, "costed operation" {
        /// Making a local item.
        ItemCreate = "item_create",
        /// Pushing an item into a circuit.
        Push = "push",
        /// Pulling an item from a circuit.
        Pull = "pull",
        /// Recording an event, of a local item or not.
        EventCreate = "event_create",
        /// Keeping an evidence bundle with an adapter.
        AdapterUpload = "adapter_upload",
        /// A receipt for bytes of the caller's own.
        Receipt = "receipt",
        /// Verifying and keeping a proof.
        Proof = "proof",
        /// An export of events, as a job or streamed.
        Export = "export",
    }
}

/// What an operation costs in each tier, in credits. What is not listed costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CostTable(BTreeMap<CostedOperation, BTreeMap<Tier, u64>>);

impl CostTable {
    /// The cost of one operation in a tier.
    #[must_use]
    pub fn cost(&self, operation: CostedOperation, tier: Tier) -> u64 {
        self.0
            .get(&operation)
            .and_then(|tiers| tiers.get(&tier))
            .copied()
            .unwrap_or(0)
    }

    /// Sets a cost. What costs nothing has no entry, so that tables that mean the same are the same.
    pub fn set(&mut self, operation: CostedOperation, tier: Tier, credits: u64) {
        if credits > 0 {
            self.0.entry(operation).or_default().insert(tier, credits);
        } else if let Some(tiers) = self.0.get_mut(&operation) {
            tiers.remove(&tier);
        }
    }

    /// Names each cost above the largest amount of a movement.
    #[must_use]
    pub fn validate(&self, field: &str) -> Vec<FieldError> {
        let cells = self
            .0
            .iter()
            .flat_map(|(operation, tiers)| tiers.iter().map(move |(tier, cost)| (operation, tier, *cost)));
        cells
            .filter(|(_, _, cost)| *cost > MAX_AMOUNT)
            .map(|(operation, tier, _)| {
                FieldError::new(
                    format!("{field}.{operation}.{tier}"),
                    "out_of_range",
                    format!("must be at most {MAX_AMOUNT}"),
                )
            })
            .collect()
    }
}

words! {
    /// Why credits move.
    MovementKind, "movement kind" {
        /// An administrator gives credits.
        Grant = "grant",
        /// An operation is paid for.
        Debit = "debit",
        /// An operation failed and its price goes back.
        Refund = "refund",
        /// An administrator takes credits back.
        Revoke = "revoke",
    }
}

/// Who gains or loses credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// A workspace.
    Workspace(WorkspaceId),
    /// Where granted credits come from; its balance is minus all credits in the world.
    Issued,
    /// Where spent credits go.
    Spent,
}

/// One side of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose account.
    pub account: Account,
    /// Credits gained (positive) or lost (negative).
    pub amount: i64,
}

/// A movement between a workspace and the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Why.
    pub kind: MovementKind,
    /// The workspace that gains or loses.
    pub workspace: WorkspaceId,
    amount: u64,
}

impl Movement {
    /// A movement of `amount` credits.
    ///
    /// # Errors
    /// If the amount is zero or above [`MAX_AMOUNT`].
    pub fn new(kind: MovementKind, workspace: WorkspaceId, amount: u64) -> Result<Self, FieldError> {
        if amount == 0 || amount > MAX_AMOUNT {
            return Err(FieldError::new(
                "amount",
                "out_of_range",
                format!("must be 1 to {MAX_AMOUNT} credits"),
            ));
        }
        Ok(Self {
            kind,
            workspace,
            amount,
        })
    }

    /// Credits moved, always positive.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }

    /// Both sides of the movement; they sum to zero.
    #[must_use]
    pub const fn entries(&self) -> [Entry; 2] {
        let amount = self.amount.cast_signed();
        let (gained, other) = match self.kind {
            MovementKind::Grant => (amount, Account::Issued),
            MovementKind::Revoke => (-amount, Account::Issued),
            MovementKind::Debit => (-amount, Account::Spent),
            MovementKind::Refund => (amount, Account::Spent),
        };
        [
            Entry {
                account: Account::Workspace(self.workspace),
                amount: gained,
            },
            Entry {
                account: other,
                amount: -gained,
            },
        ]
    }
}

/// The balance of an account: the sum of its entries.
pub fn balance<'a>(account: Account, entries: impl IntoIterator<Item = &'a Entry>) -> i128 {
    entries
        .into_iter()
        .filter(|entry| entry.account == account)
        .map(|entry| i128::from(entry.amount))
        .sum()
}
