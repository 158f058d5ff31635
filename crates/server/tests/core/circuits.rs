//! Circuits: their roles and members, the ways in, their end, their public view.

use std::time::Duration;

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, text, without_ids},
    fixture::Service,
};

pub async fn nobody_grants_what_they_do_not_hold(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = service.trio().await;
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "admin").await;
    service.join(&ana, &circuit, (&caio, "caio"), "member").await;
    let roles = format!("{circuit}/roles");
    let role = |name: &str, permissions: Value| json!({"name": name, "permissions": permissions});
    service
        .expect(403, &caio, "POST", &roles, role("own", json!(["push"])))
        .await;
    service
        .expect(403, &bia, "POST", &roles, role("eraser", json!(["delete"])))
        .await;
    service
        .expect(201, &ana, "POST", &roles, role("eraser", json!(["delete"])))
        .await;
    service
        .expect(409, &ana, "POST", &roles, role("eraser", json!(["delete"])))
        .await;
    service
        .expect(
            201,
            &bia,
            "POST",
            &roles,
            role("packer", json!(["push", "invite"])),
        )
        .await;
    let member = format!("{circuit}/members/{}", caio.user_id);
    service
        .expect(403, &bia, "PUT", &member, json!({"role": "eraser"}))
        .await;
    service
        .expect(403, &ana, "PUT", &member, json!({"role": "owner"}))
        .await;
    service
        .expect(422, &bia, "PUT", &member, json!({"role": "absent"}))
        .await;
    let packer = service
        .expect(200, &bia, "PUT", &member, json!({"role": "packer"}))
        .await;
    assert_eq!(packer["permissions"], json!(["push", "invite"]));
    service
        .expect(
            403,
            &bia,
            "PUT",
            &format!("{roles}/packer"),
            json!({"permissions": ["delete"]}),
        )
        .await;
    service
        .expect(409, &bia, "DELETE", &format!("{roles}/packer"), Value::Null)
        .await;
    service
        .expect(
            409,
            &ana,
            "PUT",
            &format!("{roles}/viewer"),
            json!({"permissions": ["push"]}),
        )
        .await;
    // A packer invites only to what a packer may do.
    service.person("davi").await;
    let invite = |role: &str| json!({"username": "davi", "role": role});
    service
        .expect(
            403,
            &caio,
            "POST",
            &format!("{circuit}/invitations"),
            invite("admin"),
        )
        .await;
    service
        .expect(
            201,
            &caio,
            "POST",
            &format!("{circuit}/invitations"),
            invite("packer"),
        )
        .await;
    // Nobody removes or demotes the owner; an admin cannot touch who holds more.
    let owner = format!("{circuit}/members/{}", ana.user_id);
    service.expect(409, &bia, "DELETE", &owner, Value::Null).await;
    service
        .expect(409, &bia, "PUT", &owner, json!({"role": "viewer"}))
        .await;
    service
        .expect(200, &ana, "PUT", &member, json!({"role": "eraser"}))
        .await;
    service.expect(403, &bia, "DELETE", &member, Value::Null).await;
    service
        .expect(403, &bia, "PATCH", &circuit, json!({"name": "Mine"}))
        .await;
    service.expect(204, &caio, "DELETE", &member, Value::Null).await;
    service.expect(404, &caio, "GET", &circuit, Value::Null).await;
    service
        .expect(204, &ana, "DELETE", &format!("{roles}/eraser"), Value::Null)
        .await;
}

