//! What `/metrics` shows of queues, work and isolation, and that the manual lists it all.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use db::Engine;
use prometheus_client::{collector::Collector, encoding::text::encode, registry::Registry};
use serde_json::json;
use server::{
    database_metrics::{DatabaseCollector, DatabaseMetrics},
    live_metrics::LiveCollector,
    metrics::EdgeCollector,
    platform_metrics::PlatformCollector,
    process::ProcessMetrics,
    tls::{Certificates, TlsCollector},
};

use crate::{
    calls::{get, post, record},
    fixture::Service,
};

fn shown(service: &Service, database: Option<Arc<DatabaseMetrics>>) -> String {
    let mut registry = Registry::default();
    let mut collectors: Vec<Box<dyn Collector>> = vec![
        Box::new(ProcessMetrics),
        Box::new(LiveCollector(Arc::clone(service.app.live()))),
        Box::new(EdgeCollector(Arc::clone(service.edge.metrics()))),
        Box::new(PlatformCollector {
            app: service.app.clone(),
            isolation: Arc::clone(&service.isolation),
            guarded: true,
        }),
    ];
    collectors.extend(database.map(|database| Box::new(DatabaseCollector(database)) as Box<dyn Collector>));
    for collector in collectors {
        registry.register_collector(collector);
    }
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn value(text: &str, series: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .parse()
        .unwrap()
}

pub async fn gauges_follow_what_waits_and_what_is_used(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    for _ in 0..2 {
        record(
            &service,
            &ana,
            json!({"event_type": "a", "visibility": "private"}),
        )
        .await;
    }
    for path in ["/api/jobs", "/api/jobs"] {
        let job = post(&service, &ana, path, json!({"kind": "export"})).await;
        assert_eq!(job.status, 201, "{}", job.body);
    }
    let cancelled = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
    let cancel = format!("/api/jobs/{}/cancel", cancelled.body["id"].as_str().unwrap());
    assert_eq!(post(&service, &ana, &cancel, json!({})).await.status, 200);
    assert_eq!(get(&service, &ana, "/api/admin/users").await.status, 403);
    service.clock.pass(Duration::from_secs(90));
    let before = shown(&service, None);
    assert_eq!(
        value(&before, r#"outbox_entries{state="waiting"}"#),
        0.0,
        "nobody has looked yet"
    );
    service.app.refresh_figures().await.unwrap();
    let listener = service.app.live();
    let holder = app::live::Holder {
        workspace: ana.workspace_id.parse().unwrap(),
        user: ana.user_id.parse().unwrap(),
        session: Some(ana.session_id.parse().unwrap()),
        api_key: None,
    };
    let subscription = listener.subscribe(holder, None).await.unwrap();
    let text = shown(&service, None);
    for (series, expected) in [
        // Two jobs to run, and the word that the third was cancelled.
        (r#"outbox_entries{state="waiting"}"#, 3.0),
        (r#"outbox_entries{state="failed"}"#, 0.0),
        ("outbox_oldest_age_seconds", 90.0),
        (r#"jobs{state="waiting"}"#, 2.0),
        (r#"jobs{state="cancelled"}"#, 1.0),
        (r#"jobs{state="running"}"#, 0.0),
        ("live_connections", 1.0),
        ("http_slots_in_use", 0.0),
        ("http_open_contexts", 0.0),
        (r#"queue_depth{queue="passwords"}"#, 0.0),
        (r#"queue_depth{queue="refusals"}"#, 1.0),
        (r#"cache_hit_ratio{cache="workspace_facts"}"#, 0.5),
        (r#"refusals_total{action="access"}"#, 1.0),
        ("isolation_violations_total", 0.0),
        ("isolation_guard_enabled", 1.0),
        ("isolation_leaked_contexts", 0.0),
        ("incidents_opened_total", 0.0),
        ("error_rate", 0.0),
    ] {
        assert!((value(&text, series) - expected).abs() < 1e-9, "{series}: {text}");
    }
    drop(subscription);
    assert_eq!(
        value(&shown(&service, None), "live_connections"),
        0.0,
        "back at the baseline"
    );
}

/// What a server with TLS shows besides.
fn of_a_certificate() -> String {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate"), folder.path().join("key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(TlsCollector(
        Certificates::open(&certificate, &key).unwrap(),
    )));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// `docs/metrics.md` is written from what is exported: `UPDATE_DOCS=1` writes it anew.
pub async fn the_manual_lists_every_metric(engine: Engine) {
    let service = Service::start(engine).await;
    let database = Arc::new(DatabaseMetrics::new(Duration::from_secs(1)));
    let db = service.db.clone();
    database.watch(db);
    let text = shown(&service, Some(database)) + &of_a_certificate();
    let mut rows: Vec<(&str, &str, &str)> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            rows.push((name, "", help.trim_end_matches('.')));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let row = rows.iter_mut().find(|row| row.0 == name).unwrap();
            row.1 = kind;
        }
    }
    rows.sort_unstable();
    let mut page = "# Metrics\n\n`GET /metrics` shows these in the OpenMetrics text format; counters end in `_total` there. \
        Written from the code by the test `the_manual_lists_every_metric` (`UPDATE_DOCS=1` writes it anew). Labels come \
        from closed sets: route patterns, states, names of queues; never a path, a tenant or a user.\n\n\
        | name | kind | meaning |\n| --- | --- | --- |\n"
        .to_owned();
    for (name, kind, help) in rows {
        assert!(
            !kind.is_empty() && !help.is_empty(),
            "{name} says nothing of itself"
        );
        let _ = writeln!(page, "| `{name}` | {kind} | {help} |");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/metrics.md is not what the code exports: run this test with UPDATE_DOCS=1\n{page}"
    );
}
