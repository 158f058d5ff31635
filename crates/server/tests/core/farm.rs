//! Short words for what the cases do again and again; no case is here.

use serde_json::{Value, json};

use crate::fixture::{Answer, Person, Service};

impl Service {
    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.as_bearer(&who.token, "GET", path, None).await
    }

    pub async fn send_as(&self, who: &Person, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.as_bearer(&who.token, method, path, body).await
    }

    /// Sends, and expects this status.
    pub async fn expect(&self, status: u16, who: &Person, method: &str, path: &str, body: Value) -> Value {
        let answer = self.send_as(who, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        answer.body
    }

    /// Creates a circuit with these settings and gives its path.
    pub async fn circuit(&self, owner: &Person, mut settings: Value) -> String {
        settings["name"] = json!("Boa Vista");
        let made = self.expect(201, owner, "POST", "/api/circuits", settings).await;
        format!("/api/circuits/{}", made["id"].as_str().unwrap())
    }

    /// Creates a local item and gives its id.
    pub async fn local(&self, who: &Person, identifiers: Value, data: Value) -> String {
        let body = json!({"identifiers": identifiers, "enriched_data": data});
        let made = self.expect(201, who, "POST", "/api/items/local", body).await;
        text(&made, "local_id")
    }

    /// Pushes a local item into a circuit.
    pub async fn push(&self, who: &Person, circuit: &str, local: &str) -> Answer {
        let path = format!("{circuit}/push-local");
        self.send_as(who, "POST", &path, json!({"local_id": local})).await
    }

    /// Creates and pushes an item with one contextual identifier; gives its DFID.
    pub async fn pushed(&self, who: &Person, circuit: &str, tag: &str) -> String {
        let local = self
            .local(who, json!([ear_tag(tag)]), json!({"weight": 400}))
            .await;
        let answer = self.push(who, circuit, &local).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        text(&answer.body, "dfid")
    }

    /// Invites somebody, who accepts.
    pub async fn join(&self, owner: &Person, circuit: &str, (who, name): (&Person, &str), role: &str) {
        let body = json!({"username": name, "role": role});
        let path = format!("{circuit}/invitations");
        let made = self.expect(201, owner, "POST", &path, body).await;
        let path = format!("/api/invitations/{}/accept", text(&made, "id"));
        self.expect(200, who, "POST", &path, Value::Null).await;
    }

    /// A circuit of ana's with push approval, of which bia and caio are members.
    pub async fn guarded(&self) -> (Person, Person, Person, String) {
        let (ana, bia, caio) = self.trio().await;
        let circuit = self.approving(&ana).await;
        for (who, name) in [(&bia, "bia"), (&caio, "caio")] {
            self.join(&ana, &circuit, (who, name), "member").await;
        }
        (ana, bia, caio, circuit)
    }

    /// A circuit in which pushes wait for approval, and pulls do not.
    pub async fn approving(&self, owner: &Person) -> String {
        self.circuit(owner, json!({"approvals": {"push": true, "pull": false}}))
            .await
    }

    /// Decides a push: `approve`, `reject` or `cancel`.
    pub async fn decide(&self, who: &Person, circuit: &str, pushed: &Value, word: &str) -> Value {
        let path = format!("{circuit}/operations/{}/{word}", text(pushed, "operation_id"));
        self.expect(200, who, "POST", &path, json!({})).await
    }

    /// Pushes a new local item with this content; gives its id and the answer.
    pub async fn push_new(
        &self,
        who: &Person,
        circuit: &str,
        identifiers: Value,
        data: Value,
    ) -> (String, Answer) {
        let local = self.local(who, identifiers, data).await;
        let pushed = self.push(who, circuit, &local).await;
        (local, pushed)
    }

    /// Status and DFID of a local item.
    pub async fn local_state(&self, who: &Person, local: &str) -> (Value, Value) {
        let local = self.get(who, &format!("/api/items/local/{local}")).await.body;
        (local["status"].clone(), local["dfid"].clone())
    }

    /// Asserts status and DFID of a local item.
    pub async fn local_is(&self, who: &Person, local: &str, status: &str, dfid: &Value) {
        let found = self.local_state(who, local).await;
        assert_eq!(found, (json!(status), dfid.clone()), "{local}");
    }

    /// An item of ana's that lies in the circuit, with GTIN 1.
    pub async fn shown_item(&self, ana: &Person, circuit: &str) -> String {
        let (_, pushed) = self
            .push_new(ana, circuit, json!([gtin(1)]), json!({"weight": 400}))
            .await;
        self.decide(ana, circuit, &pushed.body, "approve").await;
        text(&pushed.body, "dfid")
    }
}

impl Answer {
    /// Asserts the status, and these members of the body.
    pub fn says(&self, status: u16, members: &Value) {
        assert_eq!(self.status, status, "{}", self.body);
        says(&self.body, members);
    }
}

/// Asserts these members of a body; null stands for one that is absent, too.
pub fn says(body: &Value, members: &Value) {
    for (name, expected) in members.as_object().unwrap() {
        assert_eq!(&body[name], expected, "{name}: {body}");
    }
}

pub fn text(body: &Value, name: &str) -> String {
    let found = body[name].as_str();
    found
        .unwrap_or_else(|| panic!("no `{name}` in {body}"))
        .to_owned()
}

pub fn ear_tag(value: &str) -> Value {
    json!({"key": "ear_tag", "value": value})
}

/// A canonical identifier: a GTIN with the right check digit.
pub fn gtin(number: u32) -> Value {
    let digits = format!("7891{number:08}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, byte)| u32::from(byte - b'0') * if index % 2 == 0 { 3 } else { 1 })
        .sum();
    let value = format!("{digits}{}", (10 - sum % 10) % 10);
    json!({"key": "gtin", "value": value, "registry": "GTIN"})
}

/// The codes, or the fields, of a problem's errors.
pub fn errors(body: &Value, name: &str) -> Vec<String> {
    let list = body["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("no errors in {body}"));
    list.iter().map(|error| text(error, name)).collect()
}

/// A body without what differs from request to request.
pub fn without_ids(mut body: Value) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.remove("request_id");
        object.remove("trace_id");
        object.remove("instance");
    }
    body
}
