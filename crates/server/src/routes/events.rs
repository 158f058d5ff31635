//! Events: recording, reading, changing, erasing, exporting; an item's timeline; events of local items.

use app::events::{
    EventChange, EventQuery, NewEvent,
    export::{Export, Format},
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{
    dfid::Dfid,
    event::Visibility,
    identity::ApiScope,
    ids::{CircuitId, EventId, Timestamp, UserId, WorkspaceId},
    problem::{ErrorCode, FieldError},
};
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::events::Event;
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Created, Ctx, IfMatch, Json, List, Listing, NoContent, Operation, Path, Policy, Query, Routes,
    Tagged,
    extract::NoFilter,
    platform::{Platform, context},
    routes::schema::{FormatWord, SortWord},
};

const TAG: &str = "events";
/// Room for a thousand events of the largest usual size.
const BULK_BODY: usize = 16 * 1024 * 1024;

/// The routes under `/api/events`, and those of events under `/api/items`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    writing().merge(reading()).merge(of_items())
}

fn read() -> Policy {
    Policy::viewer(ApiScope::EventsRead)
}

fn write() -> Policy {
    Policy::member(ApiScope::EventsWrite)
}

fn writing() -> Routes<Platform> {
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
                .problems(&[ErrorCode::NotFound, ErrorCode::Gone]),
            create,
        )
        .post(
            "/api/events/bulk",
            write().body_limit(BULK_BODY),
            Operation::new(TAG, "Records up to 1,000 events, all or none")
                .body::<BulkBody>()
                .returns::<BulkView>(201)
                .problems(&[ErrorCode::NotFound]),
            bulk,
        )
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
                .returns_media(200, "application/x-ndjson"),
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

