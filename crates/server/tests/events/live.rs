//! The live channel.

use std::time::Duration;

use app::live::{CloseReason, Delivery, Holder, ResumeToken, Subscription};
use db::Engine;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use server::listen::{ListenConfig, serve};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_util::sync::CancellationToken;
use workers::outbox::{OutboxConfig, OutboxRunner};

use crate::{
    cases::{post, record, workspace},
    fixture::{Person, Service},
};

/// Longest wait for something that must come.
const DEADLINE: Duration = Duration::from_secs(20);

fn holder(person: &Person) -> Holder {
    Holder {
        workspace: workspace(person),
        user: person.user_id.parse().unwrap(),
        session: Some(person.session_id.parse().unwrap()),
        api_key: None,
    }
}

async fn relay(service: &Service) {
    let runner = OutboxRunner::new(
        &service.app,
        OutboxConfig::default(),
        workers::default_handlers(&service.app),
    );
    while runner.run_once().await.unwrap() > 0 {}
}

async fn next(subscription: &mut Subscription) -> Delivery {
    tokio::time::timeout(DEADLINE, subscription.next())
        .await
        .expect("a delivery in time")
        .unwrap()
}

async fn message(subscription: &mut Subscription) -> (u64, ResumeToken, Value) {
    match next(subscription).await {
        Delivery::Message {
            topic,
            seq,
            resume_token,
            data,
        } => {
            assert_eq!(topic, "events");
            (
                seq,
                resume_token.parse().unwrap(),
                serde_json::from_str(data.get()).unwrap(),
            )
        }
        other => panic!("not a message: {other:?}"),
    }
}

pub async fn messages_reach_their_workspace_and_a_return_misses_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let replica = service.replica().await;
    let mut here = service.app.live().subscribe(holder(&ana), None).await.unwrap();
    let mut there = replica.app.live().subscribe(holder(&ana), None).await.unwrap();
    let mut other = service.app.live().subscribe(holder(&bob), None).await.unwrap();
    let event = record(&service, &ana, json!({"event_type": "a", "data": {"secret": 1}})).await;
    relay(&service).await;
    let (seq, token, data) = message(&mut here).await;
    assert_eq!((seq, &data["details"]["id"]), (1, &event["id"]));
    assert!(
        !data.to_string().contains("secret"),
        "the payload is read with the event's own rights"
    );
    while replica.app.live().pump().await.unwrap() > 0 {}
    assert_eq!(
        message(&mut there).await.2["details"]["id"],
        event["id"],
        "the other replica tells it too"
    );
    drop(here);
    let missed = [
        record(&service, &ana, json!({"event_type": "b"})).await,
        record(&service, &ana, json!({"event_type": "c"})).await,
    ];
    relay(&service).await;
    let mut back = service
        .app
        .live()
        .subscribe(holder(&ana), Some(token))
        .await
        .unwrap();
    let late = record(&service, &ana, json!({"event_type": "d"})).await;
    relay(&service).await;
    for (number, expected) in missed.iter().chain([&late]).enumerate() {
        let (seq, _, data) = message(&mut back).await;
        assert_eq!(
            (seq, &data["details"]["id"]),
            (number as u64 + 1, &expected["id"]),
            "each once, in order"
        );
    }
    let of_bob = record(&service, &bob, json!({"event_type": "e"})).await;
    relay(&service).await;
    assert_eq!(
        message(&mut other).await.2["details"]["id"],
        of_bob["id"],
        "and nothing of the other workspace before"
    );
    service.clock.pass(Duration::from_secs(15 * 60 + 1));
    let mut late = service
        .app
        .live()
        .subscribe(holder(&ana), Some(token))
        .await
        .unwrap();
    assert!(
        matches!(next(&mut late).await, Delivery::Lost { missed: None, .. }),
        "too late, and said so"
    );
    drop((there, other, back, late));
    let stats = service.app.live().stats();
    assert_eq!(
        (stats.connections, stats.workspaces),
        (0, 0),
        "everything is given back"
    );
}

