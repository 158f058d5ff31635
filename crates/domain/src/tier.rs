//! Tiers and their limits: one table, from which checks and documentation come.

use serde::Serialize;

use crate::words::words;

words! {
    /// What a workspace has subscribed to.
    Tier, "tier" {
        /// Small farms and trials.
        Basic = "basic",
        /// Regular business.
        Professional = "professional",
        /// Large organisations.
        Enterprise = "enterprise",
        /// The people who run the platform.
        Admin = "admin",
    }
}

words! {
    /// What a tier limits.
    Limit, "limit" {
        /// Items made per calendar month (UTC).
        ItemsPerMonth = "items_per_month",
        /// Circuits owned.
        Circuits = "circuits",
        /// Members of the workspace.
        Members = "members",
        /// Storage locations (adapters) configured.
        StorageLocations = "storage_locations",
        /// API calls per hour.
        ApiCallsPerHour = "api_calls_per_hour",
        /// Days that audit records are kept for reading.
        AuditDays = "audit_days",
    }
}

impl Tier {
    /// How much the tier allows; `None` means without limit.
    #[must_use]
    pub const fn allowed(self, limit: Limit) -> Option<u64> {
        let row: [Option<u64>; 6] = match self {
            Self::Basic => [Some(1_000), Some(5), Some(3), Some(1), Some(100), Some(30)],
            Self::Professional => [Some(10_000), Some(25), Some(10), Some(3), Some(1_000), Some(90)],
            Self::Enterprise => [None, None, None, None, Some(10_000), Some(365)],
            Self::Admin => [None; 6],
        };
        row[limit as usize]
    }

    /// Compares a use with the tier's limit.
    #[must_use]
    pub const fn check(self, limit: Limit, used: u64) -> LimitCheck {
        LimitCheck {
            limit,
            used,
            allowed: self.allowed(limit),
        }
    }
}

/// A limit, how much of it is used, and how much is allowed: what an answer over a limit carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitCheck {
    /// Which limit.
    pub limit: Limit,
    /// How much is used before the request.
    pub used: u64,
    /// How much is allowed; `None` means without limit.
    pub allowed: Option<u64>,
}
