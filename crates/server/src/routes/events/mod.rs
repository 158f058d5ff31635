//! Events: record, list, read, change, erase, count, export.

mod body;
mod items;
mod query;
mod view;

use app::events::{EventChange, EventQuery, export::Format};
use axum::{extract::State, response::Response};
use domain::{
    identity::ApiScope,
    ids::{EventId, Timestamp},
    problem::{ErrorCode, FieldError},
};
use futures_util::stream;
use serde::Serialize;
use utoipa::ToSchema;

use body::{BulkBody, ChangeBody, EventBody};
use query::{EventFilter, ExportFilter, Span};
use view::{EventView, shown};

use crate::{
    ApiError, Created, Ctx, IfMatch, Json, List, Listing, NoContent, Operation, Path, Policy, Query, Routes,
    Tagged,
    answer::pieces,
    platform::{Platform, context},
};

const TAG: &str = "events";

/// Room for a thousand events of the largest usual size.
const BULK_BODY: usize = 16 * 1024 * 1024;

/// The routes under `/api/events`, and those of events under `/api/items`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    recording()
        .merge(changing())
        .merge(reading())
        .merge(items::of_items())
}

fn read() -> Policy {
    Policy::viewer(ApiScope::EventsRead)
}

fn write() -> Policy {
    Policy::member(ApiScope::EventsWrite)
}

fn recording() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/events",
            write(),
            Operation::new(TAG, "Records an event")
                .description(
                    "The same `client_event_id` again answers 200 with the event as it was recorded.",
                )
                .body::<EventBody>()
                .returns::<EventView>(201)
                .returns::<EventView>(200)
                .problems(&[
                    ErrorCode::NotFound,
                    ErrorCode::Gone,
                    ErrorCode::InsufficientCredits,
                ]),
            create,
        )
        .post(
            "/api/events/bulk",
            write().body_limit(BULK_BODY),
            Operation::new(TAG, "Records up to 1,000 events, all or none")
                .body::<BulkBody>()
                .returns::<BulkView>(201)
                .problems(&[ErrorCode::NotFound, ErrorCode::InsufficientCredits]),
            bulk,
        )
}

fn changing() -> Routes<Platform> {
    Routes::new()
        .put(
            "/api/events/{event_id}",
            write(),
            Operation::new(
                TAG,
                "Replaces tags and data of an operational event of the workspace",
            )
            .description("An event about an item is never edited: a later event corrects it.")
            .body::<ChangeBody>()
            .returns::<EventView>(200)
            .problems(&[ErrorCode::NotFound, ErrorCode::Conflict, ErrorCode::Gone])
            .if_match(),
            change,
        )
        .delete(
            "/api/events/{event_id}",
            write(),
            Operation::new(TAG, "Erases what an event said; that it existed stays in the log")
                .returns_nothing(204)
                .problems(&[
                    ErrorCode::NotFound,
                    ErrorCode::Gone,
                    ErrorCode::PreconditionFailed,
                ]),
            erase,
        )
}

fn reading() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/events",
            read(),
            Operation::new(
                TAG,
                "Lists events of the workspace; with a `dfid`, all the workspace may see of that item",
            )
            .query::<EventFilter>()
            .returns_page::<EventView>(),
            list,
        )
        .get(
            "/api/events/stats",
            read(),
            Operation::new(TAG, "Counts events per type and hour")
                .query::<Span>()
                .returns::<StatsView>(200)
                .problems(&[ErrorCode::ValidationFailed]),
            stats,
        )
        .get(
            "/api/events/export",
            read(),
            Operation::new(TAG, "Streams the events a list would show, oldest first")
                .query::<ExportFilter>()
                .returns_media(200, "text/csv")
                .returns_media(200, "application/x-ndjson")
                .problems(&[ErrorCode::InsufficientCredits]),
            export,
        )
        .get(
            "/api/events/{event_id}",
            read(),
            Operation::new(TAG, "Reads an event")
                .returns::<EventView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::Gone]),
            get,
        )
}

#[derive(Serialize, ToSchema)]
struct BulkView {
    /// How many were new.
    created: usize,
    /// Every event, in the order of the request.
    events: Vec<EventView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventStats)]
struct StatsView {
    counts: Vec<HourView>,
    total: u64,
}

