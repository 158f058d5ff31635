//! What the cases do again and again; no case is here.

use domain::tier::Tier;
use serde_json::Value;

use crate::fixture::{Answer, Person, Service};

/// A body without what differs from request to request.
pub fn without_ids(mut body: Value) -> Value {
    for name in ["request_id", "trace_id"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

pub async fn me(service: &Service, person: &Person) -> Answer {
    service
        .as_bearer(&person.token, "GET", "/api/auth/me", None)
        .await
}

/// Makes a key and gives its secret.
pub async fn make_key(service: &Service, person: &Person, body: Value) -> String {
    let made = service
        .as_bearer(&person.token, "POST", "/api/api-keys", Some(body))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["secret"].as_str().unwrap().to_owned()
}

/// The owner as the use cases know him, in this tier.
pub fn context(person: &Person, tier: Tier) -> app::Ctx {
    let caller = domain::caller::Caller {
        user_id: person.user_id.parse().unwrap(),
        workspace_id: person.workspace_id.parse().unwrap(),
        role: domain::identity::Role::Owner,
        tier,
        platform_admin: false,
        credential: domain::caller::Credential::Token(person.session_id.parse().unwrap()),
    };
    app::Ctx {
        caller,
        address: "127.0.0.1".into(),
        request_id: "test".into(),
        meter: db::Meter::counting(),
    }
}

/// Runs `work` in eight tasks at once and counts the successes.
pub async fn eight<F: Future<Output = bool> + Send + 'static>(work: impl Fn(usize) -> F) -> usize {
    let tasks: Vec<_> = (0..8).map(|number| tokio::spawn(work(number))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += usize::from(task.await.unwrap());
    }
    sum
}
