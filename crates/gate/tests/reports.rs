//! Reports as a user sees them: their schema, their parts joined, and every form in which they are written.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use gate::config::Shape;
use gate::report::{Detail, Format, Report, StageResult, merge, render, schema};
use gate::server::Sources;
use gate::verdict::Verdict;
use support::shop::{JOURNEY, load, report, shop, slow, smoke};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_report_fits_its_schema_and_the_published_schema_is_current() {
    let url = shop();
    let stages = vec![
        smoke(&url, JOURNEY).await,
        load(&url, JOURNEY, &["p95 < 1s"], slow(20.0), Sources::default()).await,
        StageResult::not_run("isolation", "not part of this build"),
    ];
    let value = serde_json::to_value(report(stages)).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let read: Report = serde_json::from_value(value.clone()).unwrap();
    assert!(read.is_intact());
    let mut broken = value.clone();
    broken["verdict"] = "maybe".into();
    assert!(!validator.is_valid(&broken));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/report.schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        committed, current,
        "docs/report.schema.json is old: farmgate report schema > docs/report.schema.json"
    );
}

/// What one of several generators reports.
async fn part(url: &str) -> Report {
    let promises = ["count(list) >= 20", "p95 < 1s"];
    report(vec![
        load(url, JOURNEY, &promises, slow(25.0), Sources::default()).await,
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn parts_of_several_generators_join_exactly() {
    let url = shop();
    let parts = [part(&url).await, part(&url).await];
    let total = |report: &Report| match &report.stages[0].detail {
        Detail::Load(load) => (load.total.ok, load.latency.unwrap(), load.generator.planned),
        _ => panic!("no load report"),
    };
    let merged = merge(&parts).unwrap();
    let (ok, latency, planned) = total(&merged);
    assert_eq!(ok, total(&parts[0]).0 + total(&parts[1]).0);
    assert_eq!(latency.count, ok);
    assert_eq!(latency.max, total(&parts[0]).1.max.max(total(&parts[1]).1.max));
    assert_eq!(planned, 26);
    assert_eq!(merged.verdict, Verdict::Pass, "{:?}", merged.reasons);
    assert!(merged.is_intact());
    let mut forged = parts.clone();
    forged[1].seed += 1;
    assert!(merge(&forged).unwrap_err().to_string().contains("changed"));
    let other = report(vec![
        load(
            &url,
            JOURNEY,
            &["p95 < 1s"],
            Shape {
                poisson: None,
                ..slow_two()
            },
            Sources::default(),
        )
        .await,
    ]);
    assert!(
        merge(&[parts[0].clone(), other])
            .unwrap_err()
            .to_string()
            .contains("part 2")
    );
}

fn slow_two() -> Shape {
    Shape {
        rate: None,
        rates: Some(vec![10.0, 20.0]),
        ..slow(1.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_form_of_the_report_is_self_contained_and_escapes_what_it_shows() {
    let url = shop();
    let wrong = JOURNEY
        .replace("count == 3", "count == 4")
        .replace("# @name list", "# @name <script>alert(1)</script>");
    let sick = load(&url, &wrong, &["error_rate < 1%"], slow(50.0), Sources::default()).await;
    let report = report(vec![smoke(&url, &wrong).await, sick]);
    let html = render(&report, Format::Html).unwrap();
    assert!(
        html.contains("<svg")
            && html.contains("Latency by percentile")
            && html.contains("shop &#60;&#38;&#62;")
    );
    for forbidden in ["<script", "src=", "href=\"http", "@import", "url("] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(!html.contains("user:pw"));
    let junit = render(&report, Format::Junit).unwrap();
    assert!(junit.contains("<failure") && junit.contains("&lt;script&gt;") && !junit.contains("<script"));
    let markdown = render(&report, Format::Markdown).unwrap();
    assert!(markdown.starts_with("## shop &lt;&>: fail\n") && !markdown.contains("<script"));
    assert!(markdown.contains(report.evidence_sha256.as_deref().unwrap()));
}

/// Rule, level, file and line of a result.
fn told(result: &serde_json::Value) -> (&str, &str, &str, u64) {
    let place = &result["locations"][0]["physicalLocation"];
    let path = place["artifactLocation"]["uri"].as_str().unwrap();
    (
        result["ruleId"].as_str().unwrap(),
        result["level"].as_str().unwrap(),
        path.rsplit('/').next().unwrap(),
        place["region"]["startLine"].as_u64().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn code_review_is_shown_failed_asserts_and_promises_where_they_stand() {
    let url = shop();
    let wrong = JOURNEY.replace("count == 3", "count == 4");
    let promises = ["error_rate < 1%", "p50 < 10s"];
    let sick = load(&url, &wrong, &promises, slow(50.0), Sources::default()).await;
    assert!(
        sick.reasons
            .iter()
            .any(|r| r.contains("first wrong answer of shopping/list: line 14")),
        "{:?}",
        sick.reasons
    );
    let stages = vec![
        smoke(&url, &wrong).await,
        sick,
        StageResult::not_run("isolation", "no such file"),
    ];
    let document: serde_json::Value =
        serde_json::from_str(&render(&report(stages), Format::Sarif).unwrap()).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let results = document["runs"][0]["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(told).collect();
    assert_eq!(
        told,
        [
            ("smoke.assert", "error", "a.hurl", 14),
            ("load.threshold", "error", "gate.toml", 1),
            ("isolation.inconclusive", "warning", "gate.toml", 1),
        ],
        "what holds is no result"
    );
    let rules = &document["runs"][0]["tool"]["driver"]["rules"];
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
    }
}

#[test]
fn a_changed_report_is_noticed() {
    let mut sealed = report(vec![StageResult::not_run("load", "x")]);
    assert!(sealed.is_intact());
    sealed.stages[0].verdict = Verdict::Pass;
    assert!(!sealed.is_intact());
    assert_eq!(report(Vec::new()).verdict, Verdict::Inconclusive);
}

#[test]
fn a_part_given_twice_or_about_another_service_is_refused() {
    let part = report(vec![StageResult::not_run("load", "x")]);
    let mut other = part.clone();
    other.seed += 1;
    let mut elsewhere = other.clone();
    elsewhere.target = "http://elsewhere".to_owned();
    let [other, elsewhere] = [other, elsewhere].map(|r| r.seal("a".to_owned(), "b".to_owned()));
    assert!(merge(&[part.clone(), other.clone()]).is_ok());
    let refused = |parts: &[Report]| merge(parts).unwrap_err().to_string();
    let twice = refused(&[part.clone(), other, part.clone()]);
    assert!(twice.starts_with("part 3 is the same as part 1"), "{twice}");
    let foreign = refused(&[part, elsewhere]);
    assert!(
        foreign.starts_with("part 2 is about http://elsewhere"),
        "{foreign}"
    );
}
