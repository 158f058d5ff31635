//! What jobs make: files of events, and items of rows, within the rights of whoever asked.

use db::{Engine, Scope};
use serde_json::{Value, json};
use workers::jobs::{JobConfig, JobRunner};

use crate::{
    calls::{get, post},
    fixture::Service,
};

pub async fn an_export_job_produces_a_file(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let events: Vec<Value> = (0..600)
        .map(|n| json!({"event_type": "tick", "data": {"n": n}}))
        .collect();
    assert_eq!(
        post(&service, &ana, "/api/events/bulk", json!({"events": events}))
            .await
            .status,
        201
    );
    let job = post(
        &service,
        &ana,
        "/api/jobs",
        json!({"kind": "export", "format": "jsonl"}),
    )
    .await;
    assert_eq!(
        (job.status, &job.body["state"]),
        (201, &json!("waiting")),
        "{}",
        job.body
    );
    let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
    assert_eq!(get(&service, &ana, &format!("{path}/output")).await.status, 409);
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    assert!(runner.run_once().await.unwrap());
    assert!(!runner.run_once().await.unwrap());
    let done = get(&service, &ana, &path).await.body;
    assert_eq!(
        (&done["state"], &done["result"]["events"]),
        (&json!("completed"), &json!(600)),
        "{done}"
    );
    let text = service.text(&ana.token, &format!("{path}/output")).await;
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (text.lines().count(), &last["data"]["n"]),
        (600, &json!(599)),
        "private data is opened for its owner"
    );
    assert_eq!(get(&service, &bob, &path).await.status, 404);
    assert_eq!(get(&service, &bob, &format!("{path}/output")).await.status, 404);
}

pub async fn an_import_job_makes_items_of_rows_and_names_the_broken_ones(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    let import = async |format: &str, content: &str| {
        let body = json!({"kind": "import", "format": format, "content": content});
        let job = post(&service, &ana, "/api/jobs", body).await;
        assert_eq!(job.status, 201, "{}", job.body);
        assert!(
            !job.body.to_string().contains("lot-7"),
            "the rows are not told back"
        );
        assert!(runner.run_once().await.unwrap());
        let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
        let done = get(&service, &ana, &path).await.body;
        assert_eq!(done["state"], "completed", "{done}");
        (path, done)
    };
    // The second row's check digit is wrong; the third has no local id and gets one that follows from its content.
    let table = "local_id;gtin;identifier.ear_tag;namespace;data.bags;farm\nlot-7;07891000315507;E-1;cattle;40;East\n\
        lot-8;07891000315508;;;1;\n;;E-3;;2;\n";
    let (path, done) = import("csv", table).await;
    let result = &done["result"];
    assert_eq!(
        [
            &result["rows"],
            &result["created"],
            &result["unchanged"],
            &result["failed"]
        ],
        [&json!(3), &json!(2), &json!(0), &json!(1)],
        "{done}"
    );
    assert_eq!(done["progress"], json!({"done": 3, "total": 3}));
    assert_eq!(result["errors"][0]["row"], 2);
    assert_eq!(result["errors"][0]["field"], "gtin", "{done}");
    let item = get(&service, &ana, "/api/items/local/lot-7").await.body;
    assert_eq!(
        (
            &item["enriched_data"],
            &item["identifiers"][0]["registry"],
            &item["identifiers"][1]["key"],
            &item["identifiers"][1]["namespace"]
        ),
        (
            &json!({"bags": "40", "farm": "East"}),
            &json!("GTIN"),
            &json!("ear_tag"),
            &json!("cattle")
        ),
        "{item}"
    );
    assert_eq!(get(&service, &bob, "/api/items/local/lot-7").await.status, 404);
    let (_, again) = import("csv", table).await;
    assert_eq!(
        [
            &again["result"]["created"],
            &again["result"]["unchanged"],
            &again["result"]["failed"]
        ],
        [&json!(0), &json!(2), &json!(1)],
        "the same rows twice are the same items: {again}"
    );
    let lines = "{\"local_id\": \"lot-7\", \"enriched_data\": {\"bags\": 41}}\n\nnot json\n[1]\n{\"local_id\": \"lot-9\", \"weight\": 1}\n{\"local_id\": \"lot-9\"}\n{\"identifiers\": [{\"key\": \"tag\", \"value\": \"9\"}]}\n";
    let (_, mixed) = import("jsonl", lines).await;
    assert_eq!(
        [
            &mixed["result"]["rows"],
            &mixed["result"]["created"],
            &mixed["result"]["failed"]
        ],
        [&json!(6), &json!(1), &json!(5)],
        "{mixed}"
    );
    assert_eq!(
        mixed["result"]["errors"][0]["field"], "local_id",
        "another item has the name: {mixed}"
    );
    // The request holds the escape itself: only who reads the row makes a character of it, which no database keeps.
    let nul = "{\"enriched_data\": {\"a\": \"\\u0000\"}}\n{\"a\\u0000\": 1}\n\
        {\"identifiers\": [{\"key\": \"a\", \"value\": \"b\", \"registry\": \"\\u0000\"}]}\n";
    let (_, refused) = import("jsonl", nul).await;
    let fields = [0, 1, 2].map(|row| refused["result"]["errors"][row]["field"].clone());
    assert_eq!(
        fields,
        ["enriched_data.a", "", "identifiers[0].registry"].map(|field| json!(field)),
        "{refused}"
    );
    let all = get(&service, &ana, "/api/items/local?with_total=true").await.body;
    assert_eq!(all["total"], 3, "{all}");
    assert_eq!(get(&service, &ana, &format!("{path}/output")).await.status, 409);
    for wrong in [
        json!({"kind": "import"}),
        json!({"kind": "import", "content": "a\u{0}b"}),
        json!({"kind": "import", "content": "a", "event_type": "b"}),
        json!({"kind": "export", "content": "a"}),
        json!({"kind": "import", "content": "x".repeat(4 * 1024 * 1024 + 1)}),
        json!({"kind": "brew"}),
    ] {
        let refused = post(&service, &ana, "/api/jobs", wrong.clone()).await;
        let named: String = wrong.to_string().chars().take(80).collect();
        assert_eq!(refused.status, 422, "{named}: {}", refused.body);
    }
}

