//! Events about an item: its timeline, and those of a local item before it has a DFID.

use axum::extract::State;
use domain::{
    dfid::Dfid,
    ids::{EventId, Timestamp},
    problem::{ErrorCode, FieldError},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    TAG,
    body::EventBody,
    read,
    view::{EventView, shown},
    write,
};
use crate::{
    ApiError, Created, Ctx, Json, List, Listing, Operation, Path, Routes,
    extract::NoFilter,
    platform::{Platform, context},
};

pub(super) fn of_items() -> Routes<Platform> {
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
            .problems(&[ErrorCode::NotFound, ErrorCode::InsufficientCredits]),
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
) -> Result<Created<LocalEventView>, ApiError> {
    let event = platform
        .app
        .record_local_event(&context(&ctx)?, &local_id, body.into_event("")?)
        .await?;
    let view = LocalEventView {
        id: event.id,
        local_id,
        created_at: event.created_at,
    };
    // It is read as an event once it has moved; until then it lies with its item.
    let location = format!("/api/items/local/{}", view.local_id);
    Ok(Created::at(location, view))
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
