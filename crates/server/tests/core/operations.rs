//! Operations: who sees, decides and withdraws them, and what a pull gives.

use std::sync::Arc;

use db::Engine;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    farm::{gtin, text},
    fixture::Service,
};

pub async fn a_waiting_push_is_the_pushers_own_until_approved(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = service.guarded().await;
    let local = service.local(&bia, json!([gtin(1)]), json!({})).await;
    let pushed = service.push(&bia, &circuit, &local).await.body;
    let (dfid, operation) = (text(&pushed, "dfid"), text(&pushed, "operation_id"));
    assert_eq!(pushed["operation_state"], "pending", "{pushed}");
    assert_eq!(
        service.get(&caio, &format!("{circuit}/items")).await.body["data"],
        json!([])
    );
    assert_eq!(
        service.get(&bia, &format!("{circuit}/items")).await.body["data"][0]["state"],
        "pending"
    );
    let pull = format!("{circuit}/pull");
    service
        .expect(404, &caio, "POST", &pull, json!({"dfid": dfid}))
        .await;
    let path = format!("{circuit}/operations/{operation}");
    assert_eq!(service.get(&caio, &path).await.status, 404);
    assert_eq!(
        service.get(&caio, &format!("{circuit}/operations")).await.body["data"],
        json!([])
    );
    service
        .expect(403, &bia, "POST", &format!("{path}/approve"), json!({}))
        .await;
    let done = service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{path}/approve"),
            json!({"reason": "seen"}),
        )
        .await;
    assert_eq!(
        (&done["state"], &done["reason"]),
        (&json!("completed"), &json!("seen"))
    );
    assert_eq!(
        service.get(&caio, &format!("{circuit}/items")).await.body["data"][0]["dfid"],
        json!(dfid)
    );
    assert_eq!(
        service.get(&bia, &format!("/api/items/local/{local}")).await.body["status"],
        "tokenized"
    );
    service
        .expect(201, &caio, "POST", &pull, json!({"dfid": dfid}))
        .await;
}

pub async fn eight_approvals_make_one_transition(engine: Engine) {
    let service = Arc::new(Service::start(engine).await);
    let ana = service.person("ana").await;
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": true}}))
        .await;
    let local = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let operation = text(&service.push(&ana, &circuit, &local).await.body, "operation_id");
    let words = ["approve", "reject", "cancel", "approve"];
    let replica = Arc::new(service.replica().await);
    let decisions = (0..8).map(|number| {
        let service = Arc::clone(if number < 4 { &service } else { &replica });
        let ana = ana.clone();
        let path = format!("{circuit}/operations/{operation}/{}", words[number % 4]);
        tokio::spawn(async move { service.send_as(&ana, "POST", &path, json!({})).await })
    });
    let answers: Vec<_> = join_all(decisions)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (lost.status, &lost.body["code"]),
            (409, &json!("invalid_transition")),
            "{}",
            lost.body
        );
    }
    let now = service
        .get(&ana, &format!("{circuit}/operations/{operation}"))
        .await
        .body;
    assert_eq!(now["state"], won[0].body["state"]);
}

pub async fn a_refused_push_leaves_nothing_and_can_be_repeated(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.approving(&ana).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let local = service.local(&bia, json!([gtin(1)]), json!({})).await;
    for (who, word, state) in [(&ana, "reject", "rejected"), (&bia, "cancel", "cancelled")] {
        let pushed = service.push(&bia, &circuit, &local).await.body;
        let path = format!("{circuit}/operations/{}/{word}", text(&pushed, "operation_id"));
        assert_eq!(
            service.expect(200, who, "POST", &path, json!({})).await["state"],
            state
        );
        assert_eq!(
            service
                .get(&ana, &format!("{circuit}/items?with_total=true"))
                .await
                .body["total"],
            0
        );
        assert_eq!(
            service
                .get(&bia, &format!("{circuit}/items?with_total=true"))
                .await
                .body["total"],
            0
        );
    }
    let pushed = service.push(&bia, &circuit, &local).await.body;
    assert_eq!(pushed["operation_state"], "pending", "{pushed}");
    // The identifiers of a refused push are free again for others of the circuit.
    let path = format!("{circuit}/operations/{}/reject", text(&pushed, "operation_id"));
    service.expect(200, &ana, "POST", &path, json!({})).await;
    let own = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let anas = service.push(&ana, &circuit, &own).await;
    assert_eq!(
        (anas.status, anas.body["dfid"] != pushed["dfid"]),
        (201, true),
        "{}",
        anas.body
    );
}