#[derive(Serialize, ToSchema)]
struct HourView {
    event_type: String,
    /// The hour's beginning.
    #[schema(value_type = String, format = "date-time")]
    hour: Timestamp,
    count: u64,
}

async fn create(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<EventBody>,
) -> Result<Response, ApiError> {
    let outcome = platform
        .app
        .record_event(&context(&ctx)?, body.into_event("")?)
        .await?;
    if outcome.event.erased_at.is_some() {
        return Err(ApiError::new(
            ErrorCode::Gone,
            "the event was recorded before and has been erased",
        ));
    }
    let (location, version) = (format!("/api/events/{}", outcome.event.id), outcome.event.version);
    let created = Created {
        location,
        version: Some(version),
        body: EventView::from(outcome.event),
    };
    Ok(created.or_ok(outcome.created))
}

async fn bulk(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<BulkBody>,
) -> Result<Created<BulkView>, ApiError> {
    let events = body.events.into_iter().enumerate();
    let new: Result<_, FieldError> = events
        .map(|(index, event)| event.into_event(&format!("events[{index}].")))
        .collect();
    let outcomes = platform.app.record_events(&context(&ctx)?, new?).await?;
    let created = outcomes.iter().filter(|outcome| outcome.created).count();
    // Of several, the first; the body names them all.
    let first = outcomes.first();
    let first = first.map(|outcome| format!("/api/events/{}", outcome.event.id));
    let events = outcomes.into_iter().map(|outcome| outcome.event.into()).collect();
    let location = first.unwrap_or_else(|| "/api/events".to_owned());
    Ok(Created::at(location, BulkView { created, events }))
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<EventFilter>,
) -> Result<Listing<EventView>, ApiError> {
    let (context, query) = (context(&ctx)?, list.filter.clone().into_query());
    let page = platform.app.events(&context, &query, &list.page).await?;
    let total = list.total(platform.app.count_events(&context, &query)).await?;
    Ok(Listing::new(page, list.page.limit, total, |event| {
        shown(event, context.workspace())
    }))
}

async fn get(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<EventId>,
) -> Result<Tagged<EventView>, ApiError> {
    let context = context(&ctx)?;
    let event = platform.app.event(&context, id).await?;
    Ok(Tagged::new(event.version, shown(event, context.workspace())))
}

async fn change(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<EventId>,
    IfMatch(known): IfMatch,
    Json(body): Json<ChangeBody>,
) -> Result<Tagged<EventView>, ApiError> {
    let change = EventChange {
        tags: body.tags,
        data: body.data,
    };
    let event = platform
        .app
        .change_event(&context(&ctx)?, id, known, change)
        .await?;
    Ok(Tagged::new(event.version, event.into()))
}

async fn erase(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<EventId>,
) -> Result<NoContent, ApiError> {
    platform.app.erase_event(&context(&ctx)?, id).await?;
    Ok(NoContent)
}

async fn stats(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(span): Query<Span>,
) -> Result<Json<StatsView>, ApiError> {
    let counts = platform
        .app
        .event_stats(&context(&ctx)?, span.from, span.to)
        .await?;
    let total = counts.iter().map(|count| count.count).sum();
    let view = |one: store::event_queries::HourCount| HourView {
        event_type: one.event_type,
        hour: one.hour,
        count: one.count,
    };
    Ok(Json(StatsView {
        counts: counts.into_iter().map(view).collect(),
        total,
    }))
}

async fn export(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(filter): Query<ExportFilter>,
) -> Result<Response, ApiError> {
    let format = filter.format.unwrap_or(Format::Csv);
    let query = EventQuery {
        event_type: filter.r#type,
        source: filter.source,
        tag: filter.tag,
        dfid: filter.dfid,
        from: filter.from,
        to: filter.to,
        ..EventQuery::default()
    };
    let context = context(&ctx)?;
    let (first, export) = platform.app.stream_export(&context, query, format).await?;
    let rest = stream::unfold(
        (platform.app, context, export),
        |(app, context, mut export)| async move {
            let piece = export.next(&app, &context).await.transpose()?;
            Some((piece, (app, context, export)))
        },
    );
    Ok(pieces(format.media_type(), first, rest))
}
