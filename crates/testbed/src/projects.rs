//! Projects and their tasks: a resource within a resource, with numbered ids.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::store::{Project, Store};

/// Creates a project of the caller's.
pub async fn create(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let mut store = call.app.store.lock().await;
    let id = store.number();
    let claimed = call
        .claimed_owner("/data/attributes/owner_id", "owner-nested")
        .or_else(|| call.claimed_owner("/data/relationships/owner/data/id", "owner-relation"));
    let project = Project {
        id,
        owner: claimed.unwrap_or(user.id),
        name: call.field("name"),
        tasks: Default::default(),
        members: Default::default(),
    };
    let answer = Answer::json(201, &view(&project));
    store.projects.insert(id, project);
    Ok(answer)
}

/// The caller's projects.
pub async fn list(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let store = call.app.store.lock().await;
    let data: Vec<_> = store
        .projects
        .values()
        .filter(|project| readable(project, user.id))
        .map(view)
        .collect();
    Ok(Answer::json(200, &json!({ "data": data })))
}

/// One project, for its owner and its members.
pub async fn read(call: &Call, id: &str) -> Result<Answer, Answer> {
    let user = call.caller()?.id;
    let store = call.app.store.lock().await;
    let project = id.parse().ok().and_then(|id: u64| store.projects.get(&id));
    let project = project.filter(|project| readable(project, user));
    Ok(Answer::json(200, &view(project.ok_or_else(Answer::not_found)?)))
}

fn readable(project: &Project, user: u64) -> bool {
    project.owner == user || project.members.contains(&user)
}

/// Offers somebody a membership; he decides.
pub async fn invite(call: &Call, id: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let project = own(call, &store, id, "")?.id;
    let invited = store.user_named(&call.field("username")).map(|user| user.id);
    let invited = invited.ok_or_else(|| Answer::error(422, "invalid", "no such user"))?;
    let invitation = store.number();
    store.invitations.insert(invitation, (project, invited));
    Ok(Answer::json(201, &json!({ "id": invitation })))
}

/// Accepts an invitation, as the invited.
pub async fn accept(call: &Call, id: &str) -> Result<Answer, Answer> {
    let user = call.caller()?.id;
    let mut store = call.app.store.lock().await;
    let id: u64 = id.parse().map_err(|_| Answer::not_found())?;
    let invitation = store.invitations.get(&id).copied();
    let invitation = invitation.filter(|(_, invited)| *invited == user || call.hit("accept-any"));
    let (project, _) = invitation.ok_or_else(Answer::not_found)?;
    store.invitations.remove(&id);
    let project = store.projects.get_mut(&project).ok_or_else(Answer::not_found)?;
    project.members.insert(user);
    Ok(Answer::json(200, &json!({ "accepted": true })))
}

/// Ends a membership, as the owner.
pub async fn dismiss(call: &Call, id: &str, name: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let project = own(call, &store, id, "")?.id;
    let member = store.user_named(name).map(|user| user.id);
    let member = member.ok_or_else(Answer::not_found)?;
    let project = store.projects.get_mut(&project).ok_or_else(Answer::not_found)?;
    project.members.remove(&member);
    Ok(Answer::json(204, &Value::Null))
}

/// Deletes a project with its tasks.
pub async fn delete(call: &Call, id: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let id = own(call, &store, id, "")?.id;
    store.projects.remove(&id);
    Ok(Answer::json(204, &Value::Null))
}

/// Adds a task to the caller's project.
pub async fn create_task(call: &Call, project: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let project = own(call, &store, project, "nested-create")?.id;
    let (task, title) = (store.number(), call.field("title"));
    let project = store.projects.get_mut(&project).ok_or_else(Answer::not_found)?;
    project.tasks.insert(task, title.clone());
    Ok(Answer::json(201, &json!({"id": task, "title": title})))
}

/// The tasks of the caller's project.
pub async fn tasks(call: &Call, project: &str) -> Result<Answer, Answer> {
    let store = call.app.store.lock().await;
    let project = own(call, &store, project, "nested-list")?;
    let data: Vec<_> = project
        .tasks
        .iter()
        .map(|(id, title)| json!({"id": id, "title": title}))
        .collect();
    Ok(Answer::json(200, &json!({ "data": data })))
}

/// One task of the caller's project.
pub async fn task(call: &Call, project: &str, task: &str) -> Result<Answer, Answer> {
    let store = call.app.store.lock().await;
    let project = own(call, &store, project, "")?;
    let id: u64 = task.parse().map_err(|_| Answer::not_found())?;
    let mut title = project.tasks.get(&id);
    if title.is_none() && call.hit("nested-child") {
        title = store.projects.values().find_map(|project| project.tasks.get(&id));
    }
    let title = title.ok_or_else(Answer::not_found)?;
    Ok(Answer::json(200, &json!({"id": id, "title": title})))
}

/// Changes one task.
pub async fn update_task(call: &Call, project: &str, task: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let project = own(call, &store, project, "")?.id;
    let id: u64 = task.parse().map_err(|_| Answer::not_found())?;
    let project = store.projects.get_mut(&project).ok_or_else(Answer::not_found)?;
    let title = project.tasks.get_mut(&id).ok_or_else(Answer::not_found)?;
    *title = call.field("title");
    Ok(Answer::json(200, &json!({"id": id, "title": title})))
}

/// Deletes one task.
pub async fn delete_task(call: &Call, project: &str, task: &str) -> Result<Answer, Answer> {
    let mut store = call.app.store.lock().await;
    let project = own(call, &store, project, "")?.id;
    let id: u64 = task.parse().map_err(|_| Answer::not_found())?;
    let project = store.projects.get_mut(&project).ok_or_else(Answer::not_found)?;
    project.tasks.remove(&id).ok_or_else(Answer::not_found)?;
    Ok(Answer::json(204, &Value::Null))
}

/// The project if it is the caller's, or if the named fault happens.
fn own<'a>(call: &Call, store: &'a Store, id: &str, fault: &str) -> Result<&'a Project, Answer> {
    let user = call.caller()?;
    let project = id
        .parse()
        .ok()
        .and_then(|id: u64| store.projects.get(&id))
        .ok_or_else(Answer::not_found)?;
    if project.owner != user.id && (fault.is_empty() || !call.hit(fault)) {
        return Err(Answer::not_found());
    }
    Ok(project)
}

fn view(project: &Project) -> Value {
    json!({"id": project.id, "name": project.name, "tasks": project.tasks.len()})
}
