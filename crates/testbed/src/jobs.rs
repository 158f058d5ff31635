//! Exports and jobs: work with a state that is asked for later, three at a time for each user.

use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::store::Job;

/// Jobs of one user that may be unfinished or failed without release.
const SLOTS: usize = 3;

/// Exports the caller's notes.
pub async fn export(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let mut store = call.app.store.lock().await;
    let all = call.hit("export-all");
    let rows = store
        .notes
        .values()
        .filter(|note| !note.deleted && (all || note.owner == user.id));
    let text: Vec<String> = rows
        .map(|note| format!("{},{},{}", note.id, note.title, note.body))
        .collect();
    let (id, file) = (store.number(), format!("export-{}.csv", store.token()));
    let job = Job {
        id,
        owner: user.id,
        export: true,
        file,
        status: "done",
        result: text.join("\n"),
    };
    let answer = Answer::json(202, &view(&job));
    store.jobs.insert(id, job);
    Ok(answer)
}

/// The file of an export, by its unguessable name.
pub async fn file(call: &Call, name: &str) -> Result<Answer, Answer> {
    let store = call.app.store.lock().await;
    let open = call.hit("export-file");
    if !open {
        call.caller()?;
    }
    let user = call.user.as_ref().map_or(0, |user| user.id);
    let job = store.jobs.values().find(|job| job.file == name && job.export);
    let job = job
        .filter(|job| job.owner == user || open)
        .ok_or_else(Answer::not_found)?;
    Ok(Answer::text(200, job.result.clone()))
}

/// Starts a job that gives its input back; an input of `fail` fails.
pub async fn start(call: &Call) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let mut store = call.app.store.lock().await;
    if store.slots.get(&user.id).copied().unwrap_or(0) >= SLOTS {
        return Err(Answer::error(409, "no_slot", "three jobs of yours are running"));
    }
    let input = call.field("input");
    let failed = input == "fail";
    if failed && call.hit("job-slots") {
        *store.slots.entry(user.id).or_default() += 1;
    }
    let before = std::mem::replace(&mut store.spoiled.result, input.clone());
    let result = if call.hit("job-result") { before } else { input };
    let id = store.number();
    let status = if failed { "failed" } else { "done" };
    let claimed = call.claimed_owner("/owner_id", "owner-form");
    let job = Job {
        id,
        owner: claimed.unwrap_or(user.id),
        export: false,
        file: String::new(),
        status,
        result,
    };
    let answer = Answer::json(202, &json!({"id": id, "status": "queued"}));
    store.jobs.insert(id, job);
    Ok(answer)
}

/// The state of the caller's job or export.
pub async fn read(call: &Call, id: &str, export: bool) -> Result<Answer, Answer> {
    let user = call.caller()?;
    let store = call.app.store.lock().await;
    let job = id
        .parse()
        .ok()
        .and_then(|id: u64| store.jobs.get(&id))
        .filter(|job| job.export == export);
    let job = job.ok_or_else(Answer::not_found)?;
    if job.owner != user.id && (export || !call.hit("job-any")) {
        return Err(Answer::not_found());
    }
    Ok(Answer::json(200, &view(job)))
}

fn view(job: &Job) -> Value {
    if job.export {
        return json!({"id": job.id, "status": job.status, "file": job.file});
    }
    json!({"id": job.id, "status": job.status, "result": job.result})
}