pub async fn invitations_and_join_requests_are_decided_once(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = service.trio().await;
    let circuit = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
    let invite = format!("{circuit}/invitations");
    let body = json!({"username": "bia", "role": "member"});
    let made = service.expect(201, &ana, "POST", &invite, body.clone()).await;
    service.expect(409, &ana, "POST", &invite, body.clone()).await;
    let own = format!("/api/invitations/{}", text(&made, "id"));
    assert_eq!(
        service.get(&bia, "/api/invitations").await.body["data"][0]["id"],
        made["id"]
    );
    assert_eq!(
        service.get(&caio, "/api/invitations").await.body["data"],
        json!([])
    );
    service
        .expect(404, &caio, "POST", &format!("{own}/accept"), Value::Null)
        .await;
    service.expect(404, &bia, "GET", &circuit, Value::Null).await;
    let accepted = service
        .expect(200, &bia, "POST", &format!("{own}/accept"), Value::Null)
        .await;
    assert_eq!(accepted["state"], "accepted");
    service.expect(200, &bia, "GET", &circuit, Value::Null).await;
    let twice = service
        .send_as(&bia, "POST", &format!("{own}/decline"), Value::Null)
        .await;
    assert!(matches!(twice.status, 404 | 409), "{}", twice.body);
    service.expect(409, &ana, "POST", &invite, body).await;

    let made = service
        .expect(
            201,
            &ana,
            "POST",
            &invite,
            json!({"username": "caio", "role": "viewer"}),
        )
        .await;
    service
        .expect(
            204,
            &ana,
            "DELETE",
            &format!("{invite}/{}", text(&made, "id")),
            Value::Null,
        )
        .await;
    let late = service
        .send_as(
            &caio,
            "POST",
            &format!("/api/invitations/{}/accept", text(&made, "id")),
            Value::Null,
        )
        .await;
    assert!(matches!(late.status, 404 | 409), "{}", late.body);
    let made = service
        .expect(
            201,
            &ana,
            "POST",
            &invite,
            json!({"username": "caio", "role": "viewer"}),
        )
        .await;
    service.clock.pass(Duration::from_secs(15 * 24 * 3600));
    let caio = service.sign_in("caio", crate::fixture::PASSWORD).await;
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    let expired = service
        .send_as(
            &caio,
            "POST",
            &format!("/api/invitations/{}/accept", text(&made, "id")),
            Value::Null,
        )
        .await;
    assert_eq!(expired.status, 409, "{}", expired.body);

    let requests = format!("{circuit}/join-requests");
    let hidden = service.circuit(&ana, json!({})).await;
    service
        .expect(404, &caio, "POST", &format!("{hidden}/join-requests"), json!({}))
        .await;
    let asked = service
        .expect(201, &caio, "POST", &requests, json!({"message": "please"}))
        .await;
    service.expect(409, &caio, "POST", &requests, json!({})).await;
    service.expect(404, &caio, "GET", &requests, Value::Null).await;
    let bia = service.sign_in("bia", crate::fixture::PASSWORD).await;
    service.expect(403, &bia, "GET", &requests, Value::Null).await;
    let path = format!("{requests}/{}", text(&asked, "id"));
    service
        .expect(
            403,
            &bia,
            "POST",
            &format!("{path}/approve"),
            json!({"role": "viewer"}),
        )
        .await;
    let approved = service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{path}/approve"),
            json!({"role": "viewer"}),
        )
        .await;
    assert_eq!(approved["state"], "approved");
    service
        .expect(409, &ana, "POST", &format!("{path}/reject"), Value::Null)
        .await;
    service.expect(200, &caio, "GET", &circuit, Value::Null).await;
    assert_eq!(
        service.get(&caio, "/api/join-requests").await.body["data"][0]["state"],
        "approved"
    );
}

pub async fn an_archived_circuit_takes_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let dfid = service.pushed(&ana, &circuit, "A-1").await;
    let local = service.local(&ana, json!([ear_tag("A-2")]), json!({})).await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "inactive"}))
        .await;
    assert_eq!(service.push(&ana, &circuit, &local).await.status, 409);
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "active"}))
        .await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "archived"}))
        .await;
    assert_eq!(service.push(&ana, &circuit, &local).await.status, 409);
    service
        .expect(
            409,
            &ana,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": dfid}),
        )
        .await;
    service
        .expect(409, &ana, "PATCH", &circuit, json!({"status": "active"}))
        .await;
    assert_eq!(
        service
            .get(&ana, "/api/circuits?status=archived&with_total=true")
            .await
            .body["total"],
        1
    );
    assert_eq!(
        service.get(&ana, &format!("{circuit}/items")).await.status,
        200,
        "what was there can be read"
    );
}

