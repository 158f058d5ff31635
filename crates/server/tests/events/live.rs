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
    calls::{post, record, workspace},
    fixture::{Answer, PASSWORD, Person, Service},
};

/// Longest wait for something that must come.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn holder(person: &Person) -> Holder {
    Holder {
        workspace: workspace(person),
        user: person.user_id.parse().unwrap(),
        session: Some(person.session_id.parse().unwrap()),
        api_key: None,
    }
}

pub async fn relay(service: &Service) {
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
    assert_eq!(service.app.live().stats().lost, missed, "and it is counted");
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
}

pub async fn a_user_has_so_many_connections_and_no_more(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let together = (0..40).map(|_| {
        let (app, holder) = (service.app.clone(), holder(&ana));
        tokio::spawn(async move { app.live().subscribe(holder, None).await })
    });
    let (mut held, mut refused) = (Vec::new(), 0);
    for attempt in together.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(subscription) => held.push(subscription),
            Err(error) => {
                assert_eq!(error.code.as_str(), "limit_exceeded");
                refused += 1;
            }
        }
    }
    assert_eq!((held.len(), refused), (10, 30));
    let other = service.app.live().subscribe(holder(&bob), None).await;
    assert!(other.is_ok(), "another user's connections are that user's own");
    held.pop();
    held.push(service.app.live().subscribe(holder(&ana), None).await.unwrap());
    drop((held, other));
    let stats = service.app.live().stats();
    assert_eq!((stats.connections, stats.workspaces), (0, 0));
}

pub async fn revoked_rights_close_what_they_opened(engine: Engine) {
    let service = Service::start(engine).await;
    let root = service.admin().await;
    let (ana, bia, eve) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("eve").await,
    );
    let ok = |answer: Answer| {
        assert!(answer.status < 300, "{}", answer.body);
        answer.body
    };
    // A member of another's workspace, an API key, somebody who will be frozen, and a session that will run out.
    let role = json!({"user": "bia", "role": "viewer"});
    ok(post(&service, &ana, "/api/members", role).await);
    let there = json!({"workspace_id": ana.workspace_id});
    let moved = ok(post(&service, &bia, "/api/auth/switch-workspace", there).await);
    let member = Holder {
        workspace: workspace(&ana),
        session: Some(
            moved["session_id"]
                .as_str()
                .unwrap_or(&bia.session_id)
                .parse()
                .unwrap(),
        ),
        ..holder(&bia)
    };
    let made = ok(post(
        &service,
        &ana,
        "/api/api-keys",
        json!({"name": "k", "scopes": ["notifications:read"]}),
    )
    .await);
    let key_id = made["id"].as_str().unwrap().to_owned();
    let by_key = Holder {
        session: None,
        api_key: Some(key_id.parse().unwrap()),
        ..holder(&ana)
    };
    let live = service.app.live();
    let mut of_member = live.subscribe(member, None).await.unwrap();
    let mut of_key = live.subscribe(by_key, None).await.unwrap();
    let mut of_eve = live.subscribe(holder(&eve), None).await.unwrap();
    let mut of_ana = live.subscribe(holder(&ana), None).await.unwrap();
    live.check_rights().await.unwrap();
    assert_eq!(live.stats().revoked, 0, "so far all are in their right");
    let path = format!("/api/members/{}", bia.user_id);
    ok(service.as_bearer(&ana.token, "DELETE", &path, None).await);
    let path = format!("/api/api-keys/{key_id}");
    ok(service.as_bearer(&ana.token, "DELETE", &path, None).await);
    let path = format!("/api/admin/users/{}/freeze", eve.user_id);
    ok(post(&service, &root, &path, json!({"reason": "abuse"})).await);
    live.check_rights().await.unwrap();
    for closed in [&mut of_member, &mut of_key, &mut of_eve] {
        assert!(matches!(
            next(closed).await,
            Delivery::Closed(CloseReason::Revoked)
        ));
    }
    assert_eq!(live.stats().revoked, 3);
    service.clock.pass(Duration::from_secs(400 * 24 * 3600));
    live.check_rights().await.unwrap();
    assert!(
        matches!(next(&mut of_ana).await, Delivery::Closed(CloseReason::Revoked)),
        "a session that ran out"
    );
}

pub async fn a_long_silence_does_not_age_the_token(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let mut quiet = service.app.live().subscribe(holder(&ana), None).await.unwrap();
    record(&service, &ana, json!({"event_type": "a"})).await;
    relay(&service).await;
    message(&mut quiet).await;
    // For an hour nothing happens; each heartbeat brings a token of its moment.
    service.clock.pass(Duration::from_secs(3600));
    let token = quiet.resume_token().parse().unwrap();
    drop(quiet);
    service.clock.pass(Duration::from_secs(14 * 60));
    let ana = service.sign_in("ana", PASSWORD).await;
    let missed = record(&service, &ana, json!({"event_type": "b"})).await;
    relay(&service).await;
    let mut back = service
        .app
        .live()
        .subscribe(holder(&ana), Some(token))
        .await
        .unwrap();
    assert_eq!(message(&mut back).await.2["details"]["id"], missed["id"]);
}

pub async fn a_token_ahead_of_the_server_is_told_of_a_loss(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let behind = service.replica().await;
    let _open = behind.app.live().subscribe(holder(&ana), None).await.unwrap();
    let mut here = service.app.live().subscribe(holder(&ana), None).await.unwrap();
    record(&service, &ana, json!({"event_type": "a"})).await;
    relay(&service).await;
    let (_, token, _) = message(&mut here).await;
    // Another process has not read as far yet: nothing is lost.
    let mut there = behind
        .app
        .live()
        .subscribe(holder(&ana), Some(token))
        .await
        .unwrap();
    let second = record(&service, &ana, json!({"event_type": "b"})).await;
    relay(&service).await;
    while behind.app.live().pump().await.unwrap() > 0 {}
    let (seq, _, data) = message(&mut there).await;
    assert_eq!((seq, &data["details"]["id"]), (1, &second["id"]));

    // A database from before the token was given, as after a restore.
    let restored = Service::start(engine).await;
    let ana = restored.person("ana").await;
    let mut back = restored
        .app
        .live()
        .subscribe(holder(&ana), Some(token))
        .await
        .unwrap();
    let lost = next(&mut back).await;
    assert!(matches!(lost, Delivery::Lost { missed: None, .. }), "{lost:?}");
    let event = record(&restored, &ana, json!({"event_type": "c"})).await;
    relay(&restored).await;
    assert_eq!(message(&mut back).await.2["details"]["id"], event["id"]);
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
        service.edge.clone().into(),
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
    let fresh = async || {
        let ticket = service
            .as_bearer(&ana.token, "POST", "/api/live/ticket", None)
            .await;
        ticket.body["ticket"].as_str().unwrap().to_owned()
    };
    let shared = fresh().await;
    let (one, two) = tokio::join!(
        service.app.use_live_ticket(&shared),
        service.app.use_live_ticket(&shared)
    );
    assert!(
        one.is_ok() != two.is_ok(),
        "of two who show it together, one enters"
    );
    let old = fresh().await;
    service.clock.pass(Duration::from_secs(31));
    assert!(service.app.use_live_ticket(&old).await.is_err(), "too old");
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
