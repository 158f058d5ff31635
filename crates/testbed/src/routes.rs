//! Which route answers what, and the routes of the service about itself.

use std::sync::atomic::Ordering;

use crate::call::{Answer, Call};
use crate::store::Store;
use crate::{accounts, jobs, notes, openapi, projects};

/// Finds the route of a call and has it answer.
pub async fn route(call: &Call) -> Result<Answer, Answer> {
    let path = call.path.trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("POST", ["register"]) => accounts::register(call).await,
        ("POST", ["login"]) => accounts::login(call).await,
        ("POST", ["logout"]) => accounts::logout(call).await,
        ("GET", ["me"]) => accounts::me(call).await,
        ("GET", ["me", file]) if call.app.faults.on("cache-suffix") => suffix(call, file).await,
        ("PATCH", ["me"]) => accounts::update_me(call).await,
        ("DELETE", ["me"]) => accounts::delete_me(call).await,
        ("GET", ["users", id]) => accounts::user(call, id).await,
        ("GET", ["notifications"]) => accounts::notifications(call).await,
        ("GET", ["admin", "users"]) => accounts::admin_users(call).await,
        ("PATCH", ["admin", "users", id]) => accounts::admin_role(call, id).await,
        ("GET", ["public", "notes"]) => notes::public(call).await,
        (_, ["notes", ..]) => route_notes(call, &parts[1..]).await,
        (_, ["projects", ..]) => route_projects(call, &parts[1..]).await,
        ("POST", ["invitations", id, "accept"]) => projects::accept(call, id).await,
        ("POST", ["exports"]) => jobs::export(call).await,
        ("GET", ["exports", id]) => jobs::read(call, id, true).await,
        ("GET", ["files", name]) => jobs::file(call, name).await,
        ("POST", ["jobs"]) => jobs::start(call).await,
        ("GET", ["jobs", id]) => jobs::read(call, id, false).await,
        ("GET", ["health"]) => Ok(health(call, &*call.app.store.lock().await)),
        ("GET", ["metrics"]) => Ok(metrics(call, &*call.app.store.lock().await)),
        ("GET", ["version"]) => Ok(Answer::text(200, env!("CARGO_PKG_VERSION").into())),
        ("GET", ["openapi.json"]) => Ok(Answer::json(200, &openapi::document())),
        _ => Err(Answer::not_found()),
    }
}

async fn route_notes(call: &Call, parts: &[&str]) -> Result<Answer, Answer> {
    match (call.method.as_str(), parts) {
        ("POST", []) => notes::create(call).await,
        ("GET", []) => notes::list(call).await,
        ("GET", ["count"]) => notes::count(call).await,
        ("GET", ["search"]) => notes::search(call).await,
        ("GET", ["suggest"]) => notes::suggest(call).await,
        ("GET" | "HEAD", [id]) => notes::read(call, id).await,
        ("PUT" | "PATCH", [id]) => notes::update(call, id).await,
        ("DELETE", [id]) => notes::delete(call, id).await,
        ("POST", [id, "shares"]) => notes::share(call, id).await,
        ("DELETE", [id, "shares", name]) => notes::unshare(call, id, name).await,
        ("POST", [id, "publish"]) => notes::publish(call, id).await,
        _ => Err(Answer::not_found()),
    }
}

async fn route_projects(call: &Call, parts: &[&str]) -> Result<Answer, Answer> {
    match (call.method.as_str(), parts) {
        ("POST", []) => projects::create(call).await,
        ("GET", []) => projects::list(call).await,
        ("GET", [id]) => projects::read(call, id).await,
        ("DELETE", [id]) => projects::delete(call, id).await,
        ("POST", [id, "invitations"]) => projects::invite(call, id).await,
        ("DELETE", [id, "members", name]) => projects::dismiss(call, id, name).await,
        ("POST", [id, "tasks"]) => projects::create_task(call, id).await,
        ("GET", [id, "tasks"]) => projects::tasks(call, id).await,
        ("GET", [id, "tasks", task]) => projects::task(call, id, task).await,
        ("PUT", [id, "tasks", task]) => projects::update_task(call, id, task).await,
        ("DELETE", [id, "tasks", task]) => projects::delete_task(call, id, task).await,
        _ => Err(Answer::not_found()),
    }
}

/// A planted static-file cache: what ends like a file is kept for everybody.
async fn suffix(call: &Call, file: &str) -> Result<Answer, Answer> {
    if !file.contains('.') {
        return Err(Answer::not_found());
    }
    let answer = accounts::me(call).await?;
    call.app
        .store
        .lock()
        .await
        .spoiled
        .static_files
        .insert(call.path.clone(), answer.body.clone());
    Ok(answer)
}

fn health(call: &Call, store: &Store) -> Answer {
    let last = if call.hit("health-user") {
        store.spoiled.email.as_str()
    } else {
        ""
    };
    Answer::text(200, format!("ok {last}"))
}

fn metrics(call: &Call, store: &Store) -> Answer {
    let open = store
        .sockets
        .values()
        .filter(|socket| !socket.frames.is_closed())
        .count();
    let leaked = call.app.leaked.load(Ordering::Relaxed);
    let mut text = format!(
        "app_sockets_open {}\napp_notes_total {}\n",
        open as i64 + leaked,
        store.notes.len()
    );
    if call.hit("metrics-title") {
        text.push_str(&format!("app_last_note{{title=\"{}\"}} 1\n", store.spoiled.title));
    }
    Answer::text(200, text)
}
