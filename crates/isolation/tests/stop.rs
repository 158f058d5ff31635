//! A run that somebody stops: what was found by then is told, what was made is removed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use isolation::{Config, EXAMPLE, Options, Progress, Report, Rule, Verdict, isolate};

/// Stops a run when this is going to be done.
struct StopAt {
    line: &'static str,
    options: Options,
}

impl Progress for StopAt {
    fn say(&mut self, line: &str) {
        if line.starts_with(self.line) {
            self.options.stop.cancel();
        }
    }
}

/// A run against a service that gives notes to anybody, stopped at a line of progress.
async fn stopped_at(line: &'static str, self_test: bool) -> Report {
    let fault = testbed::find("read-any").unwrap();
    let planted = testbed::Options {
        faults: vec![(fault, 1.0)],
        ..Default::default()
    };
    let service = testbed::start(planted).await.unwrap();
    let mut config = Config::parse("example.toml", EXAMPLE).unwrap();
    config.target.url = Some(service.url());
    config.effort.rounds = 2;
    let options = Options {
        self_test,
        only: vec![Rule::AccessRead, Rule::PoolAnswer],
        ..Options::default()
    };
    let mut progress = StopAt {
        line,
        options: options.clone(),
    };
    let report = isolate(config, &options, &mut progress).await.unwrap();
    let rest = &report.uncovered["the rest"];
    assert!(rest.starts_with("stopped before its end: "), "{rest}");
    assert!(report.left.is_empty(), "{:?}", report.left);
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_before_the_stop_is_breached() {
    let report = stopped_at("checking pool.answer:storm", false).await;
    assert_eq!(report.verdict, Verdict::Breached, "{}", report.text());
    assert_eq!(report.findings[0].rule, "access.read", "{}", report.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_before_anything_is_found_is_told_that_it_is_inconclusive() {
    for (line, self_test) in [("people", false), ("self-test", true), ("round 1", false)] {
        let report = stopped_at(line, self_test).await;
        assert_eq!(report.verdict, Verdict::Inconclusive, "{line}: {}", report.text());
        assert!(
            report.requests < 200,
            "{line}: went on for {} requests",
            report.requests
        );
    }
}
