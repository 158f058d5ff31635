//! The live channel on the wire: heartbeats, silence, slow clients, streams, and two processes on one database.
//!
//! Time stands still in these tests but for what they let pass: everything is in one process, pipes included, so that
//! nothing outside of it can be awaited.

use std::{convert::Infallible, net::IpAddr, time::Duration};

use axum::{body::Body, extract::Request};
use db::Engine;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use server::edge::Peer;
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    calls::{post, record},
    fixture::{Person, Service},
    live::{DEADLINE, holder, relay},
};

const PEER: Peer = Peer {
    address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    https: false,
};
const MINUTE: Duration = Duration::from_secs(60);

/// The connections that hear wake-ups, seen from the login user's own session.
const LISTENING: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and application_name = 'farmgate listener' and query like 'listen%' and state = 'idle'";

type Socket = WebSocketStream<DuplexStream>;

/// Opens a WebSocket through a pipe that holds so many bytes.
async fn open(
    service: &Service,
    person: &Person,
    headers: &[(&'static str, &str)],
    buffer: usize,
) -> Result<Socket, Box<Error>> {
    let (near, far) = tokio::io::duplex(buffer);
    let edge = service.edge.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let edge = edge.clone();
        async move { Ok::<_, Infallible>(edge.handle(request.map(Body::new), PEER).await) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(far), answer);
    tokio::spawn(served.with_upgrades());
    let mut request = "ws://farmgate.test/api/live".into_client_request().unwrap();
    let bearer = format!("Bearer {}", person.token);
    for (name, value) in headers.iter().chain(&[("authorization", bearer.as_str())]) {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let opened = tokio_tungstenite::client_async(request, near).await;
    opened.map(|(socket, _)| socket).map_err(Box::new)
}

async fn text(socket: &mut Socket) -> Value {
    loop {
        match timeout(MINUTE, socket.next()).await.expect("in time") {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("no text: {other:?}"),
        }
    }
}

async fn greeted(service: &Service, person: &Person) -> Socket {
    let mut socket = open(service, person, &[], 64 * 1024).await.unwrap();
    assert_eq!(text(&mut socket).await["topic"], "hello");
    socket
}

fn open_connections(service: &Service) -> usize {
    service.app.live().stats().connections
}

#[tokio::test]
async fn a_heartbeat_comes_every_thirty_seconds() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    let mut socket = greeted(&service, &ana).await;
    tokio::time::pause();
    let start = Instant::now();
    for number in 1..=3 {
        let ping = socket.next().await.unwrap().unwrap();
        assert!(matches!(ping, Message::Ping(_)), "{ping:?}");
        assert_eq!(start.elapsed().as_secs(), 30 * number);
        let beat = text(&mut socket).await;
        assert_eq!((&beat["topic"], &beat["seq"]), (&json!("heartbeat"), &json!(0)));
        service.clock.pass(Duration::from_secs(30));
    }
    let first = service
        .app
        .live()
        .subscribe(holder(&ana), None)
        .await
        .unwrap()
        .resume_token();
    let beat = text(&mut socket).await;
    assert_eq!(beat["resume_token"], json!(first), "the token is the present one");
}

#[tokio::test]
async fn who_gives_no_sign_of_life_is_closed_after_900_seconds() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    let mut silent = greeted(&service, &ana).await;
    tokio::time::pause();
    sleep(Duration::from_secs(899)).await;
    assert_eq!(open_connections(&service), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(open_connections(&service), 0, "the place is given back");
    let mut left = Vec::new();
    silent.get_mut().read_to_end(&mut left).await.unwrap();
    let code = 4408_u16.to_be_bytes();
    assert!(
        left.windows(4)
            .any(|frame| frame[0] == 0x88 && frame[2..] == code),
        "the last frame tells why"
    );
}

/// The code of the close frame that comes next.
async fn closed(socket: &mut Socket) -> u16 {
    loop {
        match timeout(DEADLINE, socket.next()).await.expect("an end in time") {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_closes_is_answered() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    let mut socket = greeted(&service, &ana).await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "done".into(),
    };
    socket.close(Some(frame)).await.unwrap();
    assert_eq!(closed(&mut socket).await, 1000);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_told_so() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    // A frame that is read to its end, and one that is not.
    for size in [5_000, 300_000] {
        let mut socket = greeted(&service, &ana).await;
        // The server may close before it has taken all.
        let sent = timeout(DEADLINE, socket.send(Message::text("x".repeat(size)))).await;
        drop(sent);
        assert_eq!(closed(&mut socket).await, 1009);
    }
}

#[tokio::test]
async fn who_answers_pings_stays() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    let mut socket = greeted(&service, &ana).await;
    tokio::time::pause();
    let start = Instant::now();
    while start.elapsed() < 60 * MINUTE {
        // Reading answers the pings.
        let heard = socket.next().await.unwrap().unwrap();
        assert!(!heard.is_close(), "closed after {:?}: {heard:?}", start.elapsed());
    }
    drop(socket);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(open_connections(&service), 0, "who leaves gives the place back");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    let _stuck = open(&service, &ana, &[], 1024).await.unwrap();
    let _unread = stream(&service, &ana, &[]).await;
    let events: Vec<Value> = (0..50).map(|_| json!({"event_type": "tick"})).collect();
    let made = post(&service, &ana, "/api/events/bulk", json!({"events": events})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    relay(&service).await;
    assert_eq!(open_connections(&service), 2);
    tokio::time::pause();
    sleep(Duration::from_secs(31)).await;
    assert_eq!(open_connections(&service), 0, "neither holds its place");
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    for (origin, enters) in [
        ("http://farmgate.test", true),
        ("https://farmgate.test", true),
        ("http://farmgate.test.evil.example", false),
        ("http://farmgate.test:8080", false),
        ("null", false),
    ] {
        match open(&service, &ana, &[("origin", origin)], 4096).await {
            Ok(_) => assert!(enters, "{origin}"),
            Err(error) => {
                assert!(!enters, "{origin}");
                assert!(matches!(*error, Error::Http(answer) if answer.status() == 403));
            }
        }
    }
}

/// A stream of server-sent events.
struct Stream {
    body: Body,
    buffer: String,
}

#[derive(Debug)]
struct Heard {
    event: String,
    id: String,
    data: String,
}

async fn stream(service: &Service, person: &Person, headers: &[(&str, &str)]) -> Stream {
    let bearer = format!("Bearer {}", person.token);
    let mut request = Request::builder()
        .uri("/api/live/sse")
        .header("authorization", bearer);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = service
        .edge
        .handle(request.body(Body::empty()).unwrap(), PEER)
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Stream {
        body: answer.into_body(),
        buffer: String::new(),
    }
}

impl Stream {
    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| {
                    let of = |line: &str| {
                        line.strip_prefix(name)
                            .map(|rest| rest.trim_start_matches([':', ' ']).to_owned())
                    };
                    event.lines().find_map(of).unwrap_or_default()
                };
                let heard = Heard {
                    event: field("event"),
                    id: field("id"),
                    data: field("data"),
                };
                self.buffer = rest.to_owned();
                return Some(heard);
            }
            let frame = timeout(MINUTE, self.body.frame()).await.expect("in time")?;
            let bytes = frame.unwrap().into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn event(&mut self) -> (Heard, Value) {
        let heard = self.next().await.expect("an event");
        let data = serde_json::from_str(&heard.data).unwrap();
        (heard, data)
    }
}

pub async fn events_are_streamed_and_a_return_misses_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let mut first = stream(&service, &ana, &[]).await;
    assert_eq!(first.event().await.0.event, "hello");
    let one = record(&service, &ana, json!({"event_type": "a"})).await;
    relay(&service).await;
    let (heard, data) = first.event().await;
    assert_eq!((heard.event.as_str(), &data["seq"]), ("events", &json!(1)));
    assert_eq!(data["data"]["details"]["id"], one["id"]);
    assert_eq!(data["resume_token"], json!(heard.id), "the id is the token");
    drop(first);
    let missed = record(&service, &ana, json!({"event_type": "b"})).await;
    relay(&service).await;
    let mut back = stream(&service, &ana, &[("last-event-id", &heard.id)]).await;
    assert_eq!(back.event().await.0.event, "hello");
    assert_eq!(back.event().await.1["data"]["details"]["id"], missed["id"]);
    let nonsense = [
        ("last-event-id", "nonsense"),
        ("authorization", &format!("Bearer {}", ana.token)),
    ];
    let refused = service.send("GET", "/api/live/sse", &nonsense, None).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let path = "/api/live/sse?topics=events,gossip";
    let refused = service.as_bearer(&ana.token, "GET", path, None).await;
    assert_eq!(refused.body["errors"][0]["field"], "topics", "{}", refused.body);
    drop(back);
    let left = async {
        while open_connections(&service) > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, left).await.expect("the places are given back");
}

pub async fn the_end_of_the_server_ends_the_streams(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let mut open = stream(&service, &ana, &[]).await;
    assert_eq!(open.event().await.0.event, "hello");
    service.app.live().close_all();
    let last = open.next().await.unwrap();
    assert_eq!((last.event.as_str(), last.data.as_str()), ("closed", "stopping"));
    assert!(open.next().await.is_none(), "and the stream ends");
    let mut late = stream(&service, &ana, &[]).await;
    assert_eq!(late.event().await.0.event, "hello");
    assert_eq!(
        late.next().await.unwrap().data,
        "stopping",
        "who comes late is sent away"
    );
}

#[tokio::test]
async fn a_stream_beats_and_ends_after_900_seconds() {
    let service = Service::start(Engine::Sqlite).await;
    let ana = service.person("ana").await;
    let mut open = stream(&service, &ana, &[]).await;
    assert_eq!(open.event().await.0.event, "hello");
    tokio::time::pause();
    let start = Instant::now();
    for number in 1..30 {
        assert_eq!(open.event().await.0.event, "heartbeat");
        assert_eq!(start.elapsed().as_secs(), 30 * number);
    }
    let last = loop {
        let heard = open.next().await.unwrap();
        if heard.event != "heartbeat" {
            break heard;
        }
    };
    assert_eq!((last.event.as_str(), last.data.as_str()), ("closed", "renew"));
    assert_eq!(start.elapsed().as_secs(), 900);
    assert!(open.next().await.is_none());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(open_connections(&service), 0);
}

/// Waits until one process hears wake-ups.
async fn listening(service: &Service) {
    let wait = async {
        while service.database().as_login(LISTENING) != "1" {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, wait).await.expect("listening in time");
}

/// The number and the event of the next message.
async fn told(socket: &mut Socket) -> (u64, String) {
    let message = text(socket).await;
    assert_eq!(message["topic"], "events", "{message}");
    let id = message["data"]["details"]["id"].as_str().unwrap().to_owned();
    (message["seq"].as_u64().unwrap(), id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_records_reaches_the_sockets_of_another() {
    let here = Service::start(Engine::Postgres).await;
    let there = here.sibling().await;
    let ana = here.person("ana").await;
    let stop = CancellationToken::new();
    // Polling would take an hour: what arrives was notified.
    let feed = tokio::spawn(workers::feed::run(there.app.clone(), 60 * MINUTE, stop.clone()));
    listening(&here).await;
    let mut socket = greeted(&there, &ana).await;
    let first = record(&here, &ana, json!({"event_type": "a"})).await;
    relay(&here).await;
    assert_eq!(
        told(&mut socket).await,
        (1, first["id"].as_str().unwrap().to_owned())
    );

    // Both at once: each message once, numbered without a gap.
    let mut expected = std::collections::BTreeSet::new();
    for number in 0..40 {
        let service = if number % 2 == 0 { &here } else { &there };
        let event = record(service, &ana, json!({"event_type": "tick"})).await;
        expected.insert(event["id"].as_str().unwrap().to_owned());
        if number % 5 == 0 {
            tokio::join!(relay(&here), relay(&there));
        }
    }
    tokio::join!(relay(&here), relay(&there));
    let mut heard = std::collections::BTreeSet::new();
    for number in 2..=41 {
        let (seq, id) = told(&mut socket).await;
        assert_eq!(seq, number);
        heard.insert(id);
    }
    assert_eq!(heard, expected);

    // The connection that hears is cut, and something happens meanwhile.
    here.database().as_login(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'farmgate listener'",
    );
    let meanwhile = record(&here, &ana, json!({"event_type": "b"})).await;
    relay(&here).await;
    assert_eq!(told(&mut socket).await.1, meanwhile["id"].as_str().unwrap());
    listening(&here).await;
    let after = record(&here, &ana, json!({"event_type": "c"})).await;
    relay(&here).await;
    assert_eq!(
        told(&mut socket).await,
        (43, after["id"].as_str().unwrap().to_owned())
    );
    stop.cancel();
    feed.await.unwrap();
}
