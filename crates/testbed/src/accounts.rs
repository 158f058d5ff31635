//! Accounts: register, log in and out, the own profile, notifications, and the administrator's area.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::store::{Store, User};

/// Who presents the code of `--setup-code` at registration becomes an administrator.
pub async fn register(call: &Call) -> Result<Answer, Answer> {
    let (name, password) = (call.field("username"), call.field("password"));
    if name.is_empty() || password.len() < 8 {
        return Err(Answer::error(
            422,
            "invalid",
            "username and a password of 8 characters are needed",
        ));
    }
    let mut store = call.app.store.lock().await;
    if store.user_named(&name).is_some() {
        return Err(Answer::error(409, "taken", "this name is taken"));
    }
    let role = if call.field("setup_code") == call.app.options.setup_code {
        "admin"
    } else {
        "user"
    };
    let inherited = store.gone.remove(&name).filter(|_| call.hit("recreated-account"));
    let id = inherited.unwrap_or_else(|| store.number());
    let user = User {
        id,
        email: call.field("email"),
        password,
        role: role.into(),
        bio: String::new(),
        name,
    };
    let view = profile(&user);
    store.users.insert(id, user);
    Ok(Answer::json(201, &view).with("location", format!("/users/{id}")))
}

/// Answers a token and sets it as a cookie too.
pub async fn login(call: &Call) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let user = store
        .user_named(&call.field("username"))
        .filter(|user| user.password == call.field("password"));
    let user = user
        .cloned()
        .ok_or_else(|| Answer::error(401, "bad_login", "wrong name or password"))?;
    let other = store
        .sessions
        .iter()
        .find(|(_, owner)| **owner != user.id)
        .map(|(token, _)| token.clone());
    let token = match other {
        Some(other) if call.hit("session-reuse") => other,
        _ => store.token(),
    };
    let owner = store.sessions.get(&token).copied().unwrap_or(user.id);
    store.sessions.insert(token.clone(), owner);
    store.spoiled.email.clone_from(&user.email);
    store.spoiled.cookie.clone_from(&token);
    let cookie = format!("session={token}; HttpOnly; SameSite=Lax; Path=/");
    Ok(Answer::json(200, &json!({"token": token, "user": profile(&user)})).with("set-cookie", cookie))
}

/// Ends the session and its sockets.
pub async fn logout(call: &Call) -> Result<Answer, Answer> {
    call.caller()?;
    let mut store = call.app.store.lock().await;
    if let Some(session) = &call.session {
        end_session(call, &mut store, session);
    }
    Ok(Answer::json(204, &Value::Null))
}

fn end_session(call: &Call, store: &mut Store, session: &str) {
    if !call.hit("logout") {
        store.sessions.remove(session);
    }
    if !call.hit("ws-logout") {
        store.sockets.retain(|_, socket| socket.session != session);
    }
}

/// Deletes the caller's account with all that is his.
pub async fn delete_me(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let mut store = call.app.store.lock().await;
    if !call.hit("deleted-account") {
        store.sessions.retain(|_, owner| *owner != user.id);
        store.users.remove(&user.id);
    }
    if call.app.faults.on("recreated-account") {
        store.gone.insert(user.name.clone(), user.id);
    } else {
        for note in store.notes.values_mut().filter(|note| note.owner == user.id) {
            note.deleted = true;
        }
        store.projects.retain(|_, project| project.owner != user.id);
        store.jobs.retain(|_, job| job.owner != user.id);
    }
    store.sockets.retain(|_, socket| socket.user != user.id);
    store.notices.retain(|(to, ..)| *to != user.id);
    Ok(Answer::json(204, &Value::Null))
}

/// The caller's own profile.
pub async fn me(call: &Call) -> Result<Answer, Answer> {
    let caller = call.caller()?;
    let store = call.app.store.lock().await;
    let user = store.users.get(&caller.id).unwrap_or(caller);
    Ok(Answer::json(200, &profile(user)))
}

/// Changes the caller's own profile.
pub async fn update_me(call: &Call) -> Result<Answer, Answer> {
    let id = call.caller()?.id;
    let mut store = call.app.store.lock().await;
    let user = store.users.get_mut(&id).ok_or_else(Answer::not_found)?;
    if call.body.get("bio").is_some() {
        user.bio = call.field("bio");
    }
    if call.body.get("role").is_some() && call.hit("role-assign") {
        user.role = call.field("role");
    }
    Ok(Answer::json(200, &profile(user)))
}

/// A user by id: only oneself.
pub async fn user(call: &Call, id: &str) -> Result<Answer, Answer> {
    let caller = call.caller()?;
    let store = call.app.store.lock().await;
    let user = id
        .parse()
        .ok()
        .and_then(|id: u64| store.users.get(&id))
        .ok_or_else(Answer::not_found)?;
    if user.id != caller.id && !call.hit("profile-any") {
        return Err(Answer::not_found());
    }
    Ok(Answer::json(200, &profile(user)))
}

/// What others did that concerns the caller.
pub async fn notifications(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let store = call.app.store.lock().await;
    let all = call.hit("notify-all");
    let mine = store.notices.iter().filter(|(to, ..)| all || *to == user.id);
    let data: Vec<_> = mine.map(|(.., text)| json!({ "text": text })).collect();
    Ok(Answer::json(200, &json!({ "data": data })))
}

/// All users, for administrators. Others are told nothing of who there is.
pub async fn admin_users(call: &Call) -> Result<Answer, Answer> {
    admin(call)?;
    let store = call.app.store.lock().await;
    let data: Vec<_> = store.users.values().map(profile).collect();
    Ok(Answer::json(200, &json!({ "data": data })))
}

/// Renames a user's role, for administrators.
pub async fn admin_role(call: &Call, id: &str) -> Result<Answer, Answer> {
    admin(call)?;
    let mut store = call.app.store.lock().await;
    let user = id
        .parse()
        .ok()
        .and_then(|id: u64| store.users.get_mut(&id))
        .ok_or_else(Answer::not_found)?;
    user.role = call.field("role");
    Ok(Answer::json(200, &profile(user)))
}

fn admin(call: &Call) -> Result<(), Answer> {
    let user = call.caller()?;
    if user.role != "admin" && !call.hit("admin-open") {
        return Err(Answer::error(403, "forbidden", "for administrators"));
    }
    Ok(())
}

fn profile(user: &User) -> Value {
    json!({"id": user.id, "username": user.name, "email": user.email, "role": user.role, "bio": user.bio})
}
