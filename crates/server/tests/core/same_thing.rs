//! Several pushes of one thing that wait for approval together.

use std::sync::Arc;

use db::Engine;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    farm::{gtin, says, text},
    fixture::Service,
};

pub async fn a_waiting_push_is_not_found_by_a_second_one(engine: Engine) {
    let service = Service::start(engine).await;
    for first_wins in [true, false] {
        let suffix = if first_wins { "x" } else { "y" };
        let names: Vec<_> = ["ana", "bia", "caio"]
            .iter()
            .map(|name| format!("{name}{suffix}"))
            .collect();
        let (ana, bia, caio) = (
            service.person(&names[0]).await,
            service.person(&names[1]).await,
            service.person(&names[2]).await,
        );
        let circuit = service.approving(&ana).await;
        service
            .join(&ana, &circuit, (&bia, names[1].as_str()), "member")
            .await;
        service
            .join(&ana, &circuit, (&caio, names[2].as_str()), "member")
            .await;
        let (bias, one) = service
            .push_new(&bia, &circuit, json!([gtin(1)]), json!({"farm": "Boa"}))
            .await;
        let (caios, two) = service
            .push_new(&caio, &circuit, json!([gtin(1)]), json!({"vaccine": "2026"}))
            .await;
        assert_eq!(
            (
                one.status,
                two.status,
                &two.body["status"],
                &two.body["operation_state"]
            ),
            (201, 201, &json!("new_item_created"), &json!("pending")),
            "the second push answers as if there were no first: {}",
            two.body
        );
        let bias_dfid = text(&one.body, "dfid");
        assert_ne!(one.body["dfid"], two.body["dfid"]);
        for path in ["items", "activity", "operations"] {
            let seen = service.get(&caio, &format!("{circuit}/{path}")).await;
            assert!(
                !seen.body.to_string().contains(&bias_dfid),
                "{path}: {}",
                seen.body
            );
        }
        let (first, second, winner, loser, lost_local) = if first_wins {
            (&one.body, &two.body, &bia, &caio, &caios)
        } else {
            (&two.body, &one.body, &caio, &bia, &bias)
        };
        let stays = text(first, "dfid");
        assert_eq!(
            service.decide(&ana, &circuit, first, "approve").await["dfid"],
            json!(stays)
        );
        let folded = service.decide(&ana, &circuit, second, "approve").await;
        says(&folded, &json!({"state": "completed", "dfid": stays}));
        let list = service
            .get(&ana, &format!("{circuit}/items?with_total=true"))
            .await
            .body;
        assert_eq!(
            (&list["total"], &list["data"][0]["dfid"]),
            (&json!(1), &json!(stays)),
            "{list}"
        );
        let item = service.get(winner, &format!("/api/items/{stays}")).await.body;
        assert_eq!(item["enriched_data"], json!({"farm": "Boa", "vaccine": "2026"}));
        assert_eq!(item["aliases"], json!([second["dfid"]]));
        let moved = service
            .get(loser, &format!("/api/items/{}", text(second, "dfid")))
            .await;
        assert_eq!(
            (moved.status, moved.headers["location"].to_str().unwrap()),
            (308, &*format!("/api/items/{stays}"))
        );
        service
            .local_is(loser, lost_local, "tokenized", &json!(stays))
            .await;
        let again = service.push(loser, &circuit, lost_local).await;
        again.says(200, &json!({"dfid": stays}));
    }
}

pub async fn two_items_that_others_know_are_a_conflict_at_approval(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = service.guarded().await;
    let (bias, one) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    let (_, two) = service
        .push_new(&caio, &circuit, json!([gtin(1)]), json!({}))
        .await;
    // Somebody reads bia's item by now: its DFID cannot give way any more.
    let item = format!("/api/items/{}", text(&one.body, "dfid"));
    service
        .expect(
            201,
            &bia,
            "POST",
            &format!("{item}/share"),
            json!({"username": "ana"}),
        )
        .await;
    service.decide(&ana, &circuit, &two.body, "approve").await;
    let failed = service.decide(&ana, &circuit, &one.body, "approve").await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(
        text(&failed, "reason").starts_with("conflict_detected"),
        "{failed}"
    );
    let mut candidates = vec![one.body["dfid"].clone(), two.body["dfid"].clone()];
    candidates.sort_by_key(ToString::to_string);
    let pending = service.get(&bia, "/api/pending-items").await.body;
    assert_eq!(
        (&pending["data"][0]["local_id"], &pending["data"][0]["candidates"]),
        (&json!(bias), &json!(candidates)),
        "{pending}"
    );
    assert_eq!(
        service.get(&ana, "/api/pending-items").await.body["data"],
        json!([])
    );
    assert_eq!(service.get(&ana, &item).await.body["status"], "active");
    assert_eq!(
        service
            .get(&ana, &format!("{circuit}/items?with_total=true"))
            .await
            .body["total"],
        1
    );
}

pub async fn eight_approvals_of_one_thing_make_one_item(engine: Engine) {
    let service = Arc::new(Service::start(engine).await);
    let ana = service.person("ana").await;
    let circuit = service.approving(&ana).await;
    let mut waiting = Vec::new();
    for number in 0..8 {
        let name = format!("member{number}");
        let member = service.person(&name).await;
        service.join(&ana, &circuit, (&member, &name), "member").await;
        let data = json!({format!("by_{number}"): true});
        waiting.push(
            service
                .push_new(&member, &circuit, json!([gtin(1)]), data)
                .await
                .1
                .body,
        );
    }
    let decisions = waiting.iter().map(|pushed| {
        let (service, ana) = (Arc::clone(&service), ana.clone());
        let path = format!("{circuit}/operations/{}/approve", text(pushed, "operation_id"));
        tokio::spawn(async move { service.send_as(&ana, "POST", &path, json!({})).await })
    });
    let answers: Vec<_> = join_all(decisions)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (answer, pushed) in answers.iter().zip(&waiting) {
        // One that lost the race too often is told to try again; nothing is half done.
        if answer.status != 200 {
            assert!(matches!(answer.status, 409 | 503), "{}", answer.body);
            service.decide(&ana, &circuit, pushed, "approve").await;
        }
    }
    let list = service
        .get(&ana, &format!("{circuit}/items?with_total=true"))
        .await
        .body;
    assert_eq!(list["total"], 1, "{list}");
    let operations = service
        .get(
            &ana,
            &format!("{circuit}/operations?state=completed&with_total=true"),
        )
        .await
        .body;
    assert_eq!(operations["total"], 8, "{operations}");
    for operation in operations["data"].as_array().unwrap() {
        assert_eq!(operation["dfid"], list["data"][0]["dfid"]);
    }
    let dfid = text(&list["data"][0], "dfid");
    service
        .expect(
            201,
            &ana,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": dfid}),
        )
        .await;
    let item = service.get(&ana, &format!("/api/items/{dfid}")).await.body;
    assert_eq!(item["enriched_data"].as_object().unwrap().len(), 8, "{item}");
}
