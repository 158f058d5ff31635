//! The audit trail, its export, and security incidents.

use axum::{extract::State, response::Response};
use domain::{
    identity::{ApiScope, Role},
    ids::{AuditId, IncidentId, Timestamp, UserId},
    page::PageRequest,
    problem::ErrorCode,
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{
    audit::{AuditFilter, AuditRecord},
    incidents::Incident,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    ApiError, Ctx, Json, List, Listing, Operation, Path, Policy, Query, Routes,
    answer::pieces,
    platform::{Platform, context},
};

const TAG: &str = "audit";
/// Entries read at a time by an export.
const EXPORT_PAGE: u32 = 500;

/// The routes under `/api/audit` and `/api/incidents`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    of_trail().merge(of_incidents())
}

fn read() -> Policy {
    Policy::role(Role::Admin, ApiScope::AuditRead)
}

fn of_trail() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/audit",
            read(),
            Operation::new(TAG, "Lists the audit trail, newest first")
                .query::<Filter>()
                .returns_page::<AuditView>(),
            list,
        )
        .get(
            "/api/audit/export",
            read(),
            Operation::new(TAG, "Streams the audit trail as JSON lines, newest first")
                .query::<Filter>()
                .returns_media(200, "application/x-ndjson"),
            export,
        )
}

fn of_incidents() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/incidents",
            read(),
            Operation::new(TAG, "Lists security incidents, newest first")
                .query::<IncidentFilter>()
                .returns_page::<IncidentView>(),
            incidents,
        )
        .get(
            "/api/incidents/{incident_id}",
            read(),
            Operation::new(TAG, "Reads an incident")
                .returns::<IncidentView>(200)
                .problems(&[ErrorCode::NotFound]),
            incident,
        )
        .post(
            "/api/incidents/{incident_id}/assign",
            Policy::person(Role::Admin),
            Operation::new(TAG, "Gives an incident to a member")
                .body::<AssignBody>()
                .returns::<IncidentView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::InvalidTransition]),
            assign,
        )
        .post(
            "/api/incidents/{incident_id}/resolve",
            Policy::person(Role::Admin),
            Operation::new(TAG, "Resolves an incident, saying what came of it")
                .body::<ResolveBody>()
                .returns::<IncidentView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::InvalidTransition]),
            resolve,
        )
}

#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    /// Who acted.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// What was done or tried.
    action: Option<String>,
    /// To what.
    target: Option<String>,
    /// `done` or `denied`.
    outcome: Option<String>,
    /// From when.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before when.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

impl From<Filter> for AuditFilter {
    fn from(filter: Filter) -> Self {
        Self {
            actor: filter.user_id,
            action: filter.action,
            target: filter.target,
            outcome: filter.outcome,
            from: filter.from,
            to: filter.to,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct IncidentFilter {
    /// `open`, `assigned` or `resolved`.
    state: Option<String>,
    /// The rule that opened it.
    rule: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AuditView {
    #[schema(value_type = String, format = "uuid")]
    id: AuditId,
    #[schema(value_type = Option<String>, format = "uuid")]
    user_id: Option<UserId>,
    action: String,
    target: String,
    outcome: String,
    address: String,
    #[schema(value_type = Object)]
    details: Value,
    /// Its leaf in the transparency log.
    leaf_id: Uuid,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<AuditRecord> for AuditView {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            user_id: record.actor_id,
            action: record.action,
            target: record.target,
            outcome: record.outcome,
            address: record.address,
            details: record.details,
            leaf_id: record.leaf_id,
            created_at: record.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct IncidentView {
    #[schema(value_type = String, format = "uuid")]
    id: IncidentId,
    rule: String,
    severity: String,
    state: String,
    subject: String,
    /// Most attempts seen within one window of the rule.
    occurrences: u64,
    #[schema(value_type = Option<String>, format = "uuid")]
    assigned_to: Option<UserId>,
    resolution: Option<String>,
    #[schema(value_type = String, format = "date-time")]
    opened_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    last_seen_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    resolved_at: Option<Timestamp>,
}

impl From<Incident> for IncidentView {
    fn from(incident: Incident) -> Self {
        Self {
            id: incident.id,
            rule: incident.rule,
            severity: incident.severity,
            state: incident.state,
            subject: incident.subject,
            occurrences: incident.occurrences,
            assigned_to: incident.assigned_to,
            resolution: incident.resolution,
            opened_at: incident.opened_at,
            last_seen_at: incident.last_seen_at,
            resolved_at: incident.resolved_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignBody {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResolveIncident)]
struct ResolveBody {
    #[schema(min_length = 1, max_length = 2000)]
    resolution: String,
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<Filter>,
) -> Result<Listing<AuditView>, ApiError> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let filter = list.filter.clone().into();
    let page = app.audit_records(&context, &filter, &list.page).await?;
    let total = list.total(app.count_audit_records(&context, &filter)).await?;
    Ok(Listing::new(page, list.page.limit, total, AuditView::from))
}

async fn export(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(filter): Query<Filter>,
) -> Result<Response, ApiError> {
    let (context, filter) = (context(&ctx)?, AuditFilter::from(filter));
    let page = |after| PageRequest {
        limit: EXPORT_PAGE,
        after,
        offset: 0,
    };
    let first = platform.app.audit_records(&context, &filter, &page(None)).await?;
    let rest = stream::unfold(first.next, move |after| {
        let (app, context, filter) = (platform.app.clone(), context.clone(), filter.clone());
        async move {
            let page = page(Some(after?));
            Some(match app.audit_records(&context, &filter, &page).await {
                Ok(found) => (Ok(lines(found.data)), found.next),
                Err(error) => (Err(error), None),
            })
        }
    });
    Ok(pieces("application/x-ndjson", lines(first.data), rest))
}

fn lines(records: Vec<AuditRecord>) -> Vec<u8> {
    let mut text = Vec::new();
    for record in records {
        // A view serialises: its fields are plain values.
        let _ = serde_json::to_writer(&mut text, &AuditView::from(record));
        text.push(b'\n');
    }
    text
}

async fn incidents(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<IncidentFilter>,
) -> Result<Listing<IncidentView>, ApiError> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let (state, rule) = (list.filter.state.as_deref(), list.filter.rule.as_deref());
    let page = app.incidents(&context, state, rule, &list.page).await?;
    let total = list.total(app.count_incidents(&context, state, rule)).await?;
    Ok(Listing::new(page, list.page.limit, total, IncidentView::from))
}

async fn incident(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<IncidentId>,
) -> Result<Json<IncidentView>, ApiError> {
    Ok(Json(platform.app.incident(&context(&ctx)?, id).await?.into()))
}

async fn assign(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<IncidentId>,
    Json(body): Json<AssignBody>,
) -> Result<Json<IncidentView>, ApiError> {
    Ok(Json(
        platform
            .app
            .assign_incident(&context(&ctx)?, id, body.user_id)
            .await?
            .into(),
    ))
}

async fn resolve(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<IncidentId>,
    Json(body): Json<ResolveBody>,
) -> Result<Json<IncidentView>, ApiError> {
    Ok(Json(
        platform
            .app
            .resolve_incident(&context(&ctx)?, id, &body.resolution)
            .await?
            .into(),
    ))
}
