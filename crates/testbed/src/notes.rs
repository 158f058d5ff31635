//! Notes: create, read, list, search, count, change, share, publish, delete.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::live;
use crate::store::{Note, Store};

/// Creates a note of the caller's.
pub async fn create(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let (title, body) = (call.field("title"), call.field("body"));
    if title.is_empty() {
        return Err(Answer::error(422, "invalid", "title is needed"));
    }
    let mut store = call.app.store.lock().await;
    let own = call.owner(&store, user);
    let owner = call.claimed_owner("/owner_id", "owner-assign").unwrap_or(own);
    let taken = |store: &Store| {
        let mut others = store.notes.values().filter(|note| note.owner != owner);
        others.any(|note| !note.deleted && note.title == title)
    };
    if call.app.faults.on("exists-title") && taken(&store) && call.hit("exists-title") {
        return Err(Answer::error(409, "taken", "this title is taken"));
    }
    let (seq, id) = (store.number(), store.token());
    store.spoiled.title.clone_from(&title);
    let note = Note {
        id,
        seq,
        owner,
        title,
        body,
        version: 1,
        public: false,
        readers: BTreeSet::new(),
        deleted: false,
    };
    let answer = Answer::json(201, &view(&note)).with("location", format!("/notes/{}", note.id));
    store.keep(note);
    Ok(answer)
}

/// One note, with a validator for conditional requests.
pub async fn read(call: &Call, id: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    if call.user.is_none() && !call.hit("anonymous-read") {
        call.caller()?;
    }
    let caller = call.user.as_ref().map_or(0, |user| call.owner(&store, user));
    let note = store.note(id).cloned().ok_or_else(Answer::not_found)?;
    let etag = format!("\"{}-{}\"", &note.id[..12], note.version);
    let matches = call.header("if-none-match") == Some(&etag);
    if matches && call.hit("cache-validator") {
        return Ok(Answer::json(304, &Value::Null).with("etag", etag));
    }
    let open = call.hit("read-any") || (call.user.is_none() && call.app.faults.on("anonymous-read"));
    let cached = note.deleted && note.owner == caller && call.hit("cache-deleted");
    if !(note.readable_by(caller) || cached || (open && !note.deleted)) {
        drop(store);
        let delay = call.app.options.foreign_delay;
        // Even a sleep of no length takes a millisecond.
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        return Err(absent(call, &note, &etag));
    }
    if matches {
        return Ok(Answer::json(304, &Value::Null).with("etag", etag));
    }
    let mut shown = view(&note);
    if call.hit("read-blank") {
        shown["title"] = Value::from("");
        shown["body"] = Value::from("");
    }
    spoil(call, &mut store, &note, &mut shown);
    Ok(Answer::json(200, &shown).with("etag", etag))
}

/// What is somebody else's is absent, unless an oracle is planted.
fn absent(call: &Call, note: &Note, etag: &str) -> Answer {
    if note.deleted {
        return Answer::not_found();
    }
    if call.hit("exists-status") {
        return Answer::error(403, "forbidden", "not yours");
    }
    if call.hit("exists-body") {
        return Answer::error(404, "not_found", "not found in your notes");
    }
    if call.hit("exists-header") {
        return Answer::not_found().with("etag", etag);
    }
    Answer::not_found()
}

/// Plants the tail of a longer text behind a shorter one.
fn spoil(call: &Call, store: &mut Store, note: &Note, shown: &mut Value) {
    if !call.app.faults.on("buffer-tail") {
        return;
    }
    let mut text = note.body.clone();
    let old = std::mem::take(&mut store.spoiled.buffer);
    if let Some(tail) = old.get(text.len()..).filter(|_| call.hit("buffer-tail")) {
        text.push_str(tail);
    }
    store.spoiled.buffer = text.clone();
    shown["body"] = text.into();
}