pub async fn what_was_pulled_stays_readable(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    for approval in [false, true] {
        let circuit = service
            .circuit(&ana, json!({"approvals": {"push": false, "pull": approval}}))
            .await;
        service.join(&ana, &circuit, (&bia, "bia"), "viewer").await;
        let dfid = service.pushed(&ana, &circuit, &format!("P-{approval}")).await;
        let item = format!("/api/items/{dfid}");
        assert_eq!(service.get(&bia, &item).await.status, 404, "not before the pull");
        let pull = format!("{circuit}/pull");
        let pulled = service
            .expect(201, &bia, "POST", &pull, json!({"dfid": dfid}))
            .await;
        if approval {
            assert_eq!(pulled["state"], "pending");
            assert_eq!(
                service.get(&bia, &item).await.status,
                404,
                "not before the approval"
            );
            let path = format!("{circuit}/operations/{}/approve", text(&pulled, "operation_id"));
            service.expect(403, &bia, "POST", &path, json!({})).await;
            service.expect(200, &ana, "POST", &path, json!({})).await;
        }
        let again = service
            .expect(200, &bia, "POST", &pull, json!({"dfid": dfid}))
            .await;
        assert_eq!(
            (&again["operation_id"], &again["state"]),
            (&pulled["operation_id"], &json!("completed"))
        );
        assert_eq!(
            service.get(&bia, &item).await.body["enriched_data"],
            json!({"weight": 400})
        );
        service
            .expect(403, &bia, "PATCH", &item, json!({"enriched_data": {"weight": 1}}))
            .await;
        service
            .expect(
                204,
                &ana,
                "DELETE",
                &format!("{circuit}/items/{dfid}"),
                Value::Null,
            )
            .await;
        let member = format!("{circuit}/members/{}", bia.user_id);
        service.expect(204, &ana, "DELETE", &member, Value::Null).await;
        assert_eq!(
            service.get(&bia, &circuit).await.status,
            404,
            "no member any more"
        );
        assert_eq!(
            service.get(&bia, &item).await.status,
            200,
            "but what was pulled stays"
        );
    }
}

pub async fn an_admin_of_a_third_workspace_decides(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, dora) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("dora").await,
    );
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": true}}))
        .await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    service.join(&ana, &circuit, (&dora, "dora"), "admin").await;
    let approve = |answer: &Value| format!("{circuit}/operations/{}/approve", text(answer, "operation_id"));
    let anas = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400}))
        .await;
    let pushed = service.push(&ana, &circuit, &anas).await.body;
    service
        .expect(200, &dora, "POST", &approve(&pushed), json!({}))
        .await;
    assert_eq!(
        service.get(&ana, &format!("/api/items/local/{anas}")).await.body["status"],
        "tokenized"
    );
    let dfid = text(&pushed, "dfid");
    let pulled = service
        .expect(
            201,
            &bia,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": dfid}),
        )
        .await;
    service
        .expect(200, &dora, "POST", &approve(&pulled), json!({}))
        .await;
    let item = format!("/api/items/{dfid}");
    assert_eq!(service.get(&bia, &item).await.status, 200);
    assert_eq!(
        service.get(&dora, &item).await.status,
        404,
        "who decides pulls for herself"
    );
    // What adds nothing new to wait for leaves no local item waiting for ever.
    let equal = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400}))
        .await;
    let again = service.push(&ana, &circuit, &equal).await.body;
    assert_eq!(
        (&again["dfid"], &again["operation_state"]),
        (&json!(dfid), &json!("completed")),
        "{again}"
    );
    assert_eq!(
        service.get(&ana, &format!("/api/items/local/{equal}")).await.body["status"],
        "tokenized"
    );
    // Nobody adds to another's item past the approvers.
    let others = service
        .local(&bia, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    let waits = service.push(&bia, &circuit, &others).await.body;
    assert_eq!(waits["operation_state"], "pending", "{waits}");
    let seen = service.get(&ana, &item).await.body;
    assert_eq!(seen["enriched_data"], json!({"weight": 400}));
    service
        .expect(
            204,
            &dora,
            "DELETE",
            &format!("{circuit}/items/{dfid}"),
            Value::Null,
        )
        .await;
    assert_eq!(
        service.get(&bia, &item).await.status,
        200,
        "what was pulled stays"
    );
}
