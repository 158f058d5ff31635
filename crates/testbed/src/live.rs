//! The live channel: a WebSocket with subscriptions and resumption, and an event stream per note.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::App;
use crate::call::{Answer, Call};
use crate::store::{Left, Note, Socket, Store, User};

/// Frames that may wait for a slow client; more are dropped with it.
const QUEUE: usize = 256;
/// Frames kept for a client that comes back.
const KEPT: usize = 64;

/// Tells every subscriber about a changed note.
pub fn publish(call: &Call, store: &mut Store, note: &Note) {
    let notes = &store.notes;
    let broadcast = call.hit("ws-broadcast");
    for socket in store.sockets.values_mut() {
        let outlives = call.app.faults.on("ws-subscribe")
            || call.app.faults.on("ws-slot")
            || call.app.faults.on("sse-subscribe");
        let lawful = outlives
            || call.app.faults.on("ws-revoked")
            || notes
                .get(&note.seq)
                .is_some_and(|note| note.readable_by(socket.user));
        if !(broadcast || (lawful && socket.notes.contains(&note.id))) {
            continue;
        }
        socket.seq += 1;
        let frame = json!({"type": "update", "seq": socket.seq, "note": note.id, "title": note.title, "body": note.body}).to_string();
        if let Some(left) = store.left.get_mut(&socket.resume) {
            left.frames.push_back(frame.clone());
            while left.frames.len() > KEPT {
                left.frames.pop_front();
            }
        }
        if socket.seq.is_multiple_of(2) && call.hit("ws-lost") {
            continue;
        }
        if call.hit("ws-duplicate") {
            let _gone = socket.frames.try_send(frame.clone());
        }
        let _gone = socket.frames.try_send(frame);
    }
    store.sockets.retain(|_, socket| !socket.frames.is_closed());
}

/// Registers a socket of the user's and returns its number, its resume token and its frames.
fn open(
    app: &App,
    store: &mut Store,
    user: &User,
    session: &str,
    notes: BTreeSet<String>,
) -> (u64, String, mpsc::Receiver<String>) {
    let (frames, receiver) = mpsc::channel(QUEUE);
    let (id, resume) = (store.number(), store.token());
    let mut notes = notes;
    if app.faults.hit("ws-slot") {
        notes.append(&mut store.last_subscriptions);
    }
    store.left.insert(
        resume.clone(),
        Left {
            user: user.id,
            frames: VecDeque::new(),
        },
    );
    let socket = Socket {
        user: user.id,
        session: session.to_owned(),
        resume: resume.clone(),
        notes,
        seq: 0,
        frames,
    };
    store.sockets.insert(id, socket);
    (id, resume, receiver)
}

/// Serves one WebSocket until either side ends it.
pub async fn serve(app: Arc<App>, user: User, session: String, mut socket: WebSocket) {
    let (id, resume, mut frames) = open(
        &app,
        &mut *app.store.lock().await,
        &user,
        &session,
        BTreeSet::new(),
    );
    let hello = json!({"type": "hello", "resume": resume}).to_string();
    let mut alive = socket.send(Message::Text(hello.into())).await.is_ok();
    while alive {
        alive = tokio::select! {
            () = app.stop.cancelled() => false,
            frame = frames.recv() => match frame {
                Some(frame) => socket.send(Message::Text(frame.into())).await.is_ok(),
                None => false,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let answers = hear(&app, &user, id, text.as_str()).await;
                    send_all(&mut socket, answers).await
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                Some(Ok(_)) => true,
            },
        };
    }
    let mut store = app.store.lock().await;
    if let Some(gone) = store.sockets.remove(&id) {
        store.last_subscriptions = gone.notes;
    }
    if app.faults.hit("socket-gauge") {
        app.leaked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

async fn send_all(socket: &mut WebSocket, answers: Vec<String>) -> bool {
    for answer in answers {
        if socket.send(Message::Text(answer.into())).await.is_err() {
            return false;
        }
    }
    true
}

async fn hear(app: &App, user: &User, id: u64, text: &str) -> Vec<String> {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    let mut store = app.store.lock().await;
    if let Some(note) = message.get("subscribe").and_then(Value::as_str) {
        let found = store
            .note(note)
            .filter(|note| note.readable_by(user.id) || app.faults.hit("ws-subscribe"));
        if found.is_none() {
            return vec![json!({"type": "error", "code": "not_found"}).to_string()];
        }
        if let Some(socket) = store.sockets.get_mut(&id) {
            socket.notes.insert(note.to_owned());
        }
        return vec![json!({"type": "subscribed", "note": note}).to_string()];
    }
    if let Some(token) = message.get("resume").and_then(Value::as_str) {
        let left = store
            .left
            .get(token)
            .filter(|left| left.user == user.id || app.faults.hit("ws-resume"));
        let Some(left) = left else {
            return vec![json!({"type": "error", "code": "not_found"}).to_string()];
        };
        return left
            .frames
            .iter()
            .cloned()
            .chain([json!({"type": "resumed"}).to_string()])
            .collect();
    }
    vec![json!({"type": "error", "code": "not_understood"}).to_string()]
}

/// The event stream of one note.
pub async fn stream(call: &Call, id: &str) -> Result<Response, Answer> {
    let user = call.caller()?;
    let mut store = call.app.store.lock().await;
    let note = store
        .note(id)
        .filter(|note| note.readable_by(user.id) || call.hit("sse-subscribe"));
    let notes = BTreeSet::from([note.ok_or_else(Answer::not_found)?.id.clone()]);
    let session = call.session.clone().unwrap_or_default();
    let (_, _, frames) = open(&call.app, &mut store, user, &session, notes);
    let hello = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b": open\n\n")) });
    let events = stream::unfold((frames, call.app.stop.clone()), |(mut frames, stop)| async move {
        let frame = tokio::select! { () = stop.cancelled() => None, frame = frames.recv() => frame }?;
        Some((Ok(Bytes::from(format!("data: {frame}\n\n"))), (frames, stop)))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(hello, events));
    let response = Response::builder()
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-store");
    response
        .body(body)
        .map_err(|_| Answer::error(500, "internal", "internal error"))
}
