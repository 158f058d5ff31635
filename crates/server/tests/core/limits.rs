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
    fixture::{PASSWORD, Service},
};

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
