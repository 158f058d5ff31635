//! What every list promises: `with_total` counts the whole list, `offset` skips, and a page is never short for others' rows.

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::{Person, Service},
};

/// Counts to `total`, and gives the last entry where all before it are skipped.
async fn check(service: &Service, who: &Person, path: &str, total: usize) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let all = service
        .get(who, &format!("{path}{separator}limit=1000&with_total=true"))
        .await
        .body;
    assert_eq!(all["total"], json!(total), "{path}: {all}");
    let entries = all["data"].as_array().unwrap();
    assert_eq!(entries.len(), total, "{path}");
    let query = format!("{path}{separator}offset={}&limit=1", total - 1);
    let last = service.get(who, &query).await.body;
    assert_eq!(last["data"], json!([entries[total - 1]]), "{query}");
    assert_eq!(
        (&last["pagination"]["has_more"], last.get("total")),
        (&json!(false), None)
    );
    let first = service
        .get(who, &format!("{path}{separator}limit={}", total - 1))
        .await
        .body;
    let cursor = text(&first["pagination"], "next_cursor");
    let rest = service
        .get(who, &format!("{path}{separator}cursor={cursor}"))
        .await
        .body;
    assert_eq!(rest["data"], json!([entries[total - 1]]), "{path}");
}

pub async fn lists_of_items_count_and_skip(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let mut dfids = Vec::new();
    for number in 1..=2 {
        let local = service
            .local(&ana, json!([gtin(number), ear_tag("same")]), json!({}))
            .await;
        dfids.push(text(&service.push(&ana, &circuit, &local).await.body, "dfid"));
    }
    let item = format!("/api/items/{}", dfids[0]);
    for weight in [1, 2] {
        let body = json!({"enriched_data": {"weight": weight}});
        service.expect(200, &ana, "PATCH", &item, body).await;
    }
    for _ in 0..2 {
        let both = service.local(&ana, json!([gtin(1), gtin(2)]), json!({})).await;
        assert_eq!(service.push(&ana, &circuit, &both).await.status, 409);
    }
    for (path, total) in [
        ("/api/items".to_owned(), 2),
        ("/api/items/search?value=same".to_owned(), 2),
        (
            "/api/items/search?value=same&key=ear_tag&namespace=generic".to_owned(),
            2,
        ),
        (format!("{item}/history"), 3),
        ("/api/pending-items".to_owned(), 2),
        ("/api/pending-items?state=pending".to_owned(), 2),
        ("/api/items/local".to_owned(), 4),
        (format!("{circuit}/items"), 2),
        (format!("{circuit}/operations"), 2),
        (format!("{circuit}/operations?state=completed"), 2),
    ] {
        check(&service, &ana, &path, total).await;
    }
    let none = service
        .get(&ana, "/api/pending-items?state=rejected&with_total=true")
        .await
        .body;
    assert_eq!((&none["total"], &none["data"]), (&json!(0), &json!([])));
}

pub async fn lists_of_people_count_and_skip(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let mut circuits = Vec::new();
    for _ in 0..2 {
        let circuit = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
        service.join(&ana, &circuit, (&bia, "bia"), "viewer").await;
        circuits.push(circuit);
    }
    let caio = service.person("caio").await;
    let invitations = format!("{}/invitations", circuits[0]);
    let body = json!({"username": "caio", "role": "viewer"});
    service.expect(201, &ana, "POST", &invitations, body).await;
    for circuit in &circuits {
        let path = format!("{circuit}/join-requests");
        service.expect(201, &caio, "POST", &path, json!({})).await;
    }
    let davi = service.person("davi").await;
    let requests = format!("{}/join-requests", circuits[0]);
    service.expect(201, &davi, "POST", &requests, json!({})).await;
    check(&service, &ana, "/api/circuits", 2).await;
    check(&service, &ana, &format!("{}/members", circuits[0]), 2).await;
    check(&service, &ana, &invitations, 2).await;
    check(&service, &bia, "/api/invitations", 2).await;
    check(&service, &ana, &requests, 2).await;
    check(&service, &caio, "/api/join-requests", 2).await;
}

pub async fn a_member_pages_through_the_own_operations(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    for number in 0..3 {
        service.pushed(&ana, &circuit, &format!("A-{number}")).await;
    }
    for number in 0..2 {
        service.pushed(&bia, &circuit, &format!("B-{number}")).await;
    }
    let path = format!("{circuit}/operations");
    check(&service, &ana, &path, 5).await;
    check(&service, &bia, &path, 2).await;
    let first = service.get(&bia, &format!("{path}?limit=1")).await.body;
    let own: &Value = &first["data"][0]["requested_by"];
    assert_eq!(
        own,
        &json!(bia.user_id),
        "a page is not emptied by others' rows: {first}"
    );
}