pub async fn a_job_is_no_way_around_the_limits_of_a_key(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let key = async |scopes: Value| {
        let made = post(
            &service,
            &ana,
            "/api/api-keys",
            json!({"name": "k", "scopes": scopes}),
        )
        .await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["secret"].as_str().unwrap().to_owned()
    };
    let start = async |key: &str, body: Value| service.as_bearer(key, "POST", "/api/jobs", Some(body)).await;
    let (export, import) = (
        json!({"kind": "export"}),
        json!({"kind": "import", "content": "local_id\na\n"}),
    );
    let narrow = key(json!(["jobs:read", "jobs:write"])).await;
    for body in [&export, &import] {
        let refused = start(&narrow, body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("forbidden"))
        );
    }
    let wide = key(json!(["jobs:read", "jobs:write", "events:read", "items:write"])).await;
    let job = start(&wide, export).await;
    assert_eq!(job.status, 201, "{}", job.body);
    assert_eq!(start(&wide, import).await.status, 201);
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    while runner.run_once().await.unwrap() {}
    let output = format!("/api/jobs/{}/output", job.body["id"].as_str().unwrap());
    assert_eq!(service.as_bearer(&narrow, "GET", &output, None).await.status, 403);
    assert_eq!(service.as_bearer(&wide, "GET", &output, None).await.status, 200);
    // Who is a viewer by the time the job runs makes nothing any more.
    let late = post(
        &service,
        &ana,
        "/api/jobs",
        json!({"kind": "import", "content": "local_id\nlate\n"}),
    )
    .await;
    let demote = store::members::set_role(
        ana.workspace_id.parse().unwrap(),
        ana.user_id.parse().unwrap(),
        domain::identity::Role::Viewer,
        1,
    );
    assert_eq!(service.db.run(&Scope::system(), vec![demote]).await.unwrap(), [1]);
    assert!(runner.run_once().await.unwrap());
    let failed = get(
        &service,
        &ana,
        &format!("/api/jobs/{}", late.body["id"].as_str().unwrap()),
    )
    .await
    .body;
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("may not run jobs"),
        "{failed}"
    );
    assert_eq!(get(&service, &ana, "/api/items/local/late").await.status, 404);
}