fn of_items() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/items/{dfid}/timeline",
            read(),
            Operation::new(TAG, "Lists the events of an item in the order they happened")
                .returns_page::<EventView>()
                .problems(&[ErrorCode::NotFound]),
            timeline,
        )
        .post(
            "/api/items/local/{local_id}/events",
            write(),
            Operation::new(
                TAG,
                "Keeps an event of a local item until the item has its global id",
            )
            .body::<EventBody>()
            .returns::<LocalEventView>(201)
            .problems(&[ErrorCode::NotFound]),
            create_local,
        )
        .post(
            "/api/items/local/{local_id}/push-events",
            write(),
            Operation::new(
                TAG,
                "Moves a local item's events to its global id; repeating it is harmless",
            )
            .returns::<MovedView>(200)
            .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            push_local,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EventBody {
    /// 1 to 64 letters, digits, `_`, `.`, `:` or `-`.
    #[serde(alias = "type")]
    #[schema(max_length = 64)]
    event_type: String,
    /// What recorded it; `api` when absent.
    #[schema(max_length = 128)]
    source: Option<String>,
    /// The item it is about.
    #[schema(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// The items it is about, if they are several; it stays one event and is found by each of them.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    dfids: Vec<Dfid>,
    /// The circuit it happened in.
    #[schema(value_type = Option<String>, format = "uuid")]
    circuit_id: Option<CircuitId>,
    /// The workspace's default when absent.
    #[schema(value_type = Option<VisibilityWord>)]
    visibility: Option<Visibility>,
    /// Now when absent.
    #[serde(alias = "timestamp")]
    #[schema(value_type = Option<String>, format = "date-time")]
    occurred_at: Option<Timestamp>,
    #[serde(alias = "metadata")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// Kept as `data.description`.
    description: Option<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    tags: Vec<String>,
    /// A user of the sender's system.
    #[schema(max_length = 128)]
    user_id: Option<String>,
    /// A project of the sender's.
    #[schema(max_length = 128)]
    project_id: Option<String>,
    /// The workspaces a direct event is addressed to.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    recipients: Vec<WorkspaceId>,
    /// The sender's own id: the same one sent twice stays one.
    #[schema(max_length = 128)]
    client_event_id: Option<String>,
}

/// Who may see an event.
#[derive(ToSchema)]
#[schema(as = Visibility, rename_all = "snake_case")]
#[allow(dead_code, reason = "a schema is a description: its variants are never made")]
enum VisibilityWord {
    Public,
    Circuit,
    Direct,
    Private,
}

impl EventBody {
    fn into_event(self) -> NewEvent {
        NewEvent {
            event_type: self.event_type,
            source: self.source,
            dfid: self.dfid,
            dfids: self.dfids,
            circuit_id: self.circuit_id,
            visibility: self.visibility,
            occurred_at: self.occurred_at,
            data: describe(self.data, self.description),
            tags: self.tags,
            user_ref: self.user_id,
            project: self.project_id,
            recipients: self.recipients,
            client_event_id: self.client_event_id,
        }
    }
}

/// Puts the description of older clients into the data, unless the data has its own.
fn describe(data: Option<Value>, description: Option<String>) -> Option<Value> {
    let Some(description) = description else {
        return data;
    };
    let mut data = data.unwrap_or_else(|| Value::Object(Map::new()));
    if let Value::Object(members) = &mut data {
        members.entry("description").or_insert(Value::String(description));
    }
    Some(data)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkBody {
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<EventBody>,
}

#[derive(Serialize, ToSchema)]
struct BulkView {
    /// How many were new.
    created: usize,
    /// Every event, in the order of the request.
    events: Vec<EventView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    /// The new tags; as before when absent.
    tags: Option<Vec<String>>,
    /// The new data; as before when absent.
    #[serde(alias = "metadata")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
}

#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct EventFilter {
    /// The type.
    #[serde(alias = "event_type")]
    r#type: Option<String>,
    /// What recorded it.
    source: Option<String>,
    /// A user of the sender's system.
    #[serde(alias = "user_id")]
    user: Option<String>,
    /// A project of the sender's.
    #[serde(alias = "project_id")]
    project: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// The item.
    #[param(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// The visibility.
    #[param(inline, value_type = Option<VisibilityWord>)]
    visibility: Option<Visibility>,
    /// The earliest moment.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// The moment before which it happened.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Words in type, source or data; private data is not searched.
    #[serde(alias = "q")]
    text: Option<String>,
    /// `asc` or `desc` by the time of recording; newest first when absent.
    #[param(inline, value_type = Option<SortWord>)]
    sort: Option<Sort>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Asc,
    Desc,
}

impl EventFilter {
    fn into_query(self) -> EventQuery {
        EventQuery {
            event_type: self.r#type,
            source: self.source,
            user_ref: self.user,
            project: self.project,
            tag: self.tag,
            visibility: self.visibility,
            from: self.from,
            to: self.to,
            text: self.text,
            dfid: self.dfid,
            oldest_first: self.sort == Some(Sort::Asc),
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct ExportFilter {
    /// `csv` or `jsonl`; CSV when absent.
    #[param(inline, value_type = Option<FormatWord>)]
    format: Option<Format>,
    /// The type.
    #[serde(alias = "event_type")]
    r#type: Option<String>,
    /// What recorded it.
    source: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// The item.
    #[param(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// The earliest moment.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// The moment before which it happened.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct Span {
    /// From when; seven days before `to` when absent.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before when; now when absent.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
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

#[derive(Serialize, ToSchema)]
struct EventView {
    #[schema(value_type = String, format = "uuid")]
    id: EventId,
    event_type: String,
    source: String,
    #[schema(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// All items it is about; of another workspace's event, the one it is seen through.
    #[schema(value_type = Vec<String>)]
    dfids: Vec<Dfid>,
    #[schema(value_type = Option<String>, format = "uuid")]
    circuit_id: Option<CircuitId>,
    #[schema(value_type = VisibilityWord)]
    visibility: Visibility,
    #[schema(value_type = String, format = "date-time")]
    occurred_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    recorded_at: Timestamp,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    #[schema(value_type = String, format = "uuid")]
    created_by: UserId,
    user_id: Option<String>,
    project_id: Option<String>,
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    tags: Vec<String>,
    #[schema(value_type = Vec<String>)]
    recipients: Vec<WorkspaceId>,
    client_event_id: Option<String>,
    version: u64,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            dfids: event.all_items().to_vec(),
            id: event.id,
            event_type: event.event_type,
            source: event.source,
            dfid: event.dfid,
            circuit_id: event.circuit_id,
            visibility: event.visibility,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            workspace_id: event.workspace_id,
            created_by: event.created_by,
            user_id: event.user_ref,
            project_id: event.project,
            data: event.data.unwrap_or_default(),
            tags: event.tags,
            recipients: event.recipients,
            client_event_id: event.client_event_id,
            version: event.version,
        }
    }
}

/// An event as this caller may see it: to whom else it is addressed is its owner's business.
fn shown(event: Event, caller: WorkspaceId) -> EventView {
    let mut view = EventView::from(event);
    if view.workspace_id != caller {
        view.recipients.retain(|recipient| *recipient == caller);
        view.client_event_id = None;
    }
    view
}

#[derive(Serialize, ToSchema)]
struct LocalEventView {
    #[schema(value_type = String, format = "uuid")]
    id: EventId,
    local_id: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct MovedView {
    moved: usize,
    /// Whether others wait for another call.
    more: bool,
    events: Vec<EventView>,
}

async fn create(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<EventBody>,
) -> Result<Response, ApiError> {
    let outcome = platform
        .app
        .record_event(&context(&ctx)?, body.into_event())
        .await?;
    if outcome.event.erased_at.is_some() {
        return Err(ApiError::new(
            ErrorCode::Gone,
            "the event was recorded before and has been erased",
        ));
    }
    let (location, version) = (format!("/api/events/{}", outcome.event.id), outcome.event.version);
    let body = EventView::from(outcome.event);
    Ok(match outcome.created {
        true => Created {
            location,
            version: Some(version),
            body,
        }
        .into_response(),
        false => Tagged::new(version, body).into_response(),
    })
}

async fn bulk(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<BulkBody>,
) -> Result<(StatusCode, Json<BulkView>), ApiError> {
    let new = body.events.into_iter().map(EventBody::into_event).collect();
    let outcomes = platform.app.record_events(&context(&ctx)?, new).await?;
    let created = outcomes.iter().filter(|outcome| outcome.created).count();
    let events = outcomes.into_iter().map(|outcome| outcome.event.into()).collect();
    Ok((StatusCode::CREATED, Json(BulkView { created, events })))
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<EventFilter>,
) -> Result<Listing<EventView>, ApiError> {
    let (context, query) = (context(&ctx)?, list.filter.into_query());
    let page = platform.app.events(&context, &query, &list.page).await?;
    let total = match list.with_total {
        true => Some(platform.app.count_events(&context, &query).await?),
        false => None,
    };
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
    let (context, mut export) = (context(&ctx)?, Export::new(query, format));
    // The first piece is read before the head is sent, so that a refusal is an answer and not a broken body.
    let first = export.next(&platform.app, &context).await?.unwrap_or_default();
    let rest = stream::unfold(
        (platform.app, context, export),
        |(app, context, mut export)| async move {
            let piece = export.next(&app, &context).await.transpose()?;
            Some((piece, (app, context, export)))
        },
    );
    let pieces = futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    Ok(response)
}

async fn timeline(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    list: List<NoFilter>,
) -> Result<Listing<EventView>, ApiError> {
    if list.with_total {
        let error = FieldError::new(
            "with_total",
            "not_here",
            "a timeline is not counted: ask `/api/events?dfid=`",
        );
        return Err(ApiError::malformed(vec![error]));
    }
    let context = context(&ctx)?;
    let page = platform.app.item_timeline(&context, dfid, &list.page).await?;
    Ok(Listing::new(page, list.page.limit, None, |event| {
        shown(event, context.workspace())
    }))
}

async fn create_local(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(local_id): Path<String>,
    Json(body): Json<EventBody>,
) -> Result<(StatusCode, Json<LocalEventView>), ApiError> {
    let event = platform
        .app
        .record_local_event(&context(&ctx)?, &local_id, body.into_event())
        .await?;
    let view = LocalEventView {
        id: event.id,
        local_id,
        created_at: event.created_at,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

async fn push_local(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(local_id): Path<String>,
) -> Result<Json<MovedView>, ApiError> {
    let moved = platform.app.push_local_events(&context(&ctx)?, &local_id).await?;
    let events: Vec<EventView> = moved.events.into_iter().map(EventView::from).collect();
    Ok(Json(MovedView {
        moved: events.len(),
        more: moved.more,
        events,
    }))
}
