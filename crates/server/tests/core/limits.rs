//! What a tier allows and what operations cost, met through HTTP: at the limit, and one over.

use std::time::Duration;

use db::Engine;
use domain::{
    credits::CostedOperation,
    tier::{Limit, Tier},
};
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::{PASSWORD, Person, Service},
};
use workers::jobs::{JobConfig, JobRunner};

fn told(body: &Value) -> (Value, Value, Value, Value) {
    (
        body["code"].clone(),
        body["limit"].clone(),
        body["used"].clone(),
        body["allowed"].clone(),
    )
}

fn over(limit: &str, allowed: u64) -> (Value, Value, Value, Value) {
    (
        json!("limit_exceeded"),
        json!(limit),
        json!(allowed),
        json!(allowed),
    )
}

async fn basic(engine: Engine) -> Service {
    Service::start_with(engine, |config| config.default_tier = Tier::Basic).await
}

pub async fn a_tier_bounds_the_items_of_a_month(engine: Engine) {
    let service = basic(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let used = store::usage::count(
        ana.workspace_id.parse().unwrap(),
        Limit::ItemsPerMonth,
        "2027-01",
        999,
        1_000,
    );
    service.db.run(&db::Scope::system(), vec![used]).await.unwrap();
    let item = || json!({"identifiers": [ear_tag("A-1")]});
    let path = "/api/items/local";
    service.expect(201, &ana, "POST", path, item()).await;
    let refused = service.expect(403, &ana, "POST", path, item()).await;
    assert_eq!(told(&refused), over("items_per_month", 1_000), "{refused}");
    let list = service.get(&ana, "/api/items/local?with_total=true").await.body;
    assert_eq!(list["total"], 1, "a refused one is not there: {list}");
    service.expect(201, &bia, "POST", path, item()).await;
    service.clock.pass(Duration::from_secs(20 * 24 * 3_600));
    let ana = service.sign_in("ana", PASSWORD).await;
    service.expect(201, &ana, "POST", path, item()).await;
}

pub async fn an_item_that_is_divided_counts_for_its_parts(engine: Engine) {
    let service = basic(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let tags: Vec<_> = ["A-1", "A-2", "A-3"].map(ear_tag).into();
    let item = json!({"identifiers": tags, "local_id": "herd"});
    service.expect(201, &ana, "POST", "/api/items/local", item).await;
    let dfid = text(&service.push(&ana, &circuit, "herd").await.body, "dfid");
    let used = |used| {
        let workspace = ana.workspace_id.parse().unwrap();
        store::usage::count(workspace, Limit::ItemsPerMonth, "2027-01", used, 1_000)
    };
    service
        .db
        .run(&db::Scope::system(), vec![used(998)])
        .await
        .unwrap();
    let path = format!("/api/items/{dfid}/split");
    let item = service.get(&ana, &format!("/api/items/{dfid}")).await.body;
    let tags = item["identifiers"].as_array().unwrap();
    let part = |tag: &Value| json!({"identifiers": [{"namespace": tag["namespace"], "key": tag["key"], "value": tag["value"]}]});
    let parts = |count| json!({"parts": tags[..count].iter().map(part).collect::<Vec<_>>()});
    let refused = service.expect(403, &ana, "POST", &path, parts(2)).await;
    assert_eq!(
        (&refused["limit"], &refused["used"], &refused["allowed"]),
        (&json!("items_per_month"), &json!(999), &json!(1_000)),
        "{refused}"
    );
    let items = async || service.get(&ana, "/api/items?with_total=true").await.body["total"].clone();
    assert_eq!(items().await, 1, "nothing was divided");
    service.expect(201, &ana, "POST", &path, parts(1)).await;
    assert_eq!(items().await, 2);
}

pub async fn a_tier_bounds_the_circuits_in_use(engine: Engine) {
    let service = basic(engine).await;
    let ana = service.person("ana").await;
    let mut last = String::new();
    for _ in 0..5 {
        last = service.circuit(&ana, json!({})).await;
    }
    let refuse = async || {
        let refused = service
            .expect(403, &ana, "POST", "/api/circuits", json!({"name": "One more"}))
            .await;
        assert_eq!(told(&refused), over("circuits", 5), "{refused}");
    };
    refuse().await;
    // Archiving makes room, once.
    for _ in 0..2 {
        service
            .expect(200, &ana, "PATCH", &last, json!({"status": "archived"}))
            .await;
    }
    service.circuit(&ana, json!({})).await;
    refuse().await;
}

pub async fn a_tier_bounds_the_calls_of_programs(engine: Engine) {
    let service = basic(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let mut keys = Vec::new();
    for (who, name) in [(&ana, "one"), (&ana, "two"), (&bia, "other")] {
        let body = json!({"name": name, "scopes": ["items:read"]});
        let made = service.expect(201, who, "POST", "/api/api-keys", body).await;
        keys.push(text(&made, "secret"));
    }
    let call = async |key: &str| {
        service
            .send("GET", "/api/items", &[("x-api-key", key)], None)
            .await
    };
    for number in 0..100 {
        let answer = call(&keys[number % 2]).await;
        assert_eq!(answer.status, 200, "call {number}: {}", answer.body);
    }
    let refused = call(&keys[0]).await;
    assert_eq!(
        (refused.status, told(&refused.body)),
        (403, over("api_calls_per_hour", 100)),
        "{}",
        refused.body
    );
    assert_eq!(
        refused.headers["retry-after"], "36",
        "one of a hundred in an hour"
    );
    assert_eq!(refused.headers["ratelimit-policy"], "\"default\";q=100;w=3600");
    assert_eq!(call(&keys[2]).await.status, 200, "another workspace has its own");
    assert_eq!(service.get(&ana, "/api/items").await.status, 200, "people go on");
    service.clock.pass(Duration::from_secs(36));
    assert_eq!(call(&keys[1]).await.status, 200);
    assert_eq!(call(&keys[1]).await.status, 403);
}

/// A service where one kind of operation costs so much, ana with so many credits, and the amounts that moved since.
async fn costly(engine: Engine, operation: CostedOperation, cost: u64, credits: u64) -> (Service, Person) {
    let service = Service::start_with(engine, |config| {
        config.costs.set(operation, Tier::Enterprise, cost);
    })
    .await;
    let (root, ana) = (service.admin().await, service.person("ana").await);
    let path = format!("/api/admin/users/{}/credits", ana.user_id);
    let grant = json!({"amount": credits, "reason": "welcome"});
    let granted = service.send_as(&root, "POST", &path, grant).await;
    assert_eq!(granted.body["balance"], credits, "{}", granted.body);
    (service, ana)
}

/// What was paid and given back, the oldest first, after the grant.
async fn moved(service: &Service, person: &Person) -> Vec<i64> {
    let history = service.get(person, "/api/credits/history?limit=100").await.body;
    let entries = history["data"].as_array().unwrap();
    let amounts = entries.iter().map(|entry| entry["amount"].as_i64().unwrap());
    amounts.rev().skip(1).collect()
}

pub async fn each_recorded_event_is_paid_once(engine: Engine) {
    let (service, ana) = costly(engine, CostedOperation::EventCreate, 2, 11).await;
    let event = |id: &str| json!({"event_type": "weighed", "client_event_id": id});
    let path = "/api/events";
    service.expect(201, &ana, "POST", path, event("a")).await;
    service.expect(200, &ana, "POST", path, event("a")).await;
    assert_eq!(
        moved(&service, &ana).await,
        [-2],
        "what is known is not paid again"
    );
    let bulk = |ids: &[&str]| json!({"events": ids.iter().map(|id| event(id)).collect::<Vec<_>>()});
    let path = "/api/events/bulk";
    service
        .expect(201, &ana, "POST", path, bulk(&["a", "b", "c", "b"]))
        .await;
    assert_eq!(moved(&service, &ana).await, [-2, -4], "two of them were new");
    let refused = service
        .expect(402, &ana, "POST", path, bulk(&["d", "e", "f"]))
        .await;
    assert_eq!(
        (&refused["cost"], &refused["balance"]),
        (&json!(6), &json!(5)),
        "{refused}"
    );
    service.expect(201, &ana, "POST", path, bulk(&["a", "b"])).await;
    let events = async || service.get(&ana, "/api/events?with_total=true").await.body["total"].clone();
    assert_eq!(events().await, 3, "all or none");

    let item = json!({"identifiers": [ear_tag("C-1")], "local_id": "cow"});
    service.expect(201, &ana, "POST", "/api/items/local", item).await;
    service
        .expect(
            404,
            &ana,
            "POST",
            "/api/items/local/none/events",
            json!({"event_type": "born"}),
        )
        .await;
    service
        .expect(
            201,
            &ana,
            "POST",
            "/api/items/local/cow/events",
            json!({"event_type": "born"}),
        )
        .await;
    assert_eq!(
        moved(&service, &ana).await,
        [-2, -4, -2],
        "that of no item was not kept"
    );
    let circuit = service.circuit(&ana, json!({})).await;
    service.push(&ana, &circuit, "cow").await;
    let sent = service
        .expect(200, &ana, "POST", "/api/items/local/cow/push-events", json!({}))
        .await;
    assert_eq!(sent["moved"], 1, "{sent}");
    assert_eq!(
        moved(&service, &ana).await,
        [-2, -4, -2],
        "moving it was paid with it"
    );
    service.expect(201, &ana, "POST", "/api/events", event("g")).await;
    for path in ["/api/events", "/api/items/local/cow/events"] {
        let refused = service.expect(402, &ana, "POST", path, event("h")).await;
        assert_eq!(
            (&refused["cost"], &refused["balance"]),
            (&json!(2), &json!(1)),
            "{path}: {refused}"
        );
    }
    service.expect(200, &ana, "POST", "/api/events", event("a")).await;
    assert_eq!(
        events().await,
        6,
        "the push left one of its own, which is part of its price"
    );
}

pub async fn events_paid_together_never_overdraw(engine: Engine) {
    let (service, ana) = costly(engine, CostedOperation::EventCreate, 10, 55).await;
    let record = async |_| {
        let answer = service
            .send_as(&ana, "POST", "/api/events", json!({"event_type": "tick"}))
            .await;
        answer.status
    };
    let answers = futures_util::future::join_all((0..16).map(record)).await;
    let count = |status| answers.iter().filter(|one| **one == status).count();
    assert_eq!((count(201), count(402)), (5, 11), "{answers:?}");
    assert_eq!(service.get(&ana, "/api/credits").await.body["balance"], 5);
    let events = service.get(&ana, "/api/events?with_total=true").await.body;
    assert_eq!(events["total"], 5);
}

pub async fn an_export_is_paid_and_comes_back_if_nothing_comes_of_it(engine: Engine) {
    let (service, ana) = costly(engine, CostedOperation::Export, 5, 12).await;
    service
        .expect(201, &ana, "POST", "/api/events", json!({"event_type": "born"}))
        .await;
    let start = async || {
        let job = service
            .expect(201, &ana, "POST", "/api/jobs", json!({"kind": "export"}))
            .await;
        format!("/api/jobs/{}", text(&job, "id"))
    };
    let told = async |path: String, status| service.expect(status, &ana, "POST", &path, json!({})).await;
    let job = start().await;
    assert_eq!(moved(&service, &ana).await, [-5], "paid when it is asked for");
    told(format!("{job}/cancel"), 200).await;
    told(format!("{job}/cancel"), 409).await;
    assert_eq!(moved(&service, &ana).await, [-5, 5], "cancelled before it ran");
    told(format!("{job}/retry"), 200).await;
    told(format!("{job}/retry"), 409).await;
    assert_eq!(
        moved(&service, &ana).await,
        [-5, 5, -5],
        "begun again, paid again"
    );
    let hopeless = JobConfig {
        attempts: 0,
        ..JobConfig::default()
    };
    let fail = JobRunner::new(&service.app, hopeless, workers::default_jobs());
    assert!(fail.run_once().await.unwrap());
    assert_eq!(service.get(&ana, &job).await.body["state"], "failed");
    assert_eq!(moved(&service, &ana).await, [-5, 5, -5, 5], "failed");
    told(format!("{job}/retry"), 200).await;
    let work = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    assert!(work.run_once().await.unwrap());
    assert_eq!(service.get(&ana, &job).await.body["state"], "completed");
    assert_eq!(
        moved(&service, &ana).await,
        [-5, 5, -5, 5, -5],
        "done, it is spent"
    );

    let streamed = service.text(&ana.token, "/api/events/export").await;
    assert_eq!(streamed.lines().count(), 2, "{streamed}");
    assert_eq!(service.get(&ana, "/api/credits").await.body["balance"], 2);
    for (method, path) in [("GET", "/api/events/export"), ("POST", "/api/jobs")] {
        let body = (method == "POST").then(|| json!({"kind": "export"}));
        let refused = service.as_bearer(&ana.token, method, path, body).await;
        assert_eq!(
            (refused.status, &refused.body["cost"], &refused.body["balance"]),
            (402, &json!(5), &json!(2)),
            "{path}: {}",
            refused.body
        );
    }
    let jobs = service.get(&ana, "/api/jobs?with_total=true").await.body;
    assert_eq!(jobs["total"], 1, "the one that could not be paid is not there");
    let rows = json!({"kind": "import", "content": "local_id,name\nx,y\n"});
    service.expect(201, &ana, "POST", "/api/jobs", rows).await;
}

pub async fn operations_cost_what_the_table_says(engine: Engine) {
    let service = Service::start_with(engine, |config| {
        for (operation, cost) in [
            (CostedOperation::ItemCreate, 1),
            (CostedOperation::Push, 10),
            (CostedOperation::Pull, 5),
        ] {
            config.costs.set(operation, Tier::Enterprise, cost);
        }
    })
    .await;
    let root = service.admin().await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": true}}))
        .await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let balance = async || service.get(&bia, "/api/credits").await.body["balance"].clone();
    let item = json!({"identifiers": [gtin(1)], "enriched_data": {}, "local_id": "cow"});
    let refused = service
        .expect(402, &bia, "POST", "/api/items/local", item.clone())
        .await;
    assert_eq!(
        (&refused["cost"], &refused["balance"]),
        (&json!(1), &json!(0)),
        "{refused}"
    );
    assert_eq!(service.get(&bia, "/api/items/local/cow").await.status, 404);
    let credits = format!("/api/admin/users/{}/credits", bia.user_id);
    let grant = json!({"amount": 20, "reason": "welcome"});
    let granted = service.send_as(&root, "POST", &credits, grant).await;
    assert_eq!(granted.body["balance"], 20, "{}", granted.body);
    service.expect(201, &bia, "POST", "/api/items/local", item).await;
    assert_eq!(balance().await, 19);

    let pushed = service.push(&bia, &circuit, "cow").await.body;
    assert_eq!(balance().await, 9, "a push is paid when it is asked for");
    service.push(&bia, &circuit, "cow").await;
    assert_eq!(balance().await, 9, "repeating it costs nothing");
    let decide = |word: &str| format!("{circuit}/operations/{}/{word}", text(&pushed, "operation_id"));
    service
        .expect(200, &ana, "POST", &decide("reject"), json!({}))
        .await;
    assert_eq!(balance().await, 19, "refused, it goes back");
    let pushed = service.push(&bia, &circuit, "cow").await.body;
    let path = format!("{circuit}/operations/{}/approve", text(&pushed, "operation_id"));
    service.expect(200, &ana, "POST", &path, json!({})).await;
    assert_eq!(balance().await, 9, "done, it is spent");

    let lost = json!({"local_id": "calf", "identifiers": [ear_tag("C-1")]});
    service.expect(201, &bia, "POST", "/api/items/local", lost).await;
    let refused = service.push(&bia, &circuit, "calf").await;
    assert_eq!(
        (refused.status, &refused.body["cost"], &refused.body["balance"]),
        (402, &json!(10), &json!(8)),
        "{}",
        refused.body
    );
    assert_eq!(
        service.get(&bia, "/api/items/local/calf").await.body["status"],
        "local_only"
    );
    assert_eq!(
        service.get(&bia, "/api/items?with_total=true").await.body["total"],
        1
    );
    let history = service.get(&bia, "/api/credits/history?limit=100").await.body;
    let amounts: Vec<_> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["amount"].as_i64().unwrap())
        .collect();
    assert_eq!(amounts, [-1, -10, 10, -10, -1, 20], "{history}");
}
