//! The compliance report: how many records of each kind a span holds, and what the figures do not cover.

use domain::{ids::Timestamp, problem::FieldError, tier::Limit};
use store::{
    audit::{self, OutcomeCount},
    incidents,
    records::{self, StateCount},
};

use crate::{App, Ctx, Result};

/// What a span holds.
#[derive(Debug)]
pub struct ComplianceReport {
    /// From when.
    pub from: Timestamp,
    /// Before when.
    pub to: Timestamp,
    /// Entries of the audit trail by action and outcome.
    pub audited: Vec<OutcomeCount>,
    /// Incidents opened, by rule and present state.
    pub incidents: Vec<StateCount>,
    /// Leaves for the transparency log, by kind and state.
    pub leaves: Vec<StateCount>,
    /// Sentences about what the figures leave out.
    pub not_covered: Vec<String>,
}

/// What no report covers.
const NEVER_COVERED: [&str; 3] = [
    "reading is not audited: entries are changes and refused attempts",
    "refused attempts by callers nobody knows are counted in the metrics only",
    "equal refused attempts within seconds are one entry; its `details.attempts` says how many",
];

impl App {
    /// Counts the workspace's records of a span.
    ///
    /// # Errors
    /// Invalid if the span ends before it begins.
    pub async fn compliance_report(
        &self,
        ctx: &Ctx,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<ComplianceReport> {
        if to <= from {
            return Err(FieldError::new("to", "out_of_range", "must be after `from`").into());
        }
        let scope = ctx.scope();
        let (db, workspace) = (self.db().scoped(&scope), ctx.workspace());
        let audited = audit::summary(&db, workspace, from, to).await?;
        let incidents = incidents::summary(&db, workspace, from, to).await?;
        let leaves = records::leaf_summary(&db, workspace, from, to).await?;
        let waiting = leaves.iter().filter(|leaf| leaf.state == "unsequenced");
        let waiting: u64 = waiting.map(|leaf| leaf.count).sum();
        let mut not_covered: Vec<String> = NEVER_COVERED.map(str::to_owned).into();
        if let Some(days) = ctx.caller.tier.allowed(Limit::AuditDays) {
            not_covered.push(format!(
                "entries older than {days} days are removed and their leaves stay; incidents resolved before then are removed too"
            ));
        }
        if waiting > 0 {
            not_covered.push(format!(
                "{waiting} leaves are recorded and not yet in the transparency log"
            ));
        }
        Ok(ComplianceReport {
            from,
            to,
            audited,
            incidents,
            leaves,
            not_covered,
        })
    }
}
