//! The gate's commands as a shell sees them: exit codes, standard output, files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::server;

fn farmgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farmgate"))
        .args(arguments)
        .current_dir(folder)
        .env("FARMGATE_TEST_SECRET", "hunter2-hunter2")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// What was said, on one line: reasons are broken where the terminal ends.
fn words(output: &Output) -> String {
    text(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn exit_codes_tell_pass_fail_inconclusive_and_tool_error_apart() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let hurl = |name: &str, body: &str| std::fs::write(folder.path().join(name), body).unwrap();
    hurl("good.hurl", "GET {{url}}/x\nHTTP 200\n");
    hurl("bad.hurl", "GET {{url}}/broken\nHTTP 200\n");
    hurl("empty.hurl", "# nothing\n");
    hurl(
        "wrong.hurl",
        "GET {{url}}/x\nHTTP 200\n[Assertz]\nstatus == 200\n",
    );
    for (file, expected) in [
        ("good.hurl", 0),
        ("bad.hurl", 1),
        ("empty.hurl", 2),
        ("wrong.hurl", 3),
        ("none.hurl", 3),
    ] {
        let output = farmgate(folder.path(), &["smoke", file, "--url", &url]);
        assert_eq!(code(&output), expected, "{file}: {}", text(&output));
    }
    assert_eq!(code(&farmgate(folder.path(), &["smoke", "--nonsense"])), 3);
    assert_eq!(code(&farmgate(folder.path(), &["smoke", "--help"])), 0);
}

#[test]
fn a_load_without_promises_is_inconclusive_and_a_broken_one_fails() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let load = |target: &str, more: &[&str]| {
        let mut arguments = vec![
            "load",
            "--url",
            target,
            "--rate",
            "20",
            "--for",
            "500ms",
            "--threads",
            "1",
        ];
        arguments.extend(more);
        farmgate(folder.path(), &arguments)
    };
    let nothing = load(&url, &[]);
    assert_eq!(code(&nothing), 2, "{}", text(&nothing));
    let broken = load(
        &format!("{url}/broken"),
        &["--threshold", "error_rate < 1%", "--json"],
    );
    assert_eq!(code(&broken), 1, "{}", text(&broken));
    let report: serde_json::Value = serde_json::from_slice(&broken.stdout).unwrap();
    let total = &report["stages"][0]["detail"]["load"]["total"];
    assert_eq!(
        (total["ok"].as_u64(), total["not_ok"].as_u64()),
        (Some(0), Some(9)),
        "{total}"
    );
    assert_eq!(report["verdict"], "fail");
    let senseless = load(&url, &["--threshold", "p95 < fast"]);
    assert_eq!(code(&senseless), 3);
    assert!(text(&senseless).contains("column 7"), "{}", text(&senseless));
}

#[test]
fn a_comparison_in_a_gate_has_processor_time_and_memory_of_both_sides() {
    let (folder, base, candidate) = (tempfile::tempdir().unwrap(), server(), server());
    let config = format!(
        "[server]\nmetrics_url = \"{candidate}/metrics\"\n[load]\nget = \"/x\"\nthresholds = [\"error_rate < 50%\"]\n\
         [load.shape]\nrate = 20.0\nduration = \"500ms\"\n\
         [compare]\nbase = \"{base}\"\nrate = 50.0\nslice = \"400ms\"\nrounds = 2\n\
         [compare.server]\nmetrics_url = \"{base}/metrics\"\n"
    );
    std::fs::write(folder.path().join("gate.toml"), &config).unwrap();
    let output = farmgate(folder.path(), &["gate", "--url", &candidate, "--json"]);
    // Two rounds cannot tell anything.
    assert_eq!(code(&output), 2, "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let table = report["stages"][1]["detail"]["compare"]["table"]
        .as_array()
        .unwrap();
    let of = |figure: &str| {
        table
            .iter()
            .find(|row| row["figure"] == figure)
            .unwrap_or_else(|| panic!("no {figure} in {table:?}"))
    };
    assert_eq!(of("memory")["base"].as_f64().map(f64::round), Some(50_000_000.0));
    let cpu = of("cpu")["candidate"].as_f64().unwrap();
    assert!((0.0005..0.002).contains(&cpu), "a millisecond a request: {cpu}");
    // Figures of one side alone compare with nothing.
    let one_sided = config.replace(&format!("[server]\nmetrics_url = \"{candidate}/metrics\"\n"), "");
    std::fs::write(folder.path().join("gate.toml"), one_sided).unwrap();
    let output = farmgate(folder.path(), &["gate", "--url", &candidate]);
    assert_eq!(code(&output), 3, "{}", text(&output));
}

#[test]
fn an_openapi_document_becomes_a_gate_that_runs() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let document = r#"{"openapi": "3.1.0", "info": {"title": "Shop"}, "paths": {"/health": {"get": {"responses":
        {"200": {"content": {"application/json": {}}}}}}, "/items": {"post": {"responses": {"201": {}}}}}}"#;
    std::fs::write(folder.path().join("openapi.json"), document).unwrap();
    let init = farmgate(folder.path(), &["gate", "init", "openapi.json", "--url", &url]);
    assert_eq!(code(&init), 0, "{}", text(&init));
    let again = farmgate(folder.path(), &["gate", "init", "openapi.json", "--url", &url]);
    assert_eq!(code(&again), 3, "{}", text(&again));
    let config = folder.path().join("gate.toml");
    let short = std::fs::read_to_string(&config)
        .unwrap()
        .replace("20s", "1s")
        .replace("500ms", "20s")
        .replace("1s\"]", "20s\"]");
    std::fs::write(&config, short).unwrap();
    let gate = farmgate(folder.path(), &["gate", "gate.toml"]);
    // 2 only if this machine is too busy for the generator, which the report then says.
    let limited = text(&gate).contains("the generator limited the run");
    assert_eq!(code(&gate), if limited { 2 } else { 0 }, "{}", text(&gate));
    assert!(folder.path().join("gate-report.html").exists());
    let shown = farmgate(
        folder.path(),
        &["report", "show", "gate-report.json", "--report", "out/junit.xml"],
    );
    assert_eq!(code(&shown), code(&gate), "{}", text(&shown));
    assert!(
        std::fs::read_to_string(folder.path().join("out/junit.xml"))
            .unwrap()
            .contains("testsuite name=\"smoke\"")
    );
}

