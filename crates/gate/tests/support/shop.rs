//! A shop, a journey through it, and its stages as the tests of stages and reports run them.

use std::path::PathBuf;
use std::time::Duration;

use gate::config::{HttpConfig, JourneyConfig, Promise, Shape};
use gate::live::Live;
use gate::load::JourneyCrew;
use gate::report::{Detail, Environment, Report, StageResult};
use gate::runs::{LoadSpec, Senders};
use gate::server::Sources;
use gate::setup::{Given, journey, plan};
use gate::smoke::SmokeFile;
use tokio_util::sync::CancellationToken;

/// A shop: login, a list for those who have the token, and a page of metrics.
pub fn shop() -> String {
    super::serve(|head, _| {
        let answer = match head.lines().next().unwrap_or_default() {
            line if line.starts_with("POST /login") => super::answer(200, r#"{"token": "t0ps3cret"}"#),
            line if line.starts_with("GET /items") && head.contains("Bearer t0ps3cret") => {
                super::answer(200, r#"{"items": [1, 2, 3]}"#)
            }
            line if line.starts_with("GET /metrics") => super::answer(200, "pool_in_use 9\npool_size 10\n"),
            _ => super::answer(401, "{}"),
        };
        // Long enough that a delay of the generator on a busy machine does not matter beside it.
        (Duration::from_millis(60), answer)
    })
}

/// Logs in and looks at the list.
pub const JOURNEY: &str = "# @scenario shopping
# @name login
POST {{url}}/login
{\"password\": \"{{password}}\"}
HTTP 200
[Captures]
token: jsonpath \"$.token\"

# @name list
GET {{url}}/items
Authorization: Bearer {{token}}
HTTP 200
[Asserts]
jsonpath \"$.items\" count == 3
";

/// A file in a folder of its own.
pub fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// Where the shop is, and the password that must be shown nowhere.
pub fn given(url: &str) -> Given {
    let secrets = [("password".to_owned(), "hunter2-hunter2".to_owned())].into();
    Given {
        url: url.to_owned(),
        secrets,
        http: HttpConfig::default(),
        ..Given::default()
    }
}

/// Smoke of these files.
pub async fn run_smoke(files: Vec<SmokeFile>, url: &str, cancel: &CancellationToken) -> StageResult {
    let mut live = Live::new(Vec::new(), false);
    gate::smoke::run(files, given(url).settings().unwrap(), 2, cancel, &mut live).await
}

/// Smoke of one file with this text.
pub async fn smoke(url: &str, text: &str) -> StageResult {
    let (_folder, path) = file("a.hurl", text);
    run_smoke(
        gate::smoke::read(&[path]).unwrap(),
        url,
        &CancellationToken::new(),
    )
    .await
}

/// Load with one file with this text.
pub async fn load(url: &str, text: &str, thresholds: &[&str], shape: Shape, sources: Sources) -> StageResult {
    let (_folder, path) = file("shopping.hurl", text);
    let config = JourneyConfig {
        file: path,
        name: None,
        weight: None,
        data: None,
        new_visitor: false,
    };
    let crew = JourneyCrew::new(vec![journey(&config).unwrap()], given(url).settings().unwrap());
    let promise = |text: &&str| Promise {
        threshold: text.parse().unwrap(),
        abort_after: None,
    };
    let spec = LoadSpec {
        name: "load".to_owned(),
        plan: plan(&shape, crew.weights(), 1, Duration::from_secs(5)).unwrap(),
        promises: thresholds.iter().map(promise).collect(),
        sources,
    };
    let mut live = Live::new(Vec::new(), false);
    let run = gate::runs::load(spec, Senders::Journeys(crew), CancellationToken::new(), &mut live);
    without_the_generators_own_doubt(run.await.unwrap(), thresholds)
}

/// The machine that runs these tests may be too busy for any generator; the rule itself is tested where it stands.
fn without_the_generators_own_doubt(mut stage: StageResult, thresholds: &[&str]) -> StageResult {
    let Detail::Load(load) = &mut stage.detail else {
        panic!("no load report")
    };
    (load.generator.limited, load.generator.disturbed) = (None, None);
    let thresholds: Vec<_> = thresholds.iter().map(|text| text.parse().unwrap()).collect();
    (stage.verdict, stage.reasons) = load.judge(&thresholds);
    stage
}

/// Half a second at this rate.
pub fn slow(rate: f64) -> Shape {
    let half = Some("500ms".parse().unwrap());
    Shape {
        rate: Some(rate),
        duration: half,
        warmup: Some("100ms".parse().unwrap()),
        threads: Some(1),
        ..Shape::default()
    }
}

/// A sealed report of these stages.
pub fn report(stages: Vec<StageResult>) -> Report {
    let report = Report::new(
        "shop <&>",
        "http://user:pw@shop/",
        1,
        Environment::here(Vec::new()),
        stages,
    );
    report.seal(
        "2026-01-01T00:00:00Z".to_owned(),
        "2026-01-01T00:01:00Z".to_owned(),
    )
}
