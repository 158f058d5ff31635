//! Settings: where they come from, and what `farmgate config` says of them.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::served::{OPERATOR, Served, run};

#[test]
fn addresses_that_cannot_be_meant_are_found_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (name, address, words) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://localhost:4318/?key=a",
            "without `?` and `#`",
        ),
        (
            "DATABASE_URL",
            "postgres://db.example/shop?sslmode=verify-full",
            "need `sslrootcert`",
        ),
        (
            "DATABASE_URL",
            "postgres://db.example/shop?sslmode=allow",
            "`sslmode` must be disable",
        ),
    ] {
        let environment = [("JWT_SECRET", "a secret of this test"), (name, address)];
        let (code, text) = run(folder.path(), &environment, &["config", "check"]);
        assert_eq!(code, 1, "{address}: {text}");
        assert!(text.contains(words), "{address}: {text}");
    }
}

const FILE: &str =
    "[log]\nlevel = \"error\"\n[http]\nrequest_time = \"9s\"\n[server]\ndata = \"of-the-file\"\n";

#[test]
fn settings_come_from_flags_before_environment_before_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("farmgate.toml"), FILE).unwrap();
    let environment = [
        ("LOG_LEVEL", "debug"),
        ("JWT_SECRET", "not to be seen"),
        ("FARMGATE_DATA", "of-the-environment"),
    ];
    let (code, text) = run(
        folder.path(),
        &environment,
        &["config", "print", "--data", "of-the-flag"],
    );
    assert_eq!(code, 0, "{text}");
    for line in [
        "level = \"debug\" # environment, LOG_LEVEL",
        "request_time = \"9s\" # file, line 4",
        "data = \"of-the-flag\" # flag",
        "# jwt_secret = \"***\" # environment, JWT_SECRET",
        "port = 8080 # default",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("not to be seen"));
}

#[test]
fn a_server_follows_its_settings_and_warns_of_what_has_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("farmgate.toml"), FILE).unwrap();
    let environment = [("GITHUB_TOKEN", "x"), ("LOG_FORMAT", "json")];
    let served = Served::start(folder.path(), &environment, &["--set", "log.level=info"]);
    assert!(folder.path().join("of-the-file/farmgate.db").exists());
    served.get("url", "/version");
    served.signal(Signal::TERM);
    let (_, log) = served.end();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |level: &str, message: &str| {
        let matches = |line: &&Value| line["level"] == level && line["message"] == message;
        lines
            .iter()
            .find(matches)
            .unwrap_or_else(|| panic!("{message} is not in {log}"))
    };
    said(
        "warn",
        "`notify.github_token` is set without effect: this build makes no releases",
    );
    assert_eq!(said("info", "request")["route"], "/version");
}

#[test]
fn answers_are_looked_at_in_staging_alone() {
    for (environment, enabled) in [("development", 0), ("staging", 1), ("production", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(folder.path(), &[("ENV", environment)], &OPERATOR);
        let metrics = served.get("operator_url", "/metrics");
        let expected = format!("\nisolation_guard_enabled {enabled}.0\n");
        assert!(metrics.contains(&expected), "{environment}: {metrics}");
    }
}

fn check(folder: &Path, file: &str, environment: &[(&str, &str)]) -> (i32, String) {
    std::fs::write(folder.join("farmgate.toml"), file).unwrap();
    run(folder, environment, &["config", "check"])
}

#[test]
fn a_wrong_variable_is_named_and_its_value_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        ("DATABASE_URL", "mysql://x", "DATABASE_URL"),
        ("DATABASE_URL", "postgres://u:hidden@h/d", "ENCRYPTION_KEY"),
        ("ENCRYPTION_KEY", "hidden", "ENCRYPTION_KEY"),
        ("REDIS_URL", "hidden", "REDIS_URL"),
        ("FARMGATE_DATE", "hidden", "FARMGATE_DATA"),
        ("PORT", "hidden", "http.port"),
    ];
    for (name, value, named) in wrong {
        let (code, text) = check(folder.path(), "", &[(name, value)]);
        assert!(code == 1 && text.contains(named), "{name}: {text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_by_check_and_stops_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let check = |file: &str| check(folder.path(), file, &[]);
    assert_eq!(
        check(""),
        (
            0,
            "the configuration is sound (0 errors, 0 warnings)\n".to_owned()
        )
    );
    let (code, text) = check("[http]\nprot = 1\n");
    assert_eq!(code, 1);
    assert!(
        text.contains("farmgate.toml:2: unknown key `http.prot`: did you mean `http.port`?"),
        "{text}"
    );
    let (code, text) = run(folder.path(), &[], &["serve", "--port", "0"]);
    assert!(code == 3 && text.contains("farmgate.toml:2"), "{text}");
    let (code, text) = check("[http]\ntls_certificate = \"none.pem\"\ntls_key = \"none.pem\"\n");
    assert!(code == 1 && text.contains("cannot read none.pem"), "{text}");
    let (code, text) = check("[http]\nhost = \"0.0.0.0\"\n");
    assert!(
        code == 0 && text.contains("warning: the server listens beyond this machine without TLS"),
        "{text}"
    );
    let (code, text) = run(folder.path(), &[], &["config", "check", "--config", "none.toml"]);
    assert!(code == 3 && text.contains("none.toml"), "{text}");
}

#[test]
fn diff_shows_where_staging_and_production_part() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "farmgate.staging.toml",
        "[server]\nenvironment = \"staging\"\n[redis]\nurl = \"redis://:hidden@a\"\n",
    );
    write(
        "farmgate.production.toml",
        "[server]\nenvironment = \"production\"\n",
    );
    let (code, text) = run(
        folder.path(),
        &[],
        &["config", "diff", "staging", "farmgate.production.toml"],
    );
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "server.environment: staging -> production\nredis.url: *** -> none\n"
    );
    assert_eq!(
        run(folder.path(), &[], &["config", "diff", "staging", "staging"]).0,
        0
    );
    assert_eq!(
        run(folder.path(), &[], &["config", "diff", "staging", "nowhere"]).0,
        3
    );
}