#[test]
fn an_empty_gate_a_skipped_stage_and_a_missing_secret_never_pass() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    std::fs::write(folder.path().join("good.hurl"), "GET {{url}}/x\nHTTP 200\n").unwrap();
    let smoke = "[smoke]\nfiles = [\"good.hurl\"]\n";
    let cases = [
        (String::new(), 2),
        (smoke.to_owned(), 0),
        // A file that is not there is a usage error; the stage is not left out.
        (format!("{smoke}[isolation]\nfile = \"isolation.toml\"\n"), 3),
        (
            format!("secrets = {{ a = \"FARMGATE_TEST_NOT_SET\" }}\n{smoke}"),
            3,
        ),
        (
            format!("secrets = {{ a = \"FARMGATE_TEST_SECRET\" }}\n{smoke}"),
            0,
        ),
        (format!("{smoke}jubs = 3\n"), 3),
    ];
    for (config, expected) in cases {
        std::fs::write(folder.path().join("gate.toml"), &config).unwrap();
        let output = farmgate(folder.path(), &["gate", "--url", &url]);
        assert_eq!(code(&output), expected, "{config}{}", text(&output));
        assert!(!text(&output).contains("hunter2"));
    }
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    std::fs::write(folder.path().join("good.hurl"), "GET {{url}}/x\nHTTP 200\n").unwrap();
    let smoke = |report: &str| {
        farmgate(
            folder.path(),
            &["smoke", "good.hurl", "--url", &url, "--report", report],
        )
    };
    let refused = smoke("/proc/none/x.html");
    assert_eq!(code(&refused), 3, "{}", text(&refused));
    assert_eq!(
        text(&refused).matches("/proc/none/x.html").count(),
        1,
        "{}",
        text(&refused)
    );
    assert!(!text(&refused).contains("1/1 ok"), "{}", text(&refused));
    // It can be opened, but not filled: what was found is told all the same.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("full.json")).unwrap();
    let told = smoke("full.json");
    assert_eq!(code(&told), 3, "{}", text(&told));
    assert!(text(&told).contains("2 asserts held"), "{}", text(&told));
    assert_eq!(code(&smoke("new/x.html")), 0);
}

#[test]
fn a_base_url_to_which_nothing_can_be_sent_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.hurl"), "GET {{url}}/x\nHTTP 200\n").unwrap();
    for url in ["127.0.0.1:18250", "ftp://x", "http://", ""] {
        for command in [
            &["smoke", "good.hurl"][..],
            &["load", "--rate", "5"],
            &["load", "good.hurl", "--rate", "5"],
        ] {
            let refused = farmgate(folder.path(), &[command, &["--url", url]].concat());
            assert_eq!(code(&refused), 3, "{command:?} {url}: {}", text(&refused));
            assert!(
                text(&refused).contains(&format!("`{url}` is no base URL")),
                "{}",
                text(&refused)
            );
        }
    }
}

#[test]
fn a_file_that_is_sent_is_looked_for_beside_its_scenario() {
    let (folder, url) = (tempfile::tempdir().unwrap(), server());
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    put("sub/send.hurl", "POST {{url}}/x\nfile,data.bin;\nHTTP 200\n");
    let smoke = |more: &[&str]| {
        let arguments = [&["smoke", "sub/send.hurl", "--url", url.as_str()], more].concat();
        farmgate(folder.path(), &arguments)
    };
    put("data.bin", "in the working directory");
    let missing = smoke(&[]);
    assert_eq!(code(&missing), 1, "{}", text(&missing));
    assert!(
        words(&missing).contains("sub/data.bin cannot be read"),
        "{}",
        text(&missing)
    );
    assert_eq!(code(&smoke(&["--file-root", "."])), 0);
    put("sub/data.bin", "beside the scenario");
    let found = smoke(&[]);
    assert_eq!(code(&found), 0, "{}", text(&found));
    put("sub/send.hurl", "POST {{url}}/x\nfile,../data.bin;\nHTTP 200\n");
    let outside = smoke(&[]);
    assert_eq!(code(&outside), 1, "{}", text(&outside));
    assert!(
        words(&outside).contains("the folder whose files may be read"),
        "{}",
        text(&outside)
    );
}
