//! Coming into a circuit: what the invited may still say when the circuit has changed meanwhile.

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::text,
    fixture::{Person, Service},
};

/// Asks to join, and is let in with this role.
async fn come_in(service: &Service, circuit: &str, (ana, who): (&Person, &Person), role: &str) {
    let requests = format!("{circuit}/join-requests");
    let asked = service.expect(201, who, "POST", &requests, json!({})).await;
    let path = format!("{requests}/{}/approve", text(&asked, "id"));
    service
        .expect(200, ana, "POST", &path, json!({"role": role}))
        .await;
}

async fn invited(service: &Service, circuit: &str, ana: &Person, name: &str) -> String {
    let body = json!({"username": name, "role": "admin"});
    let path = format!("{circuit}/invitations");
    let made = service.expect(201, ana, "POST", &path, body).await;
    format!("/api/invitations/{}", text(&made, "id"))
}

pub async fn an_invitation_to_a_role_that_is_gone_can_be_declined(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    let role = json!({"name": "guest", "permissions": ["pull"]});
    let roles = format!("{circuit}/roles");
    service.expect(201, &ana, "POST", &roles, role).await;
    let body = json!({"username": "bia", "role": "guest"});
    let path = format!("{circuit}/invitations");
    let made = service.expect(201, &ana, "POST", &path, body).await;
    let gone = format!("{roles}/guest");
    service.expect(204, &ana, "DELETE", &gone, Value::Null).await;
    let invitation = format!("/api/invitations/{}", text(&made, "id"));
    let accept = format!("{invitation}/accept");
    service.expect(409, &bia, "POST", &accept, Value::Null).await;
    let decline = format!("{invitation}/decline");
    let declined = service.expect(200, &bia, "POST", &decline, Value::Null).await;
    assert_eq!(declined["state"], "declined");
}

pub async fn an_invitation_ends_when_the_invited_comes_in_or_is_taken_out(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = service.trio().await;
    let circuit = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
    let other = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
    let invitation = invited(&service, &circuit, &ana, "bia").await;
    let elsewhere = invited(&service, &other, &ana, "bia").await;
    let neighbours = invited(&service, &circuit, &ana, "caio").await;
    come_in(&service, &circuit, (&ana, &bia), "member").await;
    let accept = format!("{invitation}/accept");
    let late = service.expect(409, &bia, "POST", &accept, Value::Null).await;
    assert_eq!(late["code"], "invalid_transition", "{late}");
    let role = service.get(&ana, &format!("{circuit}/members")).await.body;
    assert!(!role.to_string().contains(r#""role":"admin""#), "{role}");
    let seat = format!("{circuit}/members/{}", bia.user_id);
    service.expect(204, &ana, "DELETE", &seat, Value::Null).await;
    service.expect(409, &bia, "POST", &accept, Value::Null).await;
    service.expect(404, &bia, "GET", &circuit, Value::Null).await;
    // A new word lets her in; so do the words to others, and to other circuits.
    let again = format!("{}/accept", invited(&service, &circuit, &ana, "bia").await);
    service.expect(200, &bia, "POST", &again, Value::Null).await;
    for (who, invitation) in [(&bia, elsewhere), (&caio, neighbours)] {
        let accept = format!("{invitation}/accept");
        service.expect(200, who, "POST", &accept, Value::Null).await;
    }
}

pub async fn who_is_a_member_does_not_become_one_again(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
    let invitation = invited(&service, &circuit, &ana, "bia").await;
    // As two decisions at once leave it: an open request of somebody who is a member by now.
    let requests = format!("{circuit}/join-requests");
    let asked = service.expect(201, &bia, "POST", &requests, json!({})).await;
    let id: domain::ids::CircuitId = circuit.trim_start_matches("/api/circuits/").parse().unwrap();
    let member = store::circuit_members::Member {
        user_id: bia.user_id.parse().unwrap(),
        workspace_id: bia.workspace_id.parse().unwrap(),
        role: "viewer".to_owned(),
        permissions: domain::circuit::BuiltInRole::Viewer.permissions(),
        joined_at: domain::ids::Clock::now(&*service.clock),
    };
    let steps = store::circuit_members::insert(id, &member);
    service.db.run(&db::Scope::system(), steps).await.unwrap();
    let accept = format!("{invitation}/accept");
    let refused = service.expect(409, &bia, "POST", &accept, Value::Null).await;
    assert_eq!(refused["code"], "conflict", "{refused}");
    let approve = format!("{requests}/{}/approve", text(&asked, "id"));
    service
        .expect(409, &ana, "POST", &approve, json!({"role": "admin"}))
        .await;
    let members = service.get(&ana, &format!("{circuit}/members")).await.body;
    assert!(!members.to_string().contains(r#""role":"admin""#), "{members}");
    let decline = format!("{invitation}/decline");
    let declined = service.expect(200, &bia, "POST", &decline, Value::Null).await;
    assert_eq!(declined["state"], "declined");
}
