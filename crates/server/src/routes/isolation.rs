//! The view of the evidence that requests are islands, for the people who run the platform.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::extract::State;
use domain::{
    identity::ApiScope,
    ids::{Timestamp, UserId, WorkspaceId},
    problem::FieldError,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Json, Operation, Policy, Query, RequestContext, Routes,
    isolation::{OpenRequest, Record},
    platform::Platform,
};

/// Entries of each list when the caller names no limit.
const DEFAULT_LIMIT: usize = 20;
/// Most entries of each list.
const MOST: usize = 512;

/// The route `/api/admin/isolation`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new().get(
        "/api/admin/isolation",
        Policy::platform_admin(Some(ApiScope::AdminRead)),
        Operation::new("admin", "Shows the evidence that requests are kept apart")
            .description(
                "Of this process, since its start: requests that are open, contexts that somebody holds after their \
                 request, what was denied, what the outgoing guard withheld, what is in use, and the last records of \
                 sampled requests; those that ended unusually all leave one.",
            )
            .query::<IsolationQuery>()
            .returns::<IsolationView>(200),
        show,
    )
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct IsolationQuery {
    /// Entries of each list, 20 when absent, at most 512.
    #[param(minimum = 1, maximum = 512)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct IsolationView {
    guard: GuardView,
    denials: DenialsView,
    in_use: InUseView,
    /// Requests being served, oldest first.
    open: Vec<OpenView>,
    /// Contexts that somebody still holds thirty seconds after their request ended, oldest first.
    leaked: Vec<LeakView>,
    leaked_total: usize,
    /// One request in so many leaves a record.
    sample: u64,
    records_total: u64,
    /// The last records, newest first.
    records: Vec<RecordView>,
}

/// What the outgoing guard did.
#[derive(Serialize, ToSchema)]
struct GuardView {
    /// Whether it looks at answers: where the environment is `staging`.
    enabled: bool,
    checked_total: u64,
    violations_total: u64,
}

/// What callers were refused.
#[derive(Serialize, ToSchema)]
struct DenialsView {
    /// 403: the caller may see the thing but not do this.
    forbidden_total: u64,
    /// 404 about one thing: hidden from the caller, or not there; the two answer alike, so they count together.
    hidden_or_absent_total: u64,
    /// Attempts that reached no audit trail because too many workspaces had some at once.
    unaudited_total: u64,
}

/// What is in use now. Without requests, all but the connections return to zero.
#[derive(Serialize, ToSchema)]
struct InUseView {
    open_contexts: i64,
    http_connections: i64,
    slots: usize,
    callers_with_slots: usize,
    waiting_for_slots: usize,
    live_connections: usize,
    database_connections: usize,
    database_queue: usize,
    passwords_waiting: usize,
}

#[derive(Serialize, ToSchema)]
struct OpenView {
    request_id: String,
    route: &'static str,
    #[schema(value_type = Option<String>, format = "uuid")]
    workspace_id: Option<WorkspaceId>,
    #[schema(value_type = Option<String>, format = "uuid")]
    user_id: Option<UserId>,
    age_ms: f64,
    /// Longer open than its time budget; streams may be, after the head of their answer.
    over_budget: bool,
}

#[derive(Serialize, ToSchema)]
struct LeakView {
    request_id: String,
    route: &'static str,
    #[schema(value_type = Option<String>, format = "uuid")]
    workspace_id: Option<WorkspaceId>,
    held_ms: f64,
}

#[derive(Serialize, ToSchema)]
struct RecordView {
    request_id: String,
    method: String,
    route: &'static str,
    #[schema(value_type = Option<String>, format = "uuid")]
    workspace_id: Option<WorkspaceId>,
    #[schema(value_type = Option<String>, format = "uuid")]
    user_id: Option<UserId>,
    #[schema(value_type = String, format = "date-time")]
    received_at: Timestamp,
    /// `answered`, `refused`, `failed`, `out_of_time`, `breach` or `client_left`.
    outcome: &'static str,
    status: Option<u16>,
    duration_ms: f64,
    /// Statements of its own; reads that it shared with other requests are not among them.
    queries: u64,
    rows: u64,
    /// Whether nobody holds its context any more.
    cleaned_up: bool,
}

async fn show(
    State(platform): State<Platform>,
    Query(query): Query<IsolationQuery>,
) -> Result<Json<IsolationView>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        let message = format!("must be 1 to {MOST}");
        return Err(ApiError::malformed(vec![FieldError::new(
            "limit",
            "out_of_range",
            message,
        )]));
    }
    let isolation = &platform.isolation;
    let leaked = isolation.leaked();
    Ok(Json(IsolationView {
        guard: GuardView {
            enabled: platform.guarded,
            checked_total: isolation.guarded.load(Ordering::Relaxed),
            violations_total: isolation.violations.load(Ordering::Relaxed),
        },
        denials: DenialsView {
            forbidden_total: isolation.denied.load(Ordering::Relaxed),
            hidden_or_absent_total: isolation.absent.load(Ordering::Relaxed),
            unaudited_total: platform.app.refusal_stats().dropped,
        },
        in_use: in_use(&platform),
        open: isolation.open_requests(limit).iter().map(open_view).collect(),
        leaked_total: leaked.len(),
        leaked: leaked.iter().take(limit).map(leak_view).collect(),
        sample: isolation.sample(),
        records_total: isolation.written(),
        records: isolation.records(limit).into_iter().map(record_view).collect(),
    }))
}

fn in_use(platform: &Platform) -> InUseView {
    let (edge, pools) = (platform.isolation.in_use(), platform.app.db().stats());
    InUseView {
        open_contexts: edge.open_contexts,
        http_connections: edge.connections,
        slots: edge.slots,
        callers_with_slots: edge.callers,
        waiting_for_slots: edge.waiting,
        live_connections: platform.app.live().stats().connections,
        database_connections: pools.iter().map(|pool| pool.active).sum(),
        database_queue: pools.iter().map(|pool| pool.queued).sum(),
        passwords_waiting: platform.app.identity().passwords_waiting(),
    }
}

fn open_view(open: &OpenRequest) -> OpenView {
    OpenView {
        request_id: open.context.request_id().to_owned(),
        route: open.context.route,
        workspace_id: open.context.workspace(),
        user_id: open.context.maybe_caller().map(|caller| caller.user_id),
        age_ms: millis(open.age),
        over_budget: open.over_budget,
    }
}

fn leak_view((context, since): &(Arc<RequestContext>, Duration)) -> LeakView {
    LeakView {
        request_id: context.request_id().to_owned(),
        route: context.route,
        workspace_id: context.workspace(),
        held_ms: millis(*since),
    }
}

fn record_view(record: Record) -> RecordView {
    RecordView {
        cleaned_up: record.cleaned_up(),
        request_id: record.request_id,
        method: record.method.to_string(),
        route: record.route,
        workspace_id: record.workspace,
        user_id: record.user,
        received_at: record.received_at,
        outcome: record.outcome.as_str(),
        status: record.status,
        duration_ms: millis(record.took),
        queries: record.queries,
        rows: record.rows,
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
