//! The rules' own examples, the document made from them, and the machine formats.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::path::Path;

use serde_json::Value;
use source_check::{Baseline, Config, Report, Rule, Source, Verdict, check_sources, docs, output};

fn check(text: &str) -> Report {
    check_with(text, &Config::default())
}

fn check_with(text: &str, config: &Config) -> Report {
    let source = Source {
        file: "src/a b.rs".to_owned(),
        text: text.to_owned(),
        module: "example".to_owned(),
        edition: 2024,
    };
    check_sources(&[source], config)
}

const SLEEPS: &str = "async fn f() {\n    std::thread::sleep(d());\n}\n";

#[test]
fn each_bad_example_shows_its_rule_alone_and_each_good_one_nothing() {
    for rule in Rule::ALL {
        let rules = |text| {
            check(text)
                .findings
                .iter()
                .map(|finding| finding.rule)
                .collect::<Vec<_>>()
        };
        let bad = rules(rule.text().bad);
        assert!(
            !bad.is_empty() && bad.iter().all(|found| *found == rule),
            "{}: {bad:?}",
            rule.id()
        );
        assert_eq!(rules(rule.text().good), [], "{}", rule.id());
    }
}

#[test]
fn the_document_is_the_one_the_rules_write() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/check.md");
    #[allow(
        clippy::disallowed_methods,
        reason = "the one switch of this test, as the document itself says"
    )]
    let update = std::env::var("UPDATE_DOCS").is_ok();
    if update {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, docs::markdown()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == docs::markdown(),
        "run UPDATE_DOCS=1 cargo test -p source-check --test rules"
    );
}

