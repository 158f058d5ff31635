//! The live channel: WebSocket and server-sent events, and the tickets that open the former.

mod events;
mod frames;
mod socket;

use app::live::{Holder, ResumeToken, holder_of};
use axum::{
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response, sse::Sse},
};
use domain::{
    identity::ApiScope,
    ids::Timestamp,
    problem::{ErrorCode, FieldError},
};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::frames::Topics;
use crate::{
    ApiError, Ctx, Json, Operation, Policy, Query, Routes,
    platform::{Platform, context},
};

const TAG: &str = "live";
/// Largest message a client may send; it has nothing to say but signs of life.
const MAX_INCOMING: usize = 4 * 1024;
/// Largest frame that is read to its end before it is refused: who reads the refusal must have sent all of it.
const MAX_FRAME: usize = 64 * 1024;

/// The routes under `/api/live`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/live/ticket",
            Policy::viewer(ApiScope::NotificationsRead).issues_secret(),
            Operation::new(TAG, "Gives a ticket that opens one live connection within thirty seconds")
                .returns::<TicketView>(200),
            ticket,
        )
        .get(
            "/api/live",
            Policy::optional(),
            Operation::new(TAG, "Opens the live channel as a WebSocket")
                .description("With a ticket, the session cookie (from a page of this server) or a bearer token in the header. \
                    Each message has `topic`, `seq` (counted from 1 on this connection) and `resume_token`; `hello` comes \
                    first, `heartbeat` every 30 s with the present token, `lost` when the client was too slow. Without a \
                    sign of life (an answered ping will do) the server closes after 900 s.")
                .query::<OpenQuery>()
                .returns_nothing(101)
                .problems(&[ErrorCode::Unauthenticated, ErrorCode::Forbidden, ErrorCode::LimitExceeded]),
            open,
        )
        .get(
            "/api/live/sse",
            Policy::viewer(ApiScope::NotificationsRead),
            Operation::new(TAG, "Opens the live channel as server-sent events")
                .description("`Last-Event-ID`, or `resume_token`, goes on where a connection broke off. The stream ends \
                    after 900 s, because it has no way back for a sign of life; browsers then come back by themselves.")
                .query::<SseQuery>()
                .returns_media(200, "text/event-stream")
                .problems(&[ErrorCode::LimitExceeded]),
            sse,
        )
}

#[derive(Serialize, ToSchema)]
struct TicketView {
    ticket: String,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct OpenQuery {
    /// A ticket of `POST /api/live/ticket`.
    ticket: Option<String>,
    /// The last `resume_token`: what came after it, within 15 minutes, is sent first.
    resume_token: Option<String>,
    /// Only these topics, separated by commas.
    topics: Option<String>,
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct SseQuery {
    /// The last `resume_token`.
    resume_token: Option<String>,
    /// Only these topics, separated by commas.
    topics: Option<String>,
}

fn resume_token(text: Option<&str>) -> Result<Option<ResumeToken>, ApiError> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error: <ResumeToken as std::str::FromStr>::Err| {
        ApiError::malformed(vec![FieldError::new(
            "resume_token",
            "malformed",
            error.to_string(),
        )])
    })
}

fn topics(list: Option<&str>) -> Result<Topics, ApiError> {
    let parsed = Topics::parse(list);
    parsed.map_err(|error| ApiError::malformed(vec![FieldError::new("topics", "unknown", error)]))
}

async fn ticket(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<TicketView>, ApiError> {
    let (ticket, expires_at) = platform.app.live_ticket(&context(&ctx)?).await?;
    Ok(Json(TicketView { ticket, expires_at }))
}

async fn open(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(query): Query<OpenQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    check_origin(&headers, ctx.https())?;
    let resume = resume_token(query.resume_token.as_deref())?;
    let topics = topics(query.topics.as_deref())?;
    let upgrade = upgrade.map_err(|_| {
        let detail = "this is a WebSocket: ask for an upgrade, or use /api/live/sse";
        ApiError::new(ErrorCode::MalformedRequest, detail)
    })?;
    let holder = holder(&ctx, &platform, query.ticket.as_deref()).await?;
    let subscription = platform.app.live().subscribe(holder, resume).await?;
    let answer = upgrade
        .max_message_size(MAX_INCOMING)
        .max_frame_size(MAX_FRAME)
        .on_upgrade(move |socket| socket::serve(socket, subscription, topics));
    Ok(answer.into_response())
}

async fn holder(ctx: &Ctx, platform: &Platform, ticket: Option<&str>) -> Result<Holder, ApiError> {
    match ticket {
        Some(ticket) => Ok(platform.app.use_live_ticket(ticket).await?),
        None => Ok(holder_of(&context(ctx)?)),
    }
}

/// A browser names the page's origin; only pages of this server may connect with the cookie it sends along.
fn check_origin(headers: &HeaderMap, https: bool) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let scheme = if https { "https" } else { "http" };
    let own = format!("{scheme}://{host}");
    // Behind a proxy that ends TLS the page's scheme is https and ours is not.
    let proxied = format!("https://{host}");
    if !host.is_empty() && (origin.as_bytes() == own.as_bytes() || origin.as_bytes() == proxied.as_bytes()) {
        return Ok(());
    }
    Err(ApiError::forbidden("the page's origin may not open this channel"))
}

async fn sse(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(query): Query<SseQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let resume = resume_token(query.resume_token.as_deref().or(last))?;
    let topics = topics(query.topics.as_deref())?;
    let holder = holder_of(&context(&ctx)?);
    let subscription = platform.app.live().subscribe(holder, resume).await?;
    Ok(Sse::new(events::stream(subscription, topics)))
}
