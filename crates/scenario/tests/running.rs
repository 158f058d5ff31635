//! What a run tells: calls, tries, secrets; and what users share and do not share.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::raw;
use scenario::http::{Connect, Connection, Limits, Request, Target, TlsOptions};
use scenario::{AssertOutcome, Call, Observer, Scenario, Settings, User, Value};

fn parse(text: &str) -> Scenario {
    scenario::parse("run.hurl", text).unwrap_or_else(|e| panic!("{e}"))
}

fn settings(base: &str) -> Settings {
    let variables = BTreeMap::from([("base".to_string(), Value::from(base))]);
    Settings {
        variables,
        retry_interval: Duration::from_millis(1),
        ..Settings::default()
    }
}

#[derive(Default)]
struct Seen(Vec<(usize, u32, u32, u16, String)>);

impl Observer for Seen {
    fn call(&mut self, call: &Call<'_>) {
        let status = call.result.map_or(0, |r| r.status);
        let path = call.request.path().to_string();
        assert!(call.took >= call.result.map_or(Duration::ZERO, |r| r.timings.first_byte));
        self.0
            .push((call.entry, call.attempt, call.redirect, status, path));
    }
}

#[test]
fn every_try_and_every_redirection_is_a_call_and_every_try_a_row() {
    common::block_on(async {
        let base = common::start().await;
        let scenario = parse(
            "GET {{base}}/counter/c?fail=2\n[Options]\nretry: 3\nretry-interval: 1\nHTTP 200\nGET {{base}}/chain/1\n[Options]\nlocation: true\nHTTP 200\n",
        );
        let mut seen = Seen::default();
        let outcome = User::new(Arc::new(settings(&base)))
            .run(&scenario, &mut seen)
            .await;
        assert!(outcome.ok);
        let tries: Vec<_> = outcome
            .entries
            .iter()
            .map(|e| (e.index, e.attempt, e.calls, e.ok()))
            .collect();
        assert_eq!(
            tries,
            [
                (0, 0, 1, false),
                (0, 1, 1, false),
                (0, 2, 1, true),
                (1, 0, 2, true)
            ]
        );
        let calls: Vec<_> = seen
            .0
            .iter()
            .map(|c| (c.0, c.1, c.2, c.3, c.4.as_str()))
            .collect();
        assert_eq!(
            calls,
            [
                (0, 0, 0, 503, "/counter/c?fail=2"),
                (0, 1, 0, 503, "/counter/c?fail=2"),
                (0, 2, 0, 200, "/counter/c?fail=2"),
                (1, 0, 0, 302, "/chain/1"),
                (1, 0, 1, 200, "/chain/0"),
            ]
        );
    });
}

const WITH_A_SECRET: &str = r#"POST {{base}}/echo?x=1
X-Key: {{password}}
[Query]
p: {{password}}
`{{password}}`
HTTP 200
X-None: {{password}}
[Captures]
all: body
query: jsonpath "$.query"
token: jsonpath "$.method" redact
[Asserts]
jsonpath "$.body" == "other {{password}}"
jsonpath "$.body" toInt == 1
jsonpath "$.query" == "x"
jsonpath "$.method" == "GET"
GET {{base}}x{{password}}
HTTP 200
GET {{base}}/echo
[Options]
variable: n={{password}}
delay: {{n}}
HTTP 200
"#;

#[test]
fn secrets_appear_in_nothing_that_is_reported() {
    common::block_on(async {
        let base = common::start().await;
        let secret = "p4ss w/rd!";
        let mut settings = settings(&base);
        settings
            .secrets
            .insert("password".to_string(), secret.to_string());
        settings.continue_on_error = true;
        let scenario = parse(WITH_A_SECRET);
        let mut user = User::new(Arc::new(settings));
        let outcome = user.run(&scenario, &mut ()).await;
        assert!(!outcome.ok);
        assert_eq!(outcome.entries.len(), 3);
        assert!(outcome.entries[1].error.is_some() && outcome.entries[2].error.is_some());
        let told = format!("{outcome:?}");
        for leak in [secret, "p4ss%20w", "p4ss", "POST"] {
            assert!(!told.contains(leak), "{leak} in {told}");
        }
        assert!(told.contains("***"));
        assert_eq!(user.redact("a p4ss w/rd! b p4ss%20w%2Frd%21"), "a *** b ***");
        assert_eq!(
            user.variable("token").map(ToString::to_string).as_deref(),
            Some("POST")
        );
    });
}

