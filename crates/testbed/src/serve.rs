//! From socket to route and back: identification, limits, misfortunes, and the faults that sit around all routes. Which
//! route answers what is in [`crate::routes`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::call::{Answer, Call};
use crate::routes::route;
use crate::store::User;
use crate::{App, live};

/// Longest body that is read.
const BODY_LIMIT: usize = 1 << 20;
/// Paths whose answers are for everybody.
const PUBLIC: [&str; 5] = [
    "/public/notes",
    "/openapi.json",
    "/health",
    "/metrics",
    "/version",
];

/// Serves until the service is told to stop.
pub async fn run(listener: TcpListener, app: Arc<App>) {
    let stop = app.stop.clone();
    let router = axum::Router::new().fallback(handle).with_state(app);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        _ended = axum::serve(listener, service).into_future() => {}
        () = stop.cancelled() => {}
    }
}

async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if let Some(misfortune) = misfortune(&app).await {
        return respond(misfortune);
    }
    let upgrade = request.headers().contains_key("upgrade");
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return respond(Answer::error(413, "too_large", "the body is over 1 MiB"));
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut call = Call {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: read_query(query),
        headers: parts.headers.clone(),
        body: Value::Null,
        peer: peer.port(),
        session: session_of(&parts.headers),
        user: None,
        app: app.clone(),
    };
    call.user = identify(&call).await;
    if let Some(refused) = limit(&call).await {
        return respond(refused);
    }
    if upgrade && call.path == "/ws" {
        return open_socket(&call, &mut parts).await;
    }
    if let Some(id) = streamed_note(&call.path) {
        return live::stream(&call, id).await.unwrap_or_else(respond);
    }
    match read_body(&call, &bytes).await {
        Ok(body) => call.body = body,
        Err(answer) => return respond(answer),
    }
    respond(answer(&call).await)
}

/// The id of the note whose changes a path streams.
fn streamed_note(path: &str) -> Option<&str> {
    path.strip_prefix("/notes/")?.strip_suffix("/stream")
}

/// Upgrades to a WebSocket for whoever is logged in.
async fn open_socket(call: &Call, parts: &mut Parts) -> Response {
    let Ok(user) = call.caller().cloned() else {
        return respond(Answer::error(401, "unauthenticated", "log in first"));
    };
    let session = call.session.clone().unwrap_or_default();
    let app = call.app.clone();
    match WebSocketUpgrade::from_request_parts(parts, &app).await {
        Ok(upgrade) => upgrade.on_upgrade(move |socket| live::serve(app, user, session, socket)),
        Err(_) => respond(Answer::error(400, "invalid", "this is no WebSocket handshake")),
    }
}

/// Jitter, stalls and errors as every real service has them.
async fn misfortune(app: &App) -> Option<Answer> {
    let options = &app.options;
    if !options.jitter.is_zero() {
        tokio::time::sleep(options.jitter.mul_f64(app.faults.unit())).await;
    }
    if app.faults.chance(options.stalls) {
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    if !app.faults.chance(options.errors) {
        return None;
    }
    let status = [500, 503, 429][(app.faults.unit() * 3.0) as usize];
    Some(Answer::error(status, "try_again", "something went wrong"))
}

/// The fields of a form, as JSON has them.
fn read_form(bytes: &[u8]) -> Value {
    let fields = read_query(&String::from_utf8_lossy(bytes));
    fields
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect()
}

/// Parses the body. A planted fault quotes the body before this one.
async fn read_body(call: &Call, bytes: &[u8]) -> Result<Value, Answer> {
    let app = &call.app;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if call.header("content-type") == Some("application/x-www-form-urlencoded") {
        return Ok(read_form(bytes));
    }
    let mut store = app.store.lock().await;
    let parsed = serde_json::from_slice(bytes);
    if parsed.is_err() {
        let quoted = if app.faults.hit("error-echo") {
            store.spoiled.parsed.as_str()
        } else {
            ""
        };
        return Err(Answer::error(
            400,
            "invalid",
            &format!("the body is no JSON {quoted}"),
        ));
    }
    store.spoiled.parsed = String::from_utf8_lossy(bytes).into_owned();
    parsed.map_err(|_| Answer::error(400, "invalid", "the body is no JSON"))
}

/// The session of the bearer token, or else of the cookie.
fn session_of(headers: &axum::http::HeaderMap) -> Option<String> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let cookie = || {
        text("cookie")?
            .split("; ")
            .find_map(|pair| pair.strip_prefix("session="))
    };
    bearer.or_else(cookie).map(str::to_owned)
}

async fn identify(call: &Call) -> Option<User> {
    let mut store = call.app.store.lock().await;
    let mut id = call
        .session
        .as_ref()
        .and_then(|session| store.sessions.get(session))
        .copied();
    if call.app.faults.on("pool-connection") {
        let kept = store.spoiled.connections.get(&call.peer).copied();
        id = id.map(|id| kept.filter(|_| call.hit("pool-connection")).unwrap_or(id));
        if let Some(id) = id {
            store.spoiled.connections.entry(call.peer).or_insert(id);
        }
    }
    if let Some(claimed) = call
        .header("x-user-id")
        .and_then(|text| text.parse().ok())
        .filter(|_| call.hit("trusted-header"))
    {
        id = Some(claimed);
    }
    drop(store);
    if let Some(mine) = id.filter(|_| call.hit("global-user")) {
        id = Some(call.app.across_await(mine).await);
    }
    call.app.store.lock().await.users.get(&id?).cloned()
}

