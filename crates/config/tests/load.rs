//! Sources, their order, and what is wrong with them.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::{collections::HashMap, io, path::Path};

use config::{ConfigError, KEYS, Loaded, Origin, Sources, advice, difference, load, manual, print};

fn loaded(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Result<Loaded, ConfigError> {
    let own = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    let environment: HashMap<_, _> = own(environment).into_iter().collect();
    let read_file = |path: &Path| match path.to_str() {
        Some("/run/secrets/jwt") => Ok("from a file\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let file = Some(("farmgate.toml", file));
    load(&Sources {
        flags: &own(flags),
        environment: &environment,
        file,
        read_file: &read_file,
    })
}

fn problems(environment: &[(&str, &str)], file: &str) -> Vec<String> {
    loaded(&[], environment, file)
        .unwrap_err()
        .0
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "[http]\nhost = \"::1\"\nport = 1\nheader_time = \"2m\"\n";
    let all = loaded(
        &[("http.port", "3")],
        &[("PORT", "2"), ("HEADER_TIME", "5")],
        file,
    )
    .unwrap();
    assert_eq!((all.settings.port, all.settings.header_time.as_secs()), (3, 5));
    assert_eq!(all.settings.host.to_string(), "::1");
    assert_eq!(all.settings.body_time.as_secs(), 30);
    assert_eq!(all.origins["http.host"], Origin::File(2));
    assert_eq!(all.origins["http.port"], Origin::Flag);
}

#[test]
fn every_problem_is_named_with_its_place_and_never_the_value() {
    let file = "[http]\nprot = 1\nport = \"many\"\n[database]\nmax_connections = -1\n";
    assert_eq!(
        problems(&[("LOG_FORMAT", "s3cret"), ("FARMGATE_DATE", "x")], file),
        [
            "farmgate.toml:2: unknown key `http.prot`: did you mean `http.port`?",
            "farmgate.toml:3: `http.port`: expected a whole number from 0 to 65535",
            "farmgate.toml:5: `database.max_connections`: expected a whole number, at least 1",
            "LOG_FORMAT: `log.format`: expected one of text, json",
            "FARMGATE_DATE: unknown key `FARMGATE_DATE`: did you mean `FARMGATE_DATA`?",
        ]
    );
    assert!(problems(&[], "[http\n")[0].starts_with("farmgate.toml:1: "));
}

#[test]
fn secrets_come_from_files_and_are_masked() {
    let all = loaded(&[], &[("JWT_SECRET_FILE", "/run/secrets/jwt")], "").unwrap();
    assert_eq!(all.settings.jwt_secret.as_ref().unwrap().reveal(), "from a file");
    assert!(!format!("{all:?}{}", print(&all)).contains("from a file"));
    let both = [("JWT_SECRET_FILE", "/run/secrets/jwt"), ("JWT_SECRET", "x")];
    assert_eq!(
        problems(&both, ""),
        ["JWT_SECRET_FILE: `JWT_SECRET` is set too: keep one of them"]
    );
    assert!(problems(&[("JWT_SECRET_FILE", "/none")], "")[0].contains("cannot read /none"));
    assert!(problems(&[("JWT_SECRET", "vault://a")], "")[0].contains("not supported"));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let environment = [
        ("CORS_ORIGINS", "https://a.example, https://b.example"),
        ("FEATURE_NEW_PAGE", "on"),
    ];
    let first = loaded(&[], &environment, "").unwrap();
    let second = loaded(&[], &[], &print(&first)).unwrap();
    assert_eq!(difference(&first, &second), []);
    assert_eq!(second.settings.allowed_origins.len(), 2);
    let secret = loaded(&[], &[("JWT_SECRET", "x")], "").unwrap();
    let masked = loaded(&[], &[], &print(&secret)).unwrap();
    assert_eq!(masked.settings.jwt_secret, None, "a mask is no secret");
    assert!(second.settings.features["new_page"]);
    let changed = loaded(&[], &[("PORT", "9")], "").unwrap();
    assert_eq!(
        difference(&changed, &loaded(&[], &[], "").unwrap()),
        [("http.port", "9".to_owned(), "8080".to_owned())]
    );
}

fn said(environment: &[(&str, &str)]) -> Vec<String> {
    advice(&loaded(&[], environment, "").unwrap())
}

#[test]
fn risky_combinations_are_named_and_the_defaults_are_none() {
    assert_eq!(said(&[]), Vec::<String>::new());
    let risky = [
        ("HOST", "0.0.0.0"),
        ("ENV", "production"),
        ("FARMGATE_RATE_LIMITS", "off"),
        ("DEBUG", "1"),
    ];
    let named = [
        "without TLS",
        "identity.encryption_key",
        "rate_limits.enabled",
        "server.debug",
        "metrics.public",
        "mail.host",
    ];
    let said = said(&risky);
    assert_eq!(said.len(), named.len(), "{said:?}");
    for (text, name) in said.iter().zip(named) {
        assert!(text.contains(name), "{text} is not about {name}");
    }
}

#[test]
fn secrets_that_are_short_or_stand_for_others_are_named() {
    let sound = [
        ("DATABASE_URL", "postgres://db.example/farm"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("ENCRYPTION_KEY", "any"),
    ];
    assert_eq!(said(&sound), Vec::<String>::new());
    let derived = said(&sound[..2]);
    assert!(
        matches!(&derived[..], [one] if one.contains("follows from `identity.jwt_secret`")),
        "{derived:?}"
    );
    let short = said(&[("JWT_SECRET", "0123456789abcdef0123456789abcde")]);
    assert!(
        matches!(&short[..], [one] if one.contains("fewer than 32 bytes")),
        "{short:?}"
    );
}

#[test]
fn what_is_set_without_effect_is_said() {
    let set = [
        ("GITHUB_TOKEN", "x"),
        ("SLACK_WEBHOOK_URL", ""),
        ("FEATURE_TELEPORT", "true"),
        ("FARMGATE_SERVICE_HOST", "10.0.0.7"),
        ("FARMGATE_TOKEN", "of another command"),
    ];
    assert_eq!(
        said(&set),
        [
            "`notify.github_token` is set without effect: this build makes no releases",
            "`features.teleport` is set without effect: this build has no such feature",
            "no command knows these variables: FARMGATE_SERVICE_HOST",
        ]
    );
}

#[test]
fn contradictions_are_errors() {
    let half = problems(&[("TLS_KEY", "key.pem"), ("HTTP_REDIRECT_PORT", "80")], "");
    assert_eq!(half.len(), 2, "{half:?}");
    assert!(half[0].contains("need each other") && half[1].contains("needs TLS"));
    let both = [
        ("TLS_KEY", "a"),
        ("TLS_CERTIFICATE", "b"),
        ("HTTP_REDIRECT_PORT", "80"),
    ];
    assert!(loaded(&[], &both, "").is_ok());
    assert!(problems(&[("MAX_CONCURRENT", "0")], "")[0].contains("at least 1"));
    assert!(loaded(&[], &[("REQUEST_TIME", "119s")], "").is_ok());
    assert!(problems(&[("REQUEST_TIME", "2m")], "")[0].contains("below 2m"));
}

#[test]
fn a_mail_server_is_not_half_set() {
    let half = problems(&[("SMTP_HOST", "mail.example"), ("SMTP_USER", "farm")], "");
    for (text, name) in half.iter().zip(["mail.from", "http.public_url", "mail.password"]) {
        assert!(text.contains(name), "{text} is not about {name}");
    }
    assert_eq!(half.len(), 3, "{half:?}");
    let whole = [
        ("SMTP_HOST", "mail.example"),
        ("MAIL_FROM", "noreply@farm.example"),
        ("PUBLIC_URL", "https://farm.example"),
        ("ENV", "production"),
        ("ENCRYPTION_KEY", "x"),
    ];
    assert_eq!(said(&whole), Vec::<String>::new());
    let clear = [&whole[..], &[("SMTP_TLS", "none")]].concat();
    let clear = said(&clear);
    assert!(
        clear.len() == 1 && clear[0].contains("travels in the clear"),
        "{clear:?}"
    );
}

#[test]
fn every_variable_of_the_staging_specification_is_known() {
    let named = "HOST PORT ENV DEBUG DATABASE_URL DATABASE_REPLICA_URL DATABASE_MAX_CONNS DATABASE_IDLE_CONNS \
        REDIS_URL REDIS_DB CACHE_TTL JWT_SECRET ENCRYPTION_KEY SESSION_TIMEOUT SESSION_COOKIE_SECURE \
        SESSION_COOKIE_HTTPONLY PROMETHEUS_ENABLED JAEGER_ENABLED JAEGER_ENDPOINT OTEL_EXPORTER_OTLP_ENDPOINT \
        LOG_LEVEL LOG_FORMAT SMTP_HOST SMTP_PORT SMTP_USER SMTP_PASSWORD SLACK_WEBHOOK_URL GITHUB_TOKEN";
    for name in named.split_whitespace() {
        assert!(KEYS.iter().any(|key| key.env == name), "{name}");
    }
}

#[test]
fn the_manual_in_the_repository_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        manual(),
        "regenerate it as the page says"
    );
}

#[test]
fn no_key_and_no_variable_is_declared_twice() {
    for part in [|k: &config::Key| k.name, |k: &config::Key| k.env] {
        let mut names: Vec<_> = KEYS.iter().map(part).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }
}

#[test]
fn operations_cost_what_is_set_for_all_tiers_or_by_tier() {
    use domain::tier::Tier;
    let file = "[credits]\npush = 3\npull = [\"2\", \"enterprise=0\"]\n";
    let by_tier = [("CREDITS_EXPORT", "basic=5, professional = 1")];
    let all = loaded(&[], &by_tier, file).unwrap();
    let cost = |costs: &config::Costs, tier| costs.by_tier().find(|cell| cell.0 == tier).unwrap().1;
    let of = |costs: &config::Costs| {
        [Tier::Basic, Tier::Professional, Tier::Enterprise].map(|tier| cost(costs, tier))
    };
    assert_eq!(of(&all.settings.cost_push), [3, 3, 3]);
    assert_eq!(of(&all.settings.cost_pull), [2, 2, 0]);
    assert_eq!(of(&all.settings.cost_export), [5, 1, 0]);
    assert_eq!(of(&all.settings.cost_event_create), [0, 0, 0]);
    let again = loaded(&[], &[], &print(&all)).unwrap();
    assert_eq!(difference(&all, &again), []);
    for (bad, said) in [
        ("-1", "expected credits"),
        ("1000000000001", "expected credits"),
        ("gold=1", "expected basic, professional, enterprise or admin"),
        ("basic=x", "expected credits"),
        ("basic=1, basic=2", "names a tier twice"),
        ("1, 2", "two numbers"),
        ("", "expected credits"),
    ] {
        let problem = &problems(&[("CREDITS_PUSH", bad)], "")[0];
        assert!(
            problem.starts_with("CREDITS_PUSH: `credits.push`: "),
            "{bad}: {problem}"
        );
        assert!(problem.contains(said), "{bad}: {problem}");
    }
    let proof = said(&[("CREDITS_PROOF", "1")]);
    assert!(
        proof[0].contains("`credits.proof` is set without effect"),
        "{proof:?}"
    );
}
