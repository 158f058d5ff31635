//! Stages as a user sees them: what may pass, and what never does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gate::config::{JourneyConfig, Promise, Shape};
use gate::live::Live;
use gate::load::JourneyCrew;
use gate::report::{Detail, Format, StageResult, render};
use gate::runs::{LoadSpec, Senders};
use gate::server::Sources;
use gate::setup::{journey, plan};
use gate::verdict::Verdict;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use support::shop::{JOURNEY, file, given, load, report, run_smoke, shop, slow, smoke};

#[tokio::test]
async fn a_scenario_that_holds_passes_and_its_secret_is_nowhere() {
    let stage = smoke(&shop(), JOURNEY).await;
    assert_eq!(stage.verdict, Verdict::Pass, "{:?}", stage.reasons);
    let Detail::Smoke(rows) = &stage.detail else {
        panic!("no smoke report")
    };
    assert_eq!(rows.calls, 2);
    assert!(
        rows.rows
            .iter()
            .any(|row| row.text.contains("count == 3") && row.ok)
    );
    let text = render(&report(vec![stage]), Format::Json).unwrap();
    assert!(!text.contains("hunter2"));
}

#[tokio::test]
async fn a_failed_assert_fails_with_what_was_expected_and_what_came() {
    let stage = smoke(&shop(), &JOURNEY.replace("count == 3", "count == 4")).await;
    assert_eq!(stage.verdict, Verdict::Fail);
    assert!(
        stage.reasons[0].contains('4') && stage.reasons[0].contains('3'),
        "{:?}",
        stage.reasons
    );
}