/// A token bucket for each user; planted faults share one, or stall everybody behind a flood.
async fn limit(call: &Call) -> Option<Answer> {
    let user = call.user.as_ref()?.id;
    let (key, rate) = if call.hit("limit-shared") {
        (0, 100.0)
    } else {
        (user, call.app.options.rate as f64)
    };
    let mut buckets = call.app.buckets.lock().await;
    let now = Instant::now();
    let bucket = buckets.entry(key).or_insert((now, rate));
    bucket.1 = (bucket.1 + now.duration_since(bucket.0).as_secs_f64() * rate).min(rate);
    bucket.0 = now;
    bucket.1 -= 1.0;
    let empty = bucket.1 < 0.0;
    if empty {
        bucket.1 = 0.0;
    }
    drop(buckets);
    if let Some(refused) = queue(call).await {
        return Some(refused);
    }
    empty.then(|| Answer::error(429, "rate_limited", "too many requests").with("retry-after", "1"))
}

/// A planted queue for everybody: it is full, or slow, or keeps the places of those who left half-way.
async fn queue(call: &Call) -> Option<Answer> {
    let faults = &call.app.faults;
    if !["flood-stall", "flood-slow", "torn-slot"]
        .iter()
        .any(|fault| faults.on(fault))
    {
        return None;
    }
    let mut place = Place {
        app: &call.app,
        queued: call.app.queue.fetch_add(1, Ordering::SeqCst),
        kept: faults.hit("torn-slot"),
    };
    let slow = place.queued >= 12 && call.hit("flood-slow");
    tokio::time::sleep(Duration::from_millis(if slow { 700 } else { 5 })).await;
    place.kept = false;
    let full = || Answer::error(503, "queue_full", "try again");
    if place.queued >= 12 && call.hit("flood-stall") {
        return Some(full().with("retry-after", "1"));
    }
    // Places that are kept never come back: nothing is promised for later.
    (place.queued >= 40 && faults.on("torn-slot")).then(full)
}

/// A place in the planted queue.
struct Place<'a> {
    app: &'a App,
    queued: i64,
    kept: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.app.queue.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

async fn answer(call: &Call) -> Answer {
    let target = format!("{}?{:?}", call.path, call.query.get("cursor"));
    if let Some(cached) = cached(call, &target).await {
        return cached;
    }
    let mut answer = route(call).await.unwrap_or_else(|refusal| refusal);
    if call.method == Method::GET && answer.status == 200 {
        if call.app.faults.on("cache-key") {
            let mut store = call.app.store.lock().await;
            store
                .spoiled
                .pages
                .insert(target, (answer.status, answer.body.clone()));
        }
        if !PUBLIC.contains(&call.path.as_str()) {
            let policy = if call.hit("cache-public") {
                "public, max-age=60"
            } else {
                "private, no-store"
            };
            answer = answer.with("cache-control", policy);
        }
    }
    spoil(call, answer).await
}

/// What the planted caches hold for a call: whose answer it was is not asked.
async fn cached(call: &Call, target: &str) -> Option<Answer> {
    if call.method == Method::GET
        && call.hit("cache-key")
        && let Some((status, body)) = call.app.store.lock().await.spoiled.pages.get(target)
    {
        return Some(Answer {
            status: *status,
            headers: vec![("content-type", "application/json".into())],
            body: body.clone(),
        });
    }
    let store = call.app.store.lock().await;
    let file = store.spoiled.static_files.get(&call.path)?;
    call.hit("cache-suffix").then(|| Answer::text(200, file.clone()))
}

/// Faults that change an answer on its way out.
async fn spoil(call: &Call, mut answer: Answer) -> Answer {
    let Some(user) = &call.user else { return answer };
    if call.method != Method::GET || answer.status != 200 {
        return answer;
    }
    if call.app.faults.on("pool-swap") && call.hit("pool-swap") {
        answer.body = swap(call, user.id, answer.body).await;
    }
    let mut store = call.app.store.lock().await;
    if call.hit("header-leak") && store.spoiled.title.is_ascii() {
        answer.headers.push(("x-debug-last", store.spoiled.title.clone()));
    }
    if call.hit("cookie-leak") {
        answer.headers.push((
            "set-cookie",
            format!("session={}; HttpOnly", store.spoiled.cookie),
        ));
    }
    if call.app.faults.on("buffer-whole") {
        let before = store.spoiled.answer.replace((user.id, answer.body.clone()));
        if let Some((_, body)) = before.filter(|_| call.hit("buffer-whole")) {
            answer.body = body;
        }
    }
    answer
}

/// Leaves one's answer and takes the one that lies there, if another request was in flight meanwhile.
async fn swap(call: &Call, user: u64, body: String) -> String {
    call.app.store.lock().await.spoiled.answer = Some((user, body.clone()));
    tokio::time::sleep(Duration::from_millis(2)).await;
    call.app
        .store
        .lock()
        .await
        .spoiled
        .answer
        .take()
        .map_or(body, |(_, other)| other)
}

fn read_query(query: &str) -> std::collections::HashMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), unescape(value)))
        .collect()
}

/// Undoes percent-encoding; what is no encoding stays as it is.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                plain.push(code);
                at += 2;
            }
            (b'+', _) => plain.push(b' '),
            (byte, _) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value.as_str());
    }
    response.body(Body::from(answer.body)).unwrap_or_default()
}