#[test]
fn sarif_has_what_the_standard_requires() {
    let document: Value = serde_json::from_str(&output::sarif(&check(SLEEPS))).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(run["tool"]["driver"]["name"].is_string());
    assert_eq!(rules.len(), Rule::ALL.len());
    assert!(
        rules
            .iter()
            .all(|rule| rule["id"].is_string() && rule["shortDescription"]["text"].is_string())
    );
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    let index = usize::try_from(results[0]["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(rules[index]["id"], results[0]["ruleId"]);
    assert!(results[0]["message"]["text"].is_string());
    assert!(results[0]["partialFingerprints"]["farmgateCheck/v1"].is_string());
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "src/a%20b.rs");
    assert_eq!(place["region"]["startLine"], 2);
    assert_eq!(place["region"]["startColumn"], 5);
}

#[test]
fn a_file_that_cannot_be_parsed_makes_the_run_inconclusive_and_says_where() {
    let report = check("fn f() {\n    let = ;\n}\n");
    assert_eq!(report.verdict(), Verdict::Inconclusive);
    assert_eq!((report.unread[0].line, report.unread[0].column), (2, 9));
    let document: Value = serde_json::from_str(&output::sarif(&report)).unwrap();
    assert_eq!(
        document["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
}

#[test]
fn an_empty_run_never_passes() {
    assert_eq!(
        check_sources(&[], &Config::default()).verdict(),
        Verdict::Inconclusive
    );
    let folder = tempfile::tempdir().unwrap();
    let report = source_check::check(folder.path(), &Config::default()).unwrap();
    assert_eq!(report.verdict(), Verdict::Inconclusive);
}

#[test]
fn deep_or_long_source_is_refused_or_read_but_never_crashes() {
    let nested = |open: &str, close: &str, count| {
        format!(
            "fn f() {{ let _ = {}1{}; }}",
            open.repeat(count),
            close.repeat(count)
        )
    };
    for text in [
        nested("(", ")", 100_000),
        nested("[", "]", 300),
        nested("!", "", 200_000),
        nested("{", "}", 5_000),
        nested("-", "", 9_900),
        nested("&", "", 9_900),
        nested("1 + ", "", 4_900),
        nested("a.", "b", 4_000),
        nested("if a {} else ", "{}", 3_000),
        format!("type A = {}u8{};", "Vec<".repeat(2_000), ">".repeat(2_000)),
        format!("fn f() {{ x{}; }}", ".lock().unwrap()".repeat(2_000)),
        "fn f() { ".to_owned() + &"|| ".repeat(4_900) + "1 }",
        "\u{feff}#!/usr/bin/env run\nfn f() {}\u{0}".to_owned(),
    ] {
        let report = check(&text);
        assert!(report.findings.is_empty(), "{:?}", report.findings.first());
    }
}

#[test]
fn a_baseline_leaves_out_what_was_there_and_nothing_else() {
    let before = check(SLEEPS);
    let baseline = Baseline::parse(&Baseline::of(&before.findings).to_json()).unwrap();
    let mut moved = check(&format!("\n\n{SLEEPS}"));
    baseline.apply(&mut moved);
    assert_eq!((moved.verdict(), moved.known, moved.gone), (Verdict::Pass, 1, 0));
    let mut more = check(&SLEEPS.replace("}\n", "    std::thread::sleep(d());\n}\n"));
    baseline.apply(&mut more);
    assert_eq!((more.findings.len(), more.known), (1, 1));
    let mut mended = check("async fn f() {}");
    baseline.apply(&mut mended);
    assert_eq!(mended.gone, 1);
}

#[test]
fn the_configuration_adds_and_leaves_out() {
    let parse = |text: &str| Config::parse(text).unwrap();
    let off = parse("[rules.thread-sleep]\nenabled = false\nbecause = 'a tool'");
    assert!(check_with(SLEEPS, &off).findings.is_empty());
    let except = parse("[rules.thread-sleep]\nexcept = ['std::thread::sleep']\nbecause = 'a tool'");
    assert!(check_with(SLEEPS, &except).findings.is_empty());
    let elsewhere = parse("[rules.thread-sleep]\nexclude = ['other']\nbecause = 'a tool'");
    assert_eq!(check_with(SLEEPS, &elsewhere).findings.len(), 1);
    let also = parse("[rules.thread-sleep]\nalso = ['nap::now']");
    assert_eq!(
        check_with("async fn f() {\n    nap::now();\n}", &also)
            .findings
            .len(),
        1
    );
    let pooled = "struct Pool;\nimpl Pool {\n    fn run(&self, f: impl FnOnce()) {\n        f()\n    }\n}\nasync fn f(p: &Pool) {\n    p.run(|| std::thread::sleep(d()));\n}";
    assert_eq!(check_with(pooled, &Config::default()).findings.len(), 1);
    assert!(
        check_with(pooled, &parse("pools = ['example::Pool::run']"))
            .findings
            .is_empty()
    );
    let spin = "async fn f(n: &spin::Mutex<u64>) {\n    *n.lock() += 1;\n}";
    assert!(check_with(spin, &Config::default()).findings.is_empty());
    assert_eq!(
        check_with(spin, &parse("locks = ['spin::Mutex']")).findings.len(),
        1
    );
}

#[test]
fn tests_are_checked_only_if_asked() {
    let text = "#[tokio::test]\nasync fn t() {\n    std::thread::sleep(d());\n}\n";
    assert!(check(text).findings.is_empty());
    assert_eq!(
        check_with(
            text,
            &Config {
                tests: true,
                ..Config::default()
            }
        )
        .findings
        .len(),
        1
    );
}

#[test]
fn a_reason_that_is_too_short_is_told_so() {
    let report = check("fn f() {\n    // farmgate: allow(blocking-fs) because ok\n}\n");
    let [finding] = report.findings.as_slice() else {
        panic!("{:?}", report.findings);
    };
    let told = "its reason is too short to be one: write at least 3 letters or digits";
    assert_eq!(
        (finding.rule, finding.message.as_str()),
        (Rule::InvalidSilence, told)
    );
}

#[test]
fn no_color_is_heeded_on_a_terminal() {
    let coloured = output::coloured;
    assert!(coloured(true, None) && coloured(true, Some("")));
    assert!(!coloured(true, Some("1")) && !coloured(true, Some("0")));
    assert!(!coloured(false, None));
}

#[test]
fn control_characters_of_the_source_do_not_reach_the_terminal() {
    let report = check("async fn f() {\n    std::thread::sleep(\"\u{1b}[2J\");\n}\n");
    let text = output::people(&report, false);
    assert!(
        !text.contains('\u{1b}') && text.contains("found[thread-sleep]"),
        "{text}"
    );
}