pub async fn a_public_circuit_shows_itself_when_it_says_so(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let slug = circuit.trim_start_matches("/api/circuits/").replace('-', "");
    let public = format!("/api/public/circuits/{slug}");
    let absent = service
        .send(
            "GET",
            "/api/public/circuits/00000000000000000000000000000000",
            &[],
            None,
        )
        .await;
    let hidden = service.send("GET", &public, &[], None).await;
    assert_eq!(
        (hidden.status, without_ids(hidden.body)),
        (404, without_ids(absent.body))
    );
    let (shown, kept) = (
        service.pushed(&ana, &circuit, "A-1").await,
        service.pushed(&ana, &circuit, "A-2").await,
    );
    service
        .expect(
            204,
            &ana,
            "PUT",
            &format!("{circuit}/items/{shown}/published"),
            json!({"published": true}),
        )
        .await;
    let soon = "2027-01-15T09:00:00Z";
    let set = json!({"public": {"enabled": true, "publish_at": soon, "title": "Herd"}, "public_password": "open sesame 1"});
    service.expect(200, &ana, "PATCH", &circuit, set).await;
    assert_eq!(
        service.send("GET", &public, &[], None).await.status,
        404,
        "not before its time"
    );
    service.clock.pass(Duration::from_secs(3600));
    assert_eq!(service.send("GET", &public, &[], None).await.status, 401);
    assert_eq!(
        service
            .send("GET", &public, &[("x-access-password", "wrong password")], None)
            .await
            .status,
        401
    );
    let seen = service
        .send("GET", &public, &[("x-access-password", "open sesame 1")], None)
        .await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let dfids: Vec<_> = seen.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| text(item, "dfid"))
        .collect();
    assert_eq!(dfids, [shown], "published ones only, not {kept}");
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"public_password": ""}))
        .await;
    assert_eq!(service.send("GET", &public, &[], None).await.status, 200);
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &circuit,
            json!({"public": {"enabled": false}}),
        )
        .await;
    assert_eq!(service.send("GET", &public, &[], None).await.status, 404);
}

pub async fn a_change_leaves_what_it_does_not_name(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let settings = json!({
        "approvals": {"push": true, "pull": true},
        "rules": {"required_canonical": ["gtin"], "fingerprinting": true, "allowed_namespaces": ["bovino"]},
        "public": {"enabled": true, "title": "Serra", "colour": "#2f6b3a"},
        "adapter": {"kind": "local", "options": {"a": 1, "b": 2}},
        "post_actions": {"webhooks": ["one"], "kept": true},
    });
    let circuit = service.circuit(&ana, settings).await;
    let before = service.expect(200, &ana, "GET", &circuit, Value::Null).await;
    let change = json!({
        "approvals": {"pull": false},
        "rules": {"allowed_namespaces": ["aves"], "required_contextual": null},
        "public": {"title": "Vale", "colour": null},
        "adapter": {"options": {"b": null, "c": 3}},
        "post_actions": {"webhooks": []},
    });
    let after = service.expect(200, &ana, "PATCH", &circuit, change).await;
    assert_eq!(after["approvals"], json!({"push": true, "pull": false}));
    assert_eq!(
        after["rules"],
        json!({
            "required_canonical": ["gtin"], "required_contextual": [], "allowed_namespaces": ["aves"],
            "auto_apply_namespace": false, "fingerprinting": true,
        })
    );
    assert_eq!(
        (
            &after["public"]["enabled"],
            &after["public"]["title"],
            &after["public"]["colour"]
        ),
        (&json!(true), &json!("Vale"), &Value::Null)
    );
    assert_eq!(
        after["public_slug"], before["public_slug"],
        "the view stays online"
    );
    assert_eq!(
        after["adapter"],
        json!({"kind": "local", "options": {"a": 1, "c": 3}})
    );
    assert_eq!(after["post_actions"], json!({"webhooks": [], "kept": true}));
    let read = service.expect(200, &ana, "GET", &circuit, Value::Null).await;
    assert_eq!(read, after);
    // Nothing named, nothing changed; a strange member is named; what is broken is refused as a whole.
    let nothing = json!({"approvals": {}, "rules": {}, "public": {}, "adapter": {}});
    let same = service.expect(200, &ana, "PATCH", &circuit, nothing).await;
    for name in ["approvals", "rules", "public", "adapter"] {
        assert_eq!(same[name], after[name], "{name}");
    }
    for bad in [
        json!({"approvals": {"pul": true}}),
        json!({"public": {"logo_url": "http://a"}}),
    ] {
        let refused = service.send_as(&ana, "PATCH", &circuit, bad).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
    }
}
