//! The live channel: WebSocket and server-sent events, and the tickets that open the former.

use std::{convert::Infallible, time::Duration};

use app::live::{CloseReason, Delivery, HEARTBEAT, Holder, ResumeToken, SILENCE, Subscription, holder_of};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use domain::{
    identity::ApiScope,
    ids::Timestamp,
    problem::{ErrorCode, FieldError},
};
use futures_util::{Stream, stream};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Ctx, Json, Operation, Policy, Query, Routes,
    platform::{Platform, context},
};

const TAG: &str = "live";
/// Largest message a client may send; it has nothing to say but signs of life.
const MAX_INCOMING: usize = 4 * 1024;
/// Longest time one message may take to be taken by the client.
const SEND: Duration = Duration::from_secs(30);
/// Close codes: the right has ended; come back later; something failed here.
const REVOKED: u16 = 4401;
const GOING_AWAY: u16 = 1001;
const FAILED: u16 = 1011;

/// The routes under `/api/live`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/live/ticket",
            Policy::viewer(ApiScope::NotificationsRead),
            Operation::new(TAG, "Gives a ticket that opens one live connection within thirty seconds")
                .returns::<TicketView>(200),
            ticket,
        )
        .get(
            "/api/live",
            Policy::optional(),
            Operation::new(TAG, "Opens the live channel as a WebSocket")
                .description("With a ticket, the session cookie (from a page of this server) or a bearer token in the header.")
                .query::<OpenQuery>()
                .returns_nothing(101)
                .problems(&[ErrorCode::Unauthenticated, ErrorCode::Forbidden, ErrorCode::LimitExceeded]),
            open,
        )
        .get(
            "/api/live/sse",
            Policy::viewer(ApiScope::NotificationsRead),
            Operation::new(TAG, "Opens the live channel as server-sent events")
                .description("`Last-Event-ID`, or `resume_token`, goes on where a connection broke off.")
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

/// Which topics a client wants; what the server says about the connection always comes.
#[derive(Clone)]
struct Topics(Option<Vec<String>>);

impl Topics {
    fn new(list: Option<&str>) -> Self {
        Self(list.map(|list| list.split(',').map(|topic| topic.trim().to_owned()).collect()))
    }

    fn want(&self, delivery: &Delivery) -> bool {
        match (delivery, &self.0) {
            (Delivery::Message { topic, .. }, Some(wanted)) => wanted.iter().any(|one| one == topic),
            _ => true,
        }
    }
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
    let upgrade = upgrade.map_err(|_| {
        let detail = "this is a WebSocket: ask for an upgrade, or use /api/live/sse";
        ApiError::new(ErrorCode::MalformedRequest, detail)
    })?;
    let holder = holder(&ctx, &platform, query.ticket.as_deref()).await?;
    let subscription = platform.app.live().subscribe(holder, resume).await?;
    let topics = Topics::new(query.topics.as_deref());
    let answer = upgrade
        .max_message_size(MAX_INCOMING)
        .on_upgrade(move |socket| async move { serve(socket, subscription, topics).await });
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

#[derive(Serialize)]
struct Hello {
    topic: &'static str,
    seq: u64,
    resume_token: String,
    data: HelloData,
}

#[derive(Serialize)]
struct HelloData {
    heartbeat_seconds: u64,
}

fn hello(subscription: &Subscription) -> Hello {
    let data = HelloData {
        heartbeat_seconds: HEARTBEAT.as_secs(),
    };
    Hello {
        topic: "hello",
        seq: 0,
        resume_token: subscription.resume_token(),
        data,
    }
}

async fn serve(mut socket: WebSocket, mut subscription: Subscription, topics: Topics) {
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.reset();
    let mut last_sign = Instant::now();
    if !send(&mut socket, text(&hello(&subscription))).await {
        return;
    }
    loop {
        tokio::select! {
            incoming = socket.recv() => match incoming {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => last_sign = Instant::now(),
            },
            _ = heartbeat.tick() => {
                if last_sign.elapsed() > SILENCE || !send(&mut socket, Message::Ping(Vec::new().into())).await {
                    return;
                }
            }
            delivery = subscription.next() => {
                let message = match delivery {
                    Ok(Delivery::Closed(reason)) => close(reason),
                    Ok(delivery) if topics.want(&delivery) => text(&delivery),
                    Ok(_) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "a live connection could not be served");
                        closing(FAILED, "could not read messages; come back with the resume token")
                    }
                };
                let closes = matches!(message, Message::Close(_));
                if !send(&mut socket, message).await || closes {
                    return;
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND, socket.send(message)).await, Ok(Ok(())))
}

fn text(value: &impl Serialize) -> Message {
    // Plain fields and JSON that was read from the database: they serialise.
    Message::Text(serde_json::to_string(value).unwrap_or_default().into())
}

fn close(reason: CloseReason) -> Message {
    match reason {
        CloseReason::Revoked => closing(REVOKED, "the session or key has ended"),
        CloseReason::Stopping => closing(GOING_AWAY, "the server stops; come back with the resume token"),
    }
}

fn closing(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }))
}

async fn sse(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(query): Query<SseQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let resume = resume_token(query.resume_token.as_deref().or(last))?;
    let subscription = platform
        .app
        .live()
        .subscribe(holder_of(&context(&ctx)?), resume)
        .await?;
    let events = events(subscription, Topics::new(query.topics.as_deref()));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat")))
}

fn events(subscription: Subscription, topics: Topics) -> impl Stream<Item = Result<Event, Infallible>> {
    let greeting = event("hello", &subscription.resume_token(), &hello(&subscription));
    let rest = stream::unfold(Some((subscription, topics)), |state| async move {
        let (mut subscription, topics) = state?;
        loop {
            let delivery = match subscription.next().await {
                Ok(delivery) if !topics.want(&delivery) => continue,
                Ok(delivery) => delivery,
                Err(error) => {
                    tracing::warn!(%error, "a live connection could not be served");
                    return None;
                }
            };
            let event = match &delivery {
                Delivery::Message {
                    topic, resume_token, ..
                } => event(topic, resume_token, &delivery),
                Delivery::Lost { .. } => event("lost", &subscription.resume_token(), &delivery),
                Delivery::Closed(CloseReason::Revoked) => Event::default().event("closed").data("revoked"),
                Delivery::Closed(CloseReason::Stopping) => Event::default().event("closed").data("stopping"),
            };
            let ends = matches!(delivery, Delivery::Closed(_));
            return Some((Ok(event), (!ends).then_some((subscription, topics))));
        }
    });
    futures_util::StreamExt::chain(stream::iter([Ok(greeting)]), rest)
}

fn event(topic: &str, id: &str, value: &impl Serialize) -> Event {
    Event::default()
        .event(topic)
        .id(id)
        .data(serde_json::to_string(value).unwrap_or_default())
}