#[tokio::test]
async fn a_file_that_proves_nothing_is_inconclusive() {
    assert_eq!(
        smoke(&shop(), "# nothing here\n").await.verdict,
        Verdict::Inconclusive
    );
    let broken = support::serve(|_, _| (Duration::ZERO, support::answer(500, "oops")));
    for text in [
        "GET {{url}}/i\n",
        "GET {{url}}/i\nHTTP *\n",
        "GET {{url}}/i\nHTTP *\n[Captures]\nall: body\n",
        "GET {{url}}/i\n\nGET {{url}}/j\n[Options]\nskip: true\nHTTP 200\n",
    ] {
        let stage = smoke(&broken, text).await;
        assert_eq!(
            stage.verdict,
            Verdict::Inconclusive,
            "{text}: {:?}",
            stage.reasons
        );
    }
    let nothing = run_smoke(Vec::new(), "http://x", &CancellationToken::new()).await;
    assert_eq!(nothing.verdict, Verdict::Inconclusive);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_run_that_was_stopped_is_inconclusive() {
    let (_folder, path) = file(
        "wait.hurl",
        "GET {{url}}/metrics\n[Options]\ndelay: 1h\nHTTP 200\n",
    );
    let files = gate::smoke::read(&[path]).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let stopped = run_smoke(files, &shop(), &cancel).await;
    assert_eq!(stopped.verdict, Verdict::Inconclusive);
    assert!(
        stopped.reasons.iter().any(|r| r == "stopped after 0 of 1 files"),
        "{:?}",
        stopped.reasons
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_journey_under_load_is_measured_by_request_and_as_a_whole() {
    let holds = [
        "p95(login) < 400ms",
        "error_rate < 0.1%",
        "count(shopping/list) > 20",
        "rps(list) > 50",
    ];
    let stage = load(&shop(), JOURNEY, &holds, slow(100.0), Sources::default()).await;
    assert_eq!(stage.verdict, Verdict::Pass, "{:?}", stage.reasons);
    let Detail::Load(load) = &stage.detail else {
        panic!("no load report")
    };
    assert_eq!((load.total.ok, load.generator.planned), (80, 50));
    let journey = load
        .cells
        .iter()
        .find(|c| c.tag == 0 && !load.phases[c.phase].1)
        .unwrap();
    assert_eq!(journey.tally.ok, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn answers_that_are_wrong_count_as_not_ok_and_fail() {
    let wrong = JOURNEY.replace("count == 3", "count == 4");
    let stage = load(
        &shop(),
        &wrong,
        &["error_rate < 1%"],
        slow(50.0),
        Sources::default(),
    )
    .await;
    assert_eq!(stage.verdict, Verdict::Fail);
    let Detail::Load(load) = &stage.detail else {
        panic!("no load report")
    };
    assert_eq!((load.total.ok, load.total.not_ok), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_load_that_asserts_nothing_never_passes_and_its_scenario_is_named() {
    let broken = support::serve(|_, _| (Duration::ZERO, support::answer(500, "oops")));
    for text in ["GET {{url}}/i\n", "GET {{url}}/i\nHTTP *\n"] {
        let promises = &["error_rate < 1%"];
        let stage = load(&broken, text, promises, slow(20.0), Sources::default()).await;
        assert_eq!(
            stage.verdict,
            Verdict::Inconclusive,
            "{text}: {:?}",
            stage.reasons
        );
        let named = |r: &String| r.starts_with("shopping: sends nothing or asserts nothing");
        assert!(stage.reasons.iter().any(named), "{text}: {:?}", stage.reasons);
        let parts = [1, 2].map(|seed| report_of(seed, stage.clone()));
        let joined = gate::report::merge(&parts).unwrap();
        assert_eq!(
            joined.verdict,
            Verdict::Inconclusive,
            "{text}: {:?}",
            joined.reasons
        );
    }
}

/// What the generator of this seed reports.
fn report_of(seed: u64, stage: StageResult) -> gate::report::Report {
    let here = gate::report::Environment::here(Vec::new());
    let began = "2026-01-01T00:00:00Z".to_owned();
    gate::report::Report::new("load", "http://shop", seed, here, vec![stage]).seal(began.clone(), began)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_not_promised_or_not_measured_never_passes() {
    for thresholds in [
        &[][..],
        &["error_rate < 1%", "server.memory < 80%"],
        &["p95(nobody) < 1s"],
    ] {
        let stage = load(&shop(), JOURNEY, thresholds, slow(20.0), Sources::default()).await;
        assert_eq!(
            stage.verdict,
            Verdict::Inconclusive,
            "{thresholds:?} {:?}",
            stage.reasons
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn server_figures_are_read_from_a_metrics_endpoint() {
    let url = shop();
    let sources = Sources {
        metrics: Some(given(&url).get("/metrics").unwrap()),
        connect: Some(given(&url).connect().unwrap()),
        formulas: [(
            "db.connections".to_owned(),
            "pool_in_use / pool_size".parse().unwrap(),
        )]
        .into(),
        pid: None,
        every: Duration::from_millis(100),
    };
    let stage = load(&url, JOURNEY, &["db.connections < 80%"], slow(20.0), sources).await;
    assert_eq!(stage.verdict, Verdict::Fail, "{:?}", stage.reasons);
    assert!(
        stage.reasons.iter().any(|r| r.contains("90%")),
        "{:?}",
        stage.reasons
    );
}

/// The generator's verdict about itself outweighs thresholds on latency, but not wrong answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_starved_generator_and_an_unfinished_plan_never_pass() {
    let holds = ["p95 < 10s", "error_rate < 1%"];
    let thresholds: Vec<gate::threshold::Threshold> = holds.iter().map(|t| t.parse().unwrap()).collect();
    let stage = load(&shop(), JOURNEY, &holds, slow(20.0), Sources::default()).await;
    let Detail::Load(mut load) = stage.detail else {
        panic!("no load report")
    };
    assert_eq!(load.judge(&thresholds).0, Verdict::Pass);
    load.ended = gate::load::Ended::Aborted("it broke".to_owned());
    assert_eq!(load.judge(&thresholds).0, Verdict::Inconclusive);
    load.ended = gate::load::Ended::Completed;
    load.generator.disturbed = Some("it was late now and then".to_owned());
    assert_eq!(load.judge(&thresholds).0, Verdict::Pass);
    load.thresholds[0].verdict = Verdict::Fail;
    assert_eq!(load.judge(&thresholds).0, Verdict::Inconclusive);
    load.thresholds[0].verdict = Verdict::Pass;
    load.generator.limited = Some("it was late".to_owned());
    assert_eq!(load.judge(&thresholds).0, Verdict::Inconclusive);
    load.thresholds[0].verdict = Verdict::Fail;
    assert_eq!(load.judge(&thresholds).0, Verdict::Inconclusive);
    load.thresholds[1].verdict = Verdict::Fail;
    assert_eq!(load.judge(&thresholds).0, Verdict::Fail);
    let (verdict, reasons) = load.judge(&thresholds);
    let stage = StageResult {
        name: "load".to_owned(),
        verdict,
        reasons,
        seconds: 1.0,
        detail: Detail::Load(load),
    };
    let junit = render(&report(vec![stage]), Format::Junit).unwrap();
    assert!(
        junit.contains("tests=\"3\" failures=\"2\" errors=\"1\""),
        "{junit}"
    );
}

/// Echoes on WebSockets; every fifth message is not what was said.
async fn echo() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let said = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let said = said.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    let number =
                        said.fetch_add(u64::from(message.is_text()), std::sync::atomic::Ordering::Relaxed);
                    let wrong = number % 5 == 4;
                    let answer = if wrong {
                        Message::text("something else")
                    } else {
                        message.clone()
                    };
                    // The library answers a close itself; an echo of it may then fail.
                    if message.is_text() && socket.send(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_on_websockets_are_counted_beside_the_requests_that_open_them() {
    const TALK: &str = "# @scenario talk\n# @name room\n# @websocket\n# @send hello {{user_number}}\n\
        # @expect body == \"hello {{user_number}}\"\nGET {{url}}/room\nHTTP 101\n";
    let promises = [
        "error_rate < 1%",
        "p95(room (messages)) < 10s",
        "error_rate(talk/room) < 1%",
    ];
    let stage = load(&echo().await, TALK, &promises, slow(50.0), Sources::default()).await;
    let Detail::Load(load) = &stage.detail else {
        panic!("no load")
    };
    let tally = |name: &str| {
        let tag = load.tags.iter().rposition(|tag| tag.name == name).unwrap();
        let cell = load
            .cells
            .iter()
            .find(|cell| cell.tag == tag && !load.phases[cell.phase].1)
            .unwrap();
        (cell.tally.ok, cell.tally.not_ok, cell.tally.unanswered())
    };
    let (opened, (heard, wrong, silent)) = (tally("room"), tally("room (messages)"));
    assert_eq!((opened.1, opened.2, silent), (0, 0, 0), "{:?}", stage.reasons);
    assert_eq!(heard + wrong, opened.0);
    assert!(
        wrong * 4 <= heard + 8 && heard <= wrong * 4 + 8,
        "every fifth is wrong: {wrong} of {}",
        heard + wrong
    );
    assert_eq!(load.thresholds[0].verdict, Verdict::Fail);
    assert_eq!(
        load.thresholds[2].verdict,
        Verdict::Pass,
        "opening was right: {:?}",
        stage.reasons
    );
    assert!(
        stage.reasons.iter().any(|r| r.contains("something else")),
        "{:?}",
        stage.reasons
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_broken_promise_with_abort_ends_the_run_early_and_fails_it() {
    let url = support::serve(|_, _| (Duration::ZERO, support::answer(500, "{}")));
    let senders = Senders::Single(gate::load::SingleCrew::new(
        given(&url).single("/", None).unwrap(),
    ));
    let hour = Shape {
        rate: Some(50.0),
        duration: Some("1h".parse().unwrap()),
        warmup: Some("0s".parse().unwrap()),
        ..Shape::default()
    };
    let abort_after = Some("100ms".parse().unwrap());
    let mut plan = plan(&hour, senders.weights(), 1, Duration::from_secs(1)).unwrap();
    plan.tick = Duration::from_millis(50);
    let spec = LoadSpec {
        name: "load".to_owned(),
        plan,
        promises: vec![Promise {
            threshold: "error_rate < 5%".parse().unwrap(),
            abort_after,
        }],
        sources: Sources::default(),
    };
    let mut live = Live::new(Vec::new(), false);
    let stage = gate::runs::load(spec, senders, CancellationToken::new(), &mut live)
        .await
        .unwrap();
    assert_eq!(stage.verdict, Verdict::Fail, "{:?}", stage.reasons);
    assert!(
        stage.reasons[0].starts_with("ended early: error_rate < 5%") && stage.seconds < 60.0,
        "{:?}",
        stage.reasons
    );
}

/// A server, and the first lines of the requests that came to it.
fn noting_server() -> (String, Arc<Mutex<BTreeSet<String>>>) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = seen.clone();
    let url = support::serve(move |head, _| {
        noted
            .lock()
            .unwrap()
            .insert(head.lines().next().unwrap().to_owned());
        (Duration::ZERO, support::answer(200, "{}"))
    });
    (url, seen)
}

/// A load without promises.
async fn send_for_a_while(crew: JourneyCrew) {
    let spec = LoadSpec {
        name: "load".to_owned(),
        plan: plan(&slow(60.0), crew.weights(), 1, Duration::from_secs(1)).unwrap(),
        promises: Vec::new(),
        sources: Sources::default(),
    };
    let mut live = Live::new(Vec::new(), false);
    gate::runs::load(spec, Senders::Journeys(crew), CancellationToken::new(), &mut live)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rows_of_a_data_file_become_variables_turn_by_turn() {
    let (url, seen) = noting_server();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put(
        "a.hurl",
        "# @weight 2.5\n# @data users.csv\nGET {{url}}/{{name}}/{{age}}\nHTTP 200\n",
    );
    put("users.csv", "name,age\nann,30\nbob,40\n");
    put("more.json", r#"[{"name": "cy", "age": 50}]"#);
    put("empty.csv", "name,age\n");
    let config = |data: Option<&str>| JourneyConfig {
        file: folder.path().join("a.hurl"),
        name: None,
        weight: None,
        data: data.map(|name| folder.path().join(name)),
        new_visitor: true,
    };
    let journeys = [None, Some("more.json")]
        .map(|data| journey(&config(data)).unwrap())
        .to_vec();
    assert_eq!((journeys[0].weight, journeys[0].name.as_str()), (2.5, "a"));
    assert!(
        journey(&config(Some("empty.csv")))
            .unwrap_err()
            .to_string()
            .contains("no rows")
    );
    let crew = JourneyCrew::new(journeys, given(&url).settings().unwrap());
    send_for_a_while(crew).await;
    let lines: Vec<String> = seen.lock().unwrap().iter().cloned().collect();
    assert_eq!(
        lines,
        [
            "GET /ann/30 HTTP/1.1",
            "GET /bob/40 HTTP/1.1",
            "GET /cy/50 HTTP/1.1"
        ]
    );
}

#[tokio::test]
async fn smoke_runs_the_rows_of_a_data_file_and_says_which() {
    let (url, seen) = noting_server();
    let (folder, path) = support::shop::file(
        "a.hurl",
        "# @data rows.csv\n# @name one\nGET {{url}}/{{n}}\nHTTP 200\n[Asserts]\nvariable \"n\" != \"3\"\n",
    );
    let rows: String = (1..=12).map(|n| format!("{n}\n")).collect();
    std::fs::write(folder.path().join("rows.csv"), format!("n\n{rows}")).unwrap();
    let files = gate::smoke::read(&[path]).unwrap();
    let stage = run_smoke(files, &url, &CancellationToken::new()).await;
    assert_eq!(stage.verdict, Verdict::Fail, "{:?}", stage.reasons);
    assert!(stage.reasons[0].contains("(one (row 3))"), "{:?}", stage.reasons);
    assert!(
        stage.reasons[1].ends_with("the first 10 rows of its data were run, 2 were not"),
        "{:?}",
        stage.reasons
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 10);
    assert!(seen.contains("GET /10 HTTP/1.1"));
}