/// The caller's notes and those shared with him, by cursor.
pub async fn list(call: &Call) -> Result<Answer, Answer> {
    if call.user.is_none() && call.hit("anonymous-list") {
        let store = call.app.store.lock().await;
        let data: Vec<_> = store
            .notes
            .values()
            .filter(|note| !note.deleted)
            .map(view)
            .collect();
        return Ok(Answer::json(200, &json!({ "data": data })));
    }
    let user = call.caller()?;
    let mut owner = user.id;
    if call.hit("global-filter") {
        owner = call.app.across_await(owner).await;
    }
    let store = call.app.store.lock().await;
    let number = |name: &str| call.query.get(name).and_then(|text| text.parse().ok());
    let limit = number("limit").unwrap_or(20);
    let cursor = call.query.get("cursor").map_or("", String::as_str);
    let (cursor_owner, after) = cursor.split_once('.').unwrap_or(("", "0"));
    let after: u64 = after
        .parse()
        .map_err(|_| Answer::error(422, "invalid", "this cursor is no cursor"))?;
    if let Some(other) = number("user_id").filter(|_| call.hit("query-owner")) {
        owner = other as u64;
    } else if let Some(other) = cursor_owner.parse().ok().filter(|_| call.hit("cursor-owner")) {
        owner = other;
    } else if owner == user.id {
        owner = call.owner(&store, user);
    }
    let after = Page {
        owner,
        after,
        limit: limit.clamp(1, 1000),
        greedy: limit >= 1000,
    };
    Ok(page(call, &store, &after))
}

/// What a list was asked for.
struct Page {
    owner: u64,
    after: u64,
    limit: usize,
    greedy: bool,
}

fn page(call: &Call, store: &Store, asked: &Page) -> Answer {
    let Page {
        owner,
        after,
        limit,
        greedy,
    } = *asked;
    let everybody = call.hit("list-all") || (greedy && call.hit("page-size"));
    let past = after > 0 && call.hit("page-overflow");
    let deleted = call.hit("deleted-list");
    let visible = |note: &&Note| {
        let mine = note.owner == owner || note.readers.contains(&owner);
        (!note.deleted && (mine || everybody || past)) || (note.deleted && deleted && note.owner == owner)
    };
    let rows: Vec<&Note> = store
        .notes
        .values()
        .filter(|note| note.seq > after)
        .filter(visible)
        .take(limit + 1)
        .collect();
    let page = &rows[..rows.len().min(limit)];
    let total = store.notes.values().filter(visible).count();
    let total = if call.hit("total-all") {
        store.notes.len()
    } else {
        total
    };
    let last = page.last().map(|note| format!("{owner}.{}", note.seq));
    let next = last.filter(|_| rows.len() > page.len() || call.app.faults.on("page-overflow"));
    let data: Vec<_> = page.iter().map(|note| view(note)).collect();
    Answer::json(200, &json!({"data": data, "total": total, "next": next}))
}

/// How many notes the caller has.
pub async fn count(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let store = call.app.store.lock().await;
    let all = call.hit("count-all");
    let count = store
        .notes
        .values()
        .filter(|note| !note.deleted && (all || note.owner == user.id))
        .count();
    Ok(Answer::json(200, &json!({ "count": count })))
}

/// Notes that contain a word.
pub async fn search(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let word = call
        .query
        .get("q")
        .map(|word| word.to_lowercase())
        .unwrap_or_default();
    let store = call.app.store.lock().await;
    let owner = call.owner(&store, user);
    let (all, deleted) = (call.hit("search-all"), call.hit("deleted-search"));
    let found = store.notes.values().filter(|note| contains(note, &word));
    let found: Vec<&Note> = found.filter(|note| deleted || !note.deleted).collect();
    let mine = found
        .iter()
        .filter(|note| all || note.owner == owner || note.readers.contains(&owner));
    let data: Vec<_> = mine.map(|note| view(note)).collect();
    let total = if call.hit("search-count") {
        found.len()
    } else {
        data.len()
    };
    Ok(Answer::json(200, &json!({"data": data, "total": total})))
}

fn contains(note: &Note, word: &str) -> bool {
    note.title.to_lowercase().contains(word) || note.body.to_lowercase().contains(word)
}

/// Titles that begin with what was typed.
pub async fn suggest(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let typed = call.query.get("q").cloned().unwrap_or_default();
    let store = call.app.store.lock().await;
    let all = call.hit("suggest-all");
    let mine = store
        .notes
        .values()
        .filter(|note| !note.deleted && (all || note.owner == user.id));
    let titles: Vec<_> = mine
        .filter(|note| note.title.starts_with(&typed))
        .map(|note| &note.title)
        .collect();
    Ok(Answer::json(200, &json!({ "suggestions": titles })))
}

