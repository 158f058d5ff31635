//! WebSocket conversations: said, heard, closed; every way in which they go wrong is told.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use scenario::http::Reason;
use scenario::{ErrorKind, Message, Observer, Outcome, Settings, User, parse};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message as Frame;

/// Echoes; `ticks` sends three messages first, `mute` never answers, `hangup` closes instead of answering, `huge` sends
/// more than the limit.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
                    return;
                };
                while let Some(Ok(message)) = socket.next().await {
                    let Frame::Text(text) = message else { continue };
                    let answers: Vec<Frame> = match text.as_str() {
                        "ticks" => ["1", "2", "done"].map(Frame::text).into(),
                        "mute" => vec![],
                        "hangup" => return drop(socket.close(None).await),
                        "huge" => vec![Frame::text("x".repeat(200_000))],
                        "binary" => vec![Frame::binary(vec![0, 1, 2])],
                        other => vec![Frame::text(format!("{{\"echo\": {other}}}"))],
                    };
                    for answer in answers {
                        socket.send(answer).await.unwrap();
                    }
                }
            });
        }
    });
    base
}

#[derive(Default)]
struct Seen(Vec<Message>);

impl Observer for Seen {
    fn message(&mut self, message: &Message) {
        self.0.push(message.clone());
    }
}

fn talk(lines: &[&str]) -> String {
    let comments: String = lines.iter().map(|line| format!("# {line}\n")).collect();
    format!(
        "# @websocket\n{comments}GET {{{{url}}}}/live\nHTTP 101\n[Asserts]\nheader \"Upgrade\" == \"websocket\"\n"
    )
}

async fn run(url: &str, text: &str) -> (Outcome, Vec<Message>) {
    let mut settings = Settings::default();
    settings.limits.timeout = Duration::from_millis(700);
    settings.limits.max_body = 100_000;
    let scenario = parse("live.hurl", text).unwrap();
    let mut user = User::new(Arc::new(settings));
    user.set_variable("url", scenario::Value::String(url.to_owned()));
    user.set_variable("word", scenario::Value::String("hello".to_owned()));
    let mut seen = Seen::default();
    (user.run(&scenario, &mut seen).await, seen.0)
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome.entries.last()?.error.as_ref()?.kind {
        ErrorKind::Http(reason) => Some(reason),
        _ => None,
    }
}

#[test]
fn a_conversation_holds_message_by_message() {
    common::block_on(async {
        let url = server().await;
        let text = talk(&[
            r#"@send {"say": "{{word}} # no comment \n"}"#,
            r#"@expect jsonpath "$.echo.say" == "hello # no comment \n""#,
            "@send ticks",
            r#"@await body == "done""#,
            "@send binary",
            "@expect bytes == hex,000102;",
        ]);
        let (outcome, seen) = run(&url, &text).await;
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!(outcome.entries[0].calls, 1);
        let texts: Vec<_> = outcome.entries[0]
            .asserts
            .iter()
            .map(|a| (a.line, a.ok))
            .collect();
        assert_eq!(
            texts,
            [(9, true), (9, true), (11, true), (3, true), (5, true), (7, true)]
        );
        assert!(
            seen.iter()
                .all(|m| matches!(m.result, Ok((size, true)) if size > 0)),
            "{seen:?}"
        );
        assert_eq!(seen.len(), 3);
    });
}

#[test]
fn a_message_that_is_wrong_is_told_with_what_came() {
    common::block_on(async {
        let url = server().await;
        let (outcome, seen) = run(
            &url,
            &talk(&["@send ticks", r#"@expect body == "done""#, "@send never"]),
        )
        .await;
        let row = outcome.entries[0].asserts.last().unwrap();
        assert!(!outcome.ok && !row.ok);
        assert_eq!((row.text.as_str(), row.line), (r#"@expect body == "done""#, 3));
        assert!(row.actual.contains('1'), "{row:?}");
        assert!(
            matches!(
                seen[..],
                [Message {
                    result: Ok((1, false)),
                    ..
                }]
            ),
            "{seen:?}"
        );
        let (outcome, _) = run(&url, &talk(&["@send ticks", r#"@await body == "4""#])).await;
        let row = outcome.entries[0].asserts.last().unwrap();
        assert!(
            !row.ok && row.actual.contains("done"),
            "the last message passed over is shown: {row:?}"
        );
    });
}

#[test]
fn silence_a_hang_up_and_a_flood_end_it_with_their_reason() {
    common::block_on(async {
        let url = server().await;
        for (word, expected) in [
            ("mute", Reason::Timeout),
            ("hangup", Reason::Closed),
            ("huge", Reason::BodyTooLarge),
        ] {
            let (outcome, seen) =
                run(&url, &talk(&[&format!("@send {word}"), r#"@expect body == "x""#])).await;
            assert_eq!(reason(&outcome), Some(expected), "{outcome:?}");
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].result.as_ref().unwrap_err().reason, expected);
        }
    });
}

#[test]
fn a_server_that_does_not_switch_is_told() {
    common::block_on(async {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "did not switch"),
            (
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
                "Accept",
            ),
        ] {
            let address = common::raw::answering(answer.as_bytes(), false).await;
            let text = "# @websocket\n# @send x\nGET {{url}}/\nHTTP *\n";
            let (outcome, _) = run(&format!("http://{address}"), text).await;
            let error = outcome.entries[0].error.clone().unwrap();
            assert!(error.message.contains(expected), "{error}");
            assert_eq!(error.line, 3);
        }
    });
}

/// A file, and where it is refused for what.
const SENSELESS: [(&str, u32, u32, &str); 8] = [
    (
        "# @send x\nGET http://h/\nHTTP 101\n",
        1,
        1,
        "without `@websocket`",
    ),
    (
        "# @websocket\n# @expect body = 5\nGET http://h/\nHTTP 101\n",
        2,
        16,
        "predicate",
    ),
    (
        "# @websocket\n# @expect body\nGET http://h/\nHTTP 101\n",
        2,
        15,
        "space",
    ),
    (
        "# @websocket\n# @send {{x\nGET http://h/\nHTTP 101\n",
        2,
        12,
        "}}",
    ),
    ("# @websocket\nPOST http://h/\nHTTP 101\n", 2, 1, "GET"),
    ("# @websocket\nGET http://h/\n", 2, 1, "asserted"),
    (
        "# @websocket\n# @expect certificate \"Subject\" == \"x\"\nGET http://h/\nHTTP 101\n",
        2,
        11,
        "certificate",
    ),
    ("GET http://h/\nHTTP 200\n# @websocket\n", 3, 1, "no request"),
];

#[test]
fn a_conversation_that_makes_no_sense_is_refused_with_its_place() {
    for (text, line, column, message) in SENSELESS {
        let found = parse("f.hurl", text).expect_err(text);
        let first = found.iter().next().unwrap();
        assert!(first.message.contains(message), "{text}: {first}");
        assert_eq!((first.line, first.column), (line, column), "{first}");
        assert!(
            first.hint.is_some() || column == 12 || line == 3 || message == "GET",
            "{first}"
        );
    }
}
