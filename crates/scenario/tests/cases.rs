//! Every case of `tests/cases`, run by us and, where it is installed, by the published tool: same file, same
//! server, same outcome per entry, capture and assert.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::cases::{Case, Expect, all, folder};
use common::tool_is_there;
use scenario::{EntryOutcome, Number, Outcome, Settings, User, Value};
use serde_json::{Value as Json, json};

/// Where the cases find the server, as both tools are told.
struct World {
    base: String,
    port: u16,
    /// A port that accepts and never answers.
    silent: u16,
    files: tempfile::TempDir,
    _listener: std::net::TcpListener,
}

impl World {
    async fn new() -> World {
        let base = common::start().await;
        let port = base.rsplit(':').next().unwrap().parse().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::copy(folder().join("hello.data"), files.path().join("hello.txt")).unwrap();
        World {
            base,
            port,
            silent: listener.local_addr().unwrap().port(),
            files,
            _listener: listener,
        }
    }

    fn settings(&self) -> Settings {
        let number = |port: u16| Value::Number(Number::Integer(i64::from(port)));
        let variables = BTreeMap::from([
            ("base".to_string(), Value::from(self.base.as_str())),
            (
                "address".to_string(),
                Value::from(self.base.trim_start_matches("http://")),
            ),
            ("port".to_string(), number(self.port)),
            ("silent".to_string(), number(self.silent)),
            ("run".to_string(), Value::from("ours")),
        ]);
        Settings {
            variables,
            file_root: Some(self.files.path().to_path_buf()),
            ..Settings::default()
        }
    }

    async fn run(&self, case: &Case) -> Outcome {
        let scenario = scenario::parse(&case.name, &case.text)
            .unwrap_or_else(|e| panic!("{}: {}\n{e}", case.feature, case.name));
        User::new(Arc::new(self.settings())).run(&scenario, &mut ()).await
    }

    /// The JSON that the published tool prints.
    fn oracle(&self, case: &Case, file: &Path) -> Json {
        std::fs::write(file, &case.text).unwrap();
        let output = Command::new("hurl")
            .args(["--json", "--file-root"])
            .arg(self.files.path())
            .args(["--variable", &format!("base={}", self.base)])
            .args([
                "--variable",
                &format!("address={}", self.base.trim_start_matches("http://")),
            ])
            .args(["--variable", &format!("port={}", self.port)])
            .args(["--variable", &format!("silent={}", self.silent)])
            .args(["--variable", "run=hurl"])
            .arg(file)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            json!({
                "success": false, "unreadable": String::from_utf8_lossy(&output.stderr),
            })
        })
    }
}

/// Line of what failed first, by the rules of the expectation.
fn first_failure(outcome: &Outcome) -> Option<u32> {
    let last_try = |i: usize, row: &EntryOutcome| {
        outcome
            .entries
            .get(i + 1)
            .is_none_or(|next| next.attempt <= row.attempt)
    };
    outcome
        .entries
        .iter()
        .enumerate()
        .filter(|(i, row)| last_try(*i, row))
        .find_map(|(_, row)| {
            let assert = row.asserts.iter().find(|a| !a.ok).map(|a| a.line);
            assert.or(row.error.as_ref().map(|e| e.line))
        })
}

fn as_expected(case: &Case, outcome: &Outcome) -> bool {
    match case.expect {
        Expect::Ok => outcome.ok && first_failure(outcome).is_none(),
        Expect::Fail(line) => !outcome.ok && first_failure(outcome) == Some(line),
    }
}

#[test]
fn every_case_ends_as_its_file_says() {
    common::block_on(async {
        let world = World::new().await;
        let cases = all();
        assert!(cases.len() >= 300, "only {} cases", cases.len());
        let mut wrong = Vec::new();
        for case in &cases {
            let outcome = world.run(case).await;
            if !as_expected(case, &outcome) {
                let told: Vec<_> = outcome
                    .entries
                    .iter()
                    .map(|e| (e.asserts.iter().filter(|a| !a.ok).collect::<Vec<_>>(), &e.error))
                    .collect();
                wrong.push(format!(
                    "{}: {} expected {:?}\n{told:?}",
                    case.feature, case.name, case.expect
                ));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {} wrong:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
    });
}

/// What both tools tell, in one form.
fn ours_as_json(outcome: &Outcome) -> Json {
    let entries = outcome.entries.iter().filter(|e| !e.skipped).map(|entry| {
        let captures = entry
            .captures
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}));
        let asserts = entry
            .asserts
            .iter()
            .map(|a| json!({"line": a.line, "success": a.ok}));
        json!({
            "index": entry.index + 1,
            "line": entry.line,
            "calls": if entry.calls_were_answered() { entry.calls } else { 0 },
            "captures": captures.collect::<Vec<_>>(),
            "asserts": asserts.collect::<Vec<_>>(),
        })
    });
    json!({"success": outcome.ok, "entries": entries.collect::<Vec<_>>()})
}

trait Answered {
    fn calls_were_answered(&self) -> bool;
}

impl Answered for EntryOutcome {
    /// The published tool forgets all calls of an entry that ends with a transport error.
    fn calls_were_answered(&self) -> bool {
        use scenario::ErrorKind;
        !matches!(
            self.error.as_ref().map(|e| e.kind),
            Some(ErrorKind::Http(_) | ErrorKind::Redirect)
        )
    }
}

fn theirs_as_json(told: &Json) -> Json {
    let entries = told["entries"]
        .as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .map(|entry| {
            let asserts = entry["asserts"].as_array().unwrap().iter();
            let asserts = asserts.map(|a| json!({"line": a["line"], "success": a["success"]}));
            json!({
                "index": entry["index"],
                "line": entry["line"],
                "calls": entry["calls"].as_array().unwrap().len(),
                "captures": entry["captures"],
                "asserts": asserts.collect::<Vec<_>>(),
            })
        });
    json!({"success": told["success"], "entries": entries.collect::<Vec<_>>()})
}

/// Values that cannot be the same twice.
fn without_volatile(mut told: Json) -> Json {
    for entry in told["entries"].as_array_mut().unwrap() {
        for capture in entry["captures"].as_array_mut().unwrap() {
            if capture["name"] == "token" {
                capture["value"] = json!("***");
            }
        }
    }
    told
}

#[test]
fn the_published_tool_agrees_on_every_case() {
    if !tool_is_there("hurl") {
        return;
    }
    common::block_on(async {
        let world = Arc::new(World::new().await);
        let mut score: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        let mut differences = Vec::new();
        for case in all().into_iter().filter(|case| !case.ours) {
            let ours = ours_as_json(&world.run(&case).await);
            let (shared, own) = (world.clone(), case.clone());
            let file = world.files.path().join("case.hurl");
            let theirs = tokio::task::spawn_blocking(move || shared.oracle(&own, &file))
                .await
                .unwrap();
            let compared = theirs_as_json(&theirs);
            let counts = score.entry(case.feature.clone()).or_default();
            counts.1 += 1;
            if without_volatile(ours.clone()) == without_volatile(compared.clone()) {
                counts.0 += 1;
            } else {
                let unreadable = &theirs["unreadable"];
                differences.push(format!(
                    "{}: {}\n{}ours:   {ours}\ntheirs: {compared} {unreadable}",
                    case.feature, case.name, case.text
                ));
            }
        }
        for (feature, (same, of)) in &score {
            println!("oracle {feature}: {same} of {of} the same");
        }
        assert!(
            differences.is_empty(),
            "{} differ:\n{}",
            differences.len(),
            differences.join("\n\n")
        );
    });
}
