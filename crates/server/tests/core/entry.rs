//! Coming into a circuit: what the invited may still say when the circuit has changed meanwhile.

use db::Engine;
use serde_json::{Value, json};

use crate::{farm::text, fixture::Service};

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