pub async fn a_public_view_counts_and_skips(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
    for number in 0..2 {
        let dfid = service.pushed(&ana, &circuit, &format!("A-{number}")).await;
        let path = format!("{circuit}/items/{dfid}/published");
        service
            .expect(204, &ana, "PUT", &path, json!({"published": true}))
            .await;
    }
    let slug = circuit.trim_start_matches("/api/circuits/").replace('-', "");
    let path = format!("/api/public/circuits/{slug}");
    let all = service
        .send("GET", &format!("{path}?with_total=true"), &[], None)
        .await
        .body;
    assert_eq!(all["total"], 2, "{all}");
    let last = service
        .send("GET", &format!("{path}?offset=1"), &[], None)
        .await
        .body;
    assert_eq!(last["items"], json!([all["items"][1]]), "{last}");
}

/// Lists whose paths name something; the others are asked as they stand.
async fn named(service: &Service, who: &Person) -> [(&'static str, String); 3] {
    let circuit = service.circuit(who, json!({"public": {"enabled": true}})).await;
    let dfid = service.pushed(who, &circuit, "A-1").await;
    let id = circuit.trim_start_matches("/api/circuits/").to_owned();
    [
        ("circuit_id", id.clone()),
        ("dfid", dfid),
        ("slug", id.replace('-', "")),
    ]
}

/// No list may leave `with_total` unheeded: each one of the API's own document is asked.
pub async fn every_list_counts_what_it_lists(engine: Engine) {
    let service = Service::start(engine).await;
    let root = service.admin().await;
    let names = named(&service, &root).await;
    let key = json!({"name": "k", "scopes": ["items:read"]});
    service.expect(201, &root, "POST", "/api/api-keys", key).await;
    let export = json!({"kind": "export"});
    service.expect(201, &root, "POST", "/api/jobs", export).await;
    let grant = json!({"amount": 5, "reason": "trial"});
    let path = format!("/api/admin/users/{}/credits", root.user_id);
    service.expect(200, &root, "POST", &path, grant).await;
    service.sign_in("root", crate::fixture::PASSWORD).await;
    let document = server::openapi::document("1", service.edge.endpoints().iter().map(|one| &**one));
    let paged = |operation: &Value| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|list| list.iter().any(|one| one["name"] == "with_total"))
    };
    let mut uncounted = Vec::new();
    let mut seen = 0;
    for (pattern, methods) in document["paths"].as_object().unwrap() {
        if !paged(&methods["get"]) {
            continue;
        }
        let mut path = pattern.clone();
        for (name, value) in &names {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        let required = if path.ends_with("/search") {
            "&value=A-1"
        } else {
            ""
        };
        let path = format!("{path}?limit=1000&with_total=true{required}");
        let answer = service.get(&root, &path).await;
        if pattern == "/api/items/{dfid}/timeline" {
            assert_eq!(answer.status, 400, "a timeline says that it is not counted");
            continue;
        }
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let list = if answer.body["data"].is_null() {
            "items"
        } else {
            "data"
        };
        let entries = answer.body[list].as_array().unwrap().len();
        if answer.body["total"] != json!(entries) {
            uncounted.push(format!(
                "{path}: {entries} entries, total {}",
                answer.body["total"]
            ));
        }
        seen += 1;
    }
    assert!(uncounted.is_empty(), "{uncounted:#?}");
    assert!(seen > 20, "only {seen} lists were found in the document");
    for (path, total) in [
        ("/api/sessions", 2),
        ("/api/api-keys", 1),
        ("/api/jobs", 1),
        ("/api/jobs?kind=import", 0),
        ("/api/credits/history", 1),
        ("/api/admin/actions", 1),
        ("/api/admin/workspaces?tier=basic", 0),
        ("/api/audit?action=api_key.created", 1),
        ("/api/activity?action=item.pushed", 1),
    ] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}limit=1&with_total=true");
        let shown = service.get(&root, &path).await.body;
        assert_eq!(shown["total"], total, "{path}: {shown}");
    }
}

pub async fn a_search_of_administrators_means_its_letters(engine: Engine) {
    let service = Service::start(engine).await;
    let root = service.admin().await;
    service.person("a_b").await;
    service.person("axb").await;
    for (text, found) in [("a_b", 1), ("a%25b", 0), ("A", 2), ("%5C", 0)] {
        let path = format!("/api/admin/users?with_total=true&text={text}");
        let users = service.get(&root, &path).await.body;
        let people = |entry: &&Value| entry["username"] != "root";
        let shown = users["data"].as_array().unwrap().iter().filter(people).count();
        assert_eq!(shown, found, "{text}: {users}");
    }
    for (text, found) in [("a_b", 1), ("%25", 0)] {
        let path = format!("/api/admin/workspaces?with_total=true&text={text}");
        let shown = service.get(&root, &path).await.body;
        assert_eq!(shown["total"], found, "{text}: {shown}");
    }
}