pub async fn a_slow_listener_is_told_what_it_lost(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let mut slow = service.app.live().subscribe(holder(&ana), None).await.unwrap();
    let events: Vec<Value> = (0..300).map(|_| json!({"event_type": "tick"})).collect();
    assert_eq!(
        post(&service, &ana, "/api/events/bulk", json!({"events": events}))
            .await
            .status,
        201
    );
    relay(&service).await;
    let Delivery::Lost {
        missed: Some(missed),
        resume_token: Some(token),
        ..
    } = next(&mut slow).await
    else {
        panic!("nothing said about a loss");
    };
    assert_eq!(missed, 300 - 256);
    for _ in 0..256 {
        message(&mut slow).await;
    }
    let mut again = service
        .app
        .live()
        .subscribe(holder(&ana), Some(token.parse().unwrap()))
        .await
        .unwrap();
    for number in 1..=300 {
        assert_eq!(
            message(&mut again).await.0,
            number,
            "with the token all of them can be read"
        );
    }
    let mut held = Vec::new();
    for _ in 2..10 {
        held.push(service.app.live().subscribe(holder(&ana), None).await.unwrap());
    }
    let refused = service.app.live().subscribe(holder(&ana), None).await;
    assert_eq!(refused.err().unwrap().code.as_str(), "limit_exceeded");
}

pub async fn logging_out_closes_the_connection(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let mut closing = service.app.live().subscribe(holder(&ana), None).await.unwrap();
    let mut staying = service.app.live().subscribe(holder(&bob), None).await.unwrap();
    service.app.live().check_rights().await.unwrap();
    assert_eq!(service.app.live().stats().revoked, 0);
    let out = service
        .as_bearer(&ana.token, "POST", "/api/auth/logout", None)
        .await;
    assert!(out.status < 300, "{}", out.body);
    service.app.live().check_rights().await.unwrap();
    assert!(matches!(
        next(&mut closing).await,
        Delivery::Closed(CloseReason::Revoked)
    ));
    record(&service, &bob, json!({"event_type": "a"})).await;
    relay(&service).await;
    message(&mut staying).await;
}

pub async fn a_ticket_opens_one_socket(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let config = ListenConfig::default();
    let server = tokio::spawn(serve(
        listener,
        service.edge.clone(),
        config,
        None,
        stop.clone(),
        abort.clone(),
    ));
    let ticket = service
        .as_bearer(&ana.token, "POST", "/api/live/ticket", None)
        .await;
    assert_eq!(ticket.status, 200, "{}", ticket.body);
    let url = format!(
        "ws://{address}/api/live?ticket={}",
        ticket.body["ticket"].as_str().unwrap()
    );
    let mut foreign = url.as_str().into_client_request().unwrap();
    foreign
        .headers_mut()
        .insert("origin", "http://evil.example".parse().unwrap());
    assert!(
        tokio_tungstenite::connect_async(foreign).await.is_err(),
        "another site's page"
    );
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let mut read = async || loop {
        match tokio::time::timeout(DEADLINE, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Message::Text(text) => return serde_json::from_str::<Value>(&text).unwrap(),
            Message::Close(_) => return Value::Null,
            _ => {}
        }
    };
    assert_eq!(read().await["topic"], "hello");
    let event = record(&service, &ana, json!({"event_type": "a"})).await;
    relay(&service).await;
    let message = read().await;
    assert_eq!(
        (&message["seq"], &message["data"]["details"]["id"]),
        (&json!(1), &event["id"]),
        "{message}"
    );
    assert!(
        tokio_tungstenite::connect_async(&url).await.is_err(),
        "a ticket is used up"
    );
    assert!(
        tokio_tungstenite::connect_async(format!("ws://{address}/api/live"))
            .await
            .is_err(),
        "nobody"
    );
    let mut bearer = format!("ws://{address}/api/live").into_client_request().unwrap();
    bearer
        .headers_mut()
        .insert("authorization", format!("Bearer {}", ana.token).parse().unwrap());
    let (mut second, _) = tokio_tungstenite::connect_async(bearer).await.unwrap();
    second.close(None).await.unwrap();
    second.flush().await.ok();
    service.app.live().close_all();
    assert_eq!(read().await, Value::Null, "closed in good order");
    stop.cancel();
    abort.cancel();
    server.await.unwrap();
}