#[test]
fn users_share_the_scenario_but_neither_cookies_nor_variables() {
    common::block_on(async {
        let base = common::start().await;
        let settings = Arc::new(settings(&base));
        let login =
            parse("GET {{base}}/cookie?c=who%3D{{who}}\nHTTP 200\n[Captures]\nme: variable \"who\"\n");
        let look = parse("GET {{base}}/cookies\nHTTP 200\n[Captures]\nsent: body\n");
        let mut users = Vec::new();
        for name in ["ann", "bob"] {
            let mut user = User::new(settings.clone());
            user.set_variable("who", Value::from(name));
            assert!(user.run(&login, &mut ()).await.ok);
            users.push(user);
        }
        for (user, name) in users.iter_mut().zip(["ann", "bob"]) {
            assert!(user.run(&look, &mut ()).await.ok);
            assert_eq!(user.variable("sent").unwrap().to_string(), format!("who={name}"));
            assert_eq!(user.variable("me").unwrap().to_string(), name);
            user.reset();
            assert!(user.variable("me").is_none());
            assert!(user.run(&look, &mut ()).await.ok);
            assert_eq!(user.variable("sent").unwrap().to_string(), "");
        }
    });
}

#[test]
fn a_dropped_run_leaves_a_user_that_works() {
    common::block_on(async {
        let base = common::start().await;
        let silent = raw::serve(|stream| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(stream);
        })
        .await;
        let mut user = User::new(Arc::new(settings(&base)));
        let stuck = parse(&format!(
            "GET {{{{base}}}}/hello\nHTTP 200\nGET http://{silent}/\nHTTP 200\n"
        ));
        let run = tokio::time::timeout(Duration::from_millis(200), user.run(&stuck, &mut ())).await;
        assert!(run.is_err());
        assert!(
            user.run(&parse("GET {{base}}/hello\nHTTP 200\n"), &mut ())
                .await
                .ok
        );
    });
}

#[test]
fn a_kept_connection_that_the_server_closed_is_replaced() {
    common::block_on(async {
        // Answers once per connection and closes, without saying so.
        let address = raw::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true).await;
        let scenario = parse(&format!(
            "GET http://{address}/\n[Options]\nrepeat: 5\nHTTP 200\n"
        ));
        let mut seen = Seen::default();
        let outcome = User::new(Arc::new(settings("x"))).run(&scenario, &mut seen).await;
        assert!(outcome.ok, "{outcome:?}");
        assert_eq!(seen.0.len(), 5);
    });
}

#[test]
fn tls_with_the_right_root_and_http_2_by_negotiation() {
    common::block_on(async {
        let (address, pem) = raw::tls(&["h2", "http/1.1"]).await;
        let mut settings = settings(&format!("https://localhost:{}", address.port()));
        settings.ca_pem = Some(pem.into_bytes().into());
        let mut user = User::new(Arc::new(settings));
        let scenario = parse(
            "GET {{base}}/\nHTTP/2 200\n`HTTP/2.0`\nGET {{base}}/\n[Options]\nhttp1.1: true\nHTTP/1.1 200\n`HTTP/1.1`\nGET {{base}}/\n[Options]\ntls-min: 1.3\nHTTP/2 200\n",
        );
        let outcome = user.run(&scenario, &mut ()).await;
        assert!(outcome.ok, "{outcome:?}");
    });
}

