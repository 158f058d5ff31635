//! What the administrator rules: the first one, tiers and their limits, credits.

use db::Engine;
use domain::{
    credits::CostedOperation,
    ids::WorkspaceId,
    problem::Extension,
    tier::{Limit, Tier},
};
use serde_json::json;

use crate::{
    fixture::{PASSWORD, Service},
    steps::{context, eight},
};

pub async fn the_set_up_token_makes_one_administrator(engine: Engine) {
    let service = Service::start(engine).await;
    let first = service.app.identity().setup_token().await.unwrap().unwrap();
    let second = service.app.identity().setup_token().await.unwrap().unwrap();
    let body = |token: &str, name: &str| json!({"token": token, "username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
    // Replaced by the second.
    service
        .expect_post(401, "/api/setup", body(first.reveal(), "root"))
        .await;
    service
        .expect_post(201, "/api/setup", body(second.reveal(), "root"))
        .await;
    // Used.
    service
        .expect_post(401, "/api/setup", body(second.reveal(), "thief"))
        .await;
    assert!(service.app.identity().setup_token().await.unwrap().is_none());
    let root = service.sign_in("root", PASSWORD).await;
    let statistics = service
        .as_bearer(&root.token, "GET", "/api/admin/statistics", None)
        .await;
    assert_eq!(
        (
            &statistics.body["counts"]["users"],
            &statistics.body["counts"]["items"]
        ),
        (&json!(1), &json!(0))
    );
    let demo = service.app.identity().create_demo_accounts().await.unwrap();
    assert_ne!(demo[0].password, demo[1].password);
    service
        .sign_in(&demo[1].username, demo[1].password.reveal())
        .await;
    let users = service
        .as_bearer(
            &root.token,
            "GET",
            "/api/admin/users?limit=1&text=DEMO&with_total=true",
            None,
        )
        .await;
    assert_eq!(
        (&users.body["total"], &users.body["pagination"]["has_more"]),
        (&json!(3), &json!(true)),
        "{}",
        users.body
    );
    let cursor = users.body["pagination"]["next_cursor"].as_str().unwrap();
    let next = service
        .as_bearer(
            &root.token,
            "GET",
            &format!("/api/admin/users?limit=2&text=demo&cursor={cursor}"),
            None,
        )
        .await;
    assert_eq!(
        (
            next.body["data"].as_array().unwrap().len(),
            &next.body["pagination"]["has_more"]
        ),
        (2, &json!(false))
    );
}

pub async fn eight_callers_at_once_stay_within_a_limit(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let ctx = context(&ana, Tier::Basic);
    let allowed = usize::try_from(Tier::Basic.allowed(Limit::Circuits).unwrap()).unwrap();
    let done = eight(|_| {
        let (app, ctx) = (service.app.clone(), ctx.clone());
        async move {
            let step = app.limits().count(&ctx, Limit::Circuits, 1).unwrap();
            app.db().run(&ctx.scope(), vec![step]).await.is_ok()
        }
    })
    .await;
    assert_eq!(done, allowed);
    let step = service.app.limits().count(&ctx, Limit::Circuits, 1).unwrap();
    let error = service.db.run(&ctx.scope(), vec![step]).await.unwrap_err();
    let refused = service.app.limits().explain(&ctx, Limit::Circuits, error).await;
    assert_eq!(
        (
            refused.code.as_str(),
            &refused.details[&Extension::Used],
            &refused.details[&Extension::Allowed]
        ),
        ("limit_exceeded", &json!(5), &json!(5))
    );
    let freed = service.app.limits().release(&ctx, Limit::Circuits, 1).unwrap();
    let again = service.app.limits().count(&ctx, Limit::Circuits, 1).unwrap();
    service.db.run(&ctx.scope(), vec![freed, again]).await.unwrap();
    assert!(
        service
            .app
            .limits()
            .count(&context(&ana, Tier::Enterprise), Limit::Circuits, 1)
            .is_none(),
        "no limit, no write"
    );
}

pub async fn the_tier_bounds_the_members_and_follows_the_administrator(engine: Engine) {
    let service = Service::start_with(engine, |config| config.default_tier = Tier::Basic).await;
    let root = service.admin().await;
    let ana = service.person("ana").await;
    for name in ["bia", "caio", "davi"] {
        service.person(name).await;
    }
    let add = |name: &str| Some(json!({"user": name, "role": "member"}));
    for name in ["bia", "caio"] {
        service
            .expect_as(201, &ana.token, "POST", "/api/members", add(name))
            .await;
    }
    let refused = service
        .as_bearer(&ana.token, "POST", "/api/members", add("davi"))
        .await;
    assert_eq!(
        (
            refused.status,
            &refused.body["limit"],
            &refused.body["used"],
            &refused.body["allowed"]
        ),
        (403, &json!("members"), &json!(3), &json!(3))
    );
    let path = format!("/api/admin/users/{}/tier", ana.user_id);
    let tier = |name: &str| Some(json!({"tier": name}));
    assert_eq!(
        service
            .as_bearer(&root.token, "PUT", &path, tier("enterprise"))
            .await
            .body["tier"],
        "enterprise"
    );
    // At the next request.
    service
        .expect_as(201, &ana.token, "POST", "/api/members", add("davi"))
        .await;
    service
        .expect_as(200, &root.token, "PUT", &path, tier("basic"))
        .await;
    let usage = service
        .as_bearer(&ana.token, "GET", "/api/workspace/usage", None)
        .await;
    let members = usage.body["limits"]
        .as_array()
        .unwrap()
        .iter()
        .find(|limit| limit["limit"] == "members")
        .unwrap();
    assert_eq!(
        (&members["used"], &members["allowed"]),
        (&json!(4), &json!(3)),
        "counted anew"
    );
}

pub async fn eight_debits_at_once_never_overdraw_and_the_ledger_sums_to_zero(engine: Engine) {
    let service = Service::start_with(engine, |config| {
        config.costs.set(CostedOperation::Push, Tier::Enterprise, 10)
    })
    .await;
    let root = service.admin().await;
    let ana = service.person("ana").await;
    let path = format!("/api/admin/users/{}/credits", ana.user_id);
    let grant = service
        .as_bearer(
            &root.token,
            "POST",
            &path,
            Some(json!({"amount": 55, "reason": "welcome"})),
        )
        .await;
    assert_eq!(grant.body["balance"], 55, "{}", grant.body);
    let ctx = context(&ana, Tier::Enterprise);
    let debit = |app: app::App, ctx: app::Ctx| async move {
        let debit = app
            .credits()
            .debit(&ctx, CostedOperation::Push, 1, "test")
            .unwrap()
            .unwrap();
        app.db().run(&ctx.scope(), debit.steps).await.map(|_| debit.id)
    };
    let done = eight(|_| {
        let work = debit(service.app.clone(), ctx.clone());
        async move {
            let result = work.await;
            let refused = result
                .as_ref()
                .is_err_and(|error| !app::credits::lacked_cover(error));
            assert!(!refused, "{result:?}");
            result.is_ok()
        }
    })
    .await;
    assert_eq!((done, service.app.credits().balance(&ctx).await.unwrap()), (5, 5));
    let error = debit(service.app.clone(), ctx.clone()).await.unwrap_err();
    let refused = service
        .app
        .credits()
        .explain(&ctx, CostedOperation::Push, 1, error)
        .await;
    assert_eq!(
        (
            refused.code.status(),
            &refused.details[&Extension::Cost],
            &refused.details[&Extension::Balance]
        ),
        (402, &json!(10), &json!(5))
    );
    let twice = json!({"user_ids": [ana.user_id, root.user_id, ana.user_id], "amount": 5, "reason": "bulk"});
    let refused = service
        .as_bearer(&root.token, "POST", "/api/admin/credits/grants", Some(twice))
        .await;
    assert_eq!(
        (refused.status, &refused.body["errors"]),
        (
            422,
            &json!([{"field": "user_ids[2]", "code": "duplicate", "message": "the user is named twice: name each once"}])
        ),
        "{}",
        refused.body
    );
    let body = json!({"user_ids": [ana.user_id, root.user_id], "amount": 5, "reason": "bulk"});
    service
        .expect_as(204, &root.token, "POST", "/api/admin/credits/grants", Some(body))
        .await;
    let paid = debit(service.app.clone(), ctx.clone()).await.unwrap();
    for _ in 0..2 {
        service.app.credits().refund(&ctx, paid).await.unwrap();
    }
    let shown = service.as_bearer(&ana.token, "GET", "/api/credits", None).await;
    assert_eq!(shown.body["balance"], 10, "refunded once");
    let history = service
        .as_bearer(&ana.token, "GET", "/api/credits/history?limit=100", None)
        .await;
    let entries = history.body["data"].as_array().unwrap();
    let sum: i64 = entries
        .iter()
        .map(|entry| entry["amount"].as_i64().unwrap())
        .sum();
    assert_eq!((entries.len(), sum), (9, 10));
    let statistics = service
        .as_bearer(&root.token, "GET", "/api/admin/statistics", None)
        .await;
    let ledger: i64 = statistics.body["ledger"]
        .as_object()
        .unwrap()
        .values()
        .map(|sum| sum.as_i64().unwrap())
        .sum();
    assert_eq!(ledger, 0, "{}", statistics.body);
    let other: WorkspaceId = root.workspace_id.parse().unwrap();
    assert_ne!(other, ctx.workspace());
}
