//! The compliance report of a workspace: what its records count up to, and what they leave out.

use std::time::Duration;

use app::audit::ComplianceReport;
use axum::extract::State;
use domain::{
    identity::{ApiScope, Role},
    ids::Timestamp,
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use store::{audit::OutcomeCount, records::StateCount};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Ctx, Json, Operation, Policy, Query, Routes,
    platform::{Platform, context},
};

/// The span of a report that names none.
const DEFAULT_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// The route `/api/audit/report`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new().get(
        "/api/audit/report",
        Policy::role(Role::Admin, ApiScope::AuditRead),
        Operation::new(
            "audit",
            "Counts the workspace's records of a span, and says what the figures leave out",
        )
        .query::<Span>()
        .returns::<ReportView>(200)
        .problems(&[ErrorCode::ValidationFailed]),
        report,
    )
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct Span {
    /// From when; thirty days before the end when absent.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before when; now when absent.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct ReportView {
    #[schema(value_type = String, format = "date-time")]
    from: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    to: Timestamp,
    /// Entries of the audit trail.
    audited: Vec<ActionView>,
    /// Incidents opened in the span, by their rule and present state.
    incidents: Vec<StateView>,
    /// Leaves for the transparency log.
    leaves: Vec<StateView>,
    /// What the figures leave out.
    not_covered: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct ActionView {
    action: String,
    /// `done` or `denied`.
    outcome: String,
    count: u64,
}

#[derive(Serialize, ToSchema)]
struct StateView {
    /// The rule of the incidents, or the kind of the leaves.
    what: String,
    state: String,
    count: u64,
}

impl From<OutcomeCount> for ActionView {
    fn from(count: OutcomeCount) -> Self {
        Self {
            action: count.action,
            outcome: count.outcome,
            count: count.count,
        }
    }
}

impl From<StateCount> for StateView {
    fn from(count: StateCount) -> Self {
        Self {
            what: count.what,
            state: count.state,
            count: count.count,
        }
    }
}

impl From<ComplianceReport> for ReportView {
    fn from(report: ComplianceReport) -> Self {
        Self {
            from: report.from,
            to: report.to,
            audited: report.audited.into_iter().map(Into::into).collect(),
            incidents: report.incidents.into_iter().map(Into::into).collect(),
            leaves: report.leaves.into_iter().map(Into::into).collect(),
            not_covered: report.not_covered,
        }
    }
}

async fn report(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(span): Query<Span>,
) -> Result<Json<ReportView>, ApiError> {
    let to = span.to.unwrap_or(ctx.received_at);
    let from = span.from.unwrap_or_else(|| to.minus(DEFAULT_SPAN));
    let report = platform.app.compliance_report(&context(&ctx)?, from, to).await?;
    Ok(Json(report.into()))
}