/// Notes that were published; no login is needed.
pub async fn public(call: &Call) -> Result<Answer, Answer> {
    let store = call.app.store.lock().await;
    let notes = store
        .notes
        .values()
        .rev()
        .filter(|note| note.public && !note.deleted)
        .take(50);
    let data: Vec<_> = notes.map(view).collect();
    Ok(Answer::json(200, &json!({ "data": data })).with("cache-control", "public, max-age=5"))
}

/// Replaces (PUT) or changes (PATCH) the caller's note.
pub async fn update(call: &Call, id: &str) -> Result<Answer, Answer> {
    let fault = if call.method == "PUT" {
        "update-any"
    } else {
        "patch-any"
    };
    let user = call.caller()?.clone();
    let mut store = call.app.store.lock().await;
    let inner = call.field("id");
    let (id, other) = if !inner.is_empty() && call.hit("body-id") {
        (inner.as_str(), true)
    } else {
        (id, false)
    };
    let owner = call.owner(&store, &user);
    let spoiled = other || call.hit(fault);
    let note = store
        .note_mut(id)
        .filter(|note| !note.deleted && (note.owner == owner || spoiled));
    let note = note.ok_or_else(Answer::not_found)?;
    if call.body.get("title").is_some() {
        note.title = call.field("title");
    }
    if call.body.get("body").is_some() {
        note.body = call.field("body");
    }
    if let Some(other) = call.claimed_owner("/owner_id", "owner-update") {
        note.owner = other;
    }
    note.version += 1;
    let note = note.clone();
    live::publish(call, &mut store, &note);
    Ok(Answer::json(200, &view(&note)))
}

/// Deletes the caller's note.
pub async fn delete(call: &Call, id: &str) -> Result<Answer, Answer> {
    let user = call.caller()?.clone();
    let mut store = call.app.store.lock().await;
    let owner = call.owner(&store, &user);
    let any = call.hit("delete-any");
    let note = store
        .note_mut(id)
        .filter(|note| !note.deleted && (note.owner == owner || any));
    note.ok_or_else(Answer::not_found)?.deleted = true;
    Ok(Answer::json(204, &Value::Null))
}

/// Gives a named user the right to read.
pub async fn share(call: &Call, id: &str) -> Result<Answer, Answer> {
    let user = call.caller()?.clone();
    let mut store = call.app.store.lock().await;
    let any = call.hit("share-any");
    let with = store.user_named(&call.field("username")).map(|user| user.id);
    let note = store
        .note_mut(id)
        .filter(|note| !note.deleted && (note.owner == user.id || any));
    let note = note.ok_or_else(Answer::not_found)?;
    let with = with.ok_or_else(|| Answer::error(422, "invalid", "no such user"))?;
    note.readers.insert(with);
    let text = format!("{} shared {}", user.name, note.title);
    store.notices.push((with, id.to_owned(), text));
    Ok(Answer::json(200, &json!({ "shared": true })))
}

/// Takes the right back, and with it the subscriptions that came from it.
pub async fn unshare(call: &Call, id: &str, name: &str) -> Result<Answer, Answer> {
    let user = call.caller()?.clone();
    let mut store = call.app.store.lock().await;
    let with = store
        .user_named(name)
        .map(|user| user.id)
        .ok_or_else(Answer::not_found)?;
    let note = store
        .note_mut(id)
        .filter(|note| note.owner == user.id)
        .ok_or_else(Answer::not_found)?;
    if !call.hit("unshare") {
        note.readers.remove(&with);
    }
    store.notices.retain(|(to, note, _)| *to != with || note != id);
    if !call.hit("ws-revoked") {
        for socket in store.sockets.values_mut().filter(|socket| socket.user == with) {
            socket.notes.remove(id);
        }
    }
    Ok(Answer::json(204, &Value::Null))
}

/// Makes the caller's note public.
pub async fn publish(call: &Call, id: &str) -> Result<Answer, Answer> {
    let user = call.caller()?.clone();
    let mut store = call.app.store.lock().await;
    let any = call.hit("publish-any");
    let note = store
        .note_mut(id)
        .filter(|note| !note.deleted && (note.owner == user.id || any));
    note.ok_or_else(Answer::not_found)?.public = true;
    Ok(Answer::json(200, &json!({ "public": true })))
}

fn view(note: &Note) -> Value {
    json!({"id": note.id, "title": note.title, "body": note.body, "owner_id": note.owner, "public": note.public, "version": note.version})
}