#[test]
fn requests_can_be_sent_to_another_origin_and_headers_added() {
    common::block_on(async {
        let base = common::start().await;
        let mut settings = settings("unused");
        settings.rebase.push(("http://shop.example".to_string(), base));
        settings.headers.push(("X-Run".to_string(), "7".to_string()));
        let scenario = parse(
            "GET http://shop.example/echo?a\nHTTP 200\n[Asserts]\njsonpath \"$.path\" == \"/echo\"\njsonpath \"$.headers['x-run']\" == \"7\"\n",
        );
        let outcome = User::new(Arc::new(settings)).run(&scenario, &mut ()).await;
        assert!(outcome.ok, "{outcome:?}");
    });
}

/// Line, text, whether it held, what was expected and what came.
fn row(assert: &AssertOutcome) -> (u32, &str, bool, &str, &str) {
    (
        assert.line,
        assert.text.as_str(),
        assert.ok,
        assert.expected.as_str(),
        assert.actual.as_str(),
    )
}

#[test]
fn asserts_tell_what_was_expected_and_what_came() {
    common::block_on(async {
        let base = common::start().await;
        let scenario = parse(
            "GET {{base}}/json\nHTTP 200\n[Captures]\nid: jsonpath \"$.id\"\n[Asserts]\njsonpath \"$.id\" > 8 # why\njsonpath \"$.name\" == \"apple\"\n",
        );
        for explain in [true, false] {
            let settings = Settings {
                explain_passed: explain,
                ..settings(&base)
            };
            let mut user = User::new(Arc::new(settings));
            let outcome = user.run(&scenario, &mut ()).await;
            assert_eq!(user.variable("id"), Some(&Value::from(7)));
            let told = [("id".to_string(), Value::from(7))];
            assert_eq!(outcome.entries[0].captures, if explain { &told[..] } else { &[] });
            let rows: Vec<_> = outcome.entries[0].asserts[2..].iter().map(row).collect();
            let passed = if explain {
                (
                    "jsonpath \"$.name\" == \"apple\"",
                    "string <apple>",
                    "string <apple>",
                )
            } else {
                ("", "", "")
            };
            assert_eq!(
                rows,
                [
                    (
                        6,
                        "jsonpath \"$.id\" > 8",
                        false,
                        "greater than integer <8>",
                        "integer <7>"
                    ),
                    (7, passed.0, true, passed.1, passed.2),
                ]
            );
        }
    });
}

#[test]
fn one_entry_can_be_run_alone() {
    common::block_on(async {
        let base = common::start().await;
        let scenario = parse("GET {{base}}/status/500\nHTTP 200\nGET {{base}}/echo\nX: {{v}}\nHTTP 200\n");
        let mut user = User::new(Arc::new(settings(&base)));
        user.set_secret("v", "hidden");
        let rows = user.run_entry(&scenario, 1, &mut ()).await;
        assert_eq!(rows.len(), 1);
        assert!(rows[0].ok() && rows[0].index == 1 && rows[0].line == 3);
    });
}

#[test]
fn the_client_alone_sends_a_prepared_request_many_times_over_one_connection() {
    common::block_on(async {
        let base = common::start().await;
        let url: url::Url = format!("{base}/hello").parse().unwrap();
        let target = Target::from_url(&url).unwrap();
        let request = Request::new("GET", &url).unwrap();
        assert!(
            request
                .wire()
                .starts_with(b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:")
        );
        for prior in [false, true] {
            let connect = Connect {
                http2_prior_knowledge: prior,
                ..Connect::plain()
            };
            let mut connection = Connection::open(&target, &connect).await.unwrap();
            for i in 0..100 {
                let response = connection.send(&request, &Limits::default()).await.unwrap();
                assert_eq!(
                    (response.status, response.body.as_ref()),
                    (200, b"Hello World!".as_ref())
                );
                assert_eq!(response.timings.connect.is_some(), i == 0);
                assert!(connection.is_reusable());
            }
            assert_eq!(connection.is_http2(), prior);
        }
        let https = Target::from_url(&"https://localhost:1/".parse().unwrap()).unwrap();
        assert!(
            Connection::open(&https, &Connect::new(TlsOptions::default().build().unwrap()))
                .await
                .is_err()
        );
    });
}
