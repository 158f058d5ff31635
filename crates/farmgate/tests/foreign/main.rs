//! Services that nobody here wrote: each passes the gate when it is healthy, and fails it with the fault named when a
//! proxy before it breaks it on purpose. `install` fetches them from their registries, with pinned versions, into the
//! target folder; what cannot be had is told as `not run` and fails in CI.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod proxy;
mod service;

use std::time::Duration;

use proxy::Fault;
use service::Service;

/// Runs the gate before each fault: exit code 1, and each of the words in the report. Most of that is waiting, so it is done
/// side by side, each through a proxy of its own.
fn faults(service: &Service, faults: &[(Fault, &[&str])]) {
    std::thread::scope(|scope| {
        for (fault, words) in faults {
            scope.spawn(|| named(service, *fault, words));
        }
    });
}

fn named(service: &Service, fault: Fault, words: &[&str]) {
    let (code, text) = service.gate(fault);
    assert_eq!(code, 1, "{fault:?}: {text}");
    // Long lines are wrapped.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(
            text.contains(word),
            "{fault:?} is not named: `{word}` is not in: {text}"
        );
    }
}

/// The healthy service passes; inconclusive only if this machine was too busy for the generator, which it then says.
fn healthy(service: &Service) {
    let (code, text) = service.gate(Fault::None);
    let limited = text.contains("the generator limited the run");
    assert!(code == 0 || (code == 2 && limited), "exit {code}: {text}");
    assert!(text.contains("smoke: pass"), "{text}");
}

#[test]
fn an_echo_service_in_python() {
    let Some(service) = Service::start("httpbin") else {
        return;
    };
    healthy(&service);
    faults(
        &service,
        &[
            (
                Fault::Failing { one_in: 5 },
                &[
                    "smoke: fail",
                    "expected 200, came 500",
                    "error_rate < 1% does not hold",
                    "status 500:",
                ],
            ),
            (
                Fault::Truncated { one_in: 5 },
                &[
                    "smoke: fail",
                    "closed the connection before the answer was complete",
                    "connection closed:",
                ],
            ),
            (
                Fault::Slow {
                    one_in: 2,
                    time: Duration::from_millis(1500),
                },
                &["smoke: pass", "p95 < 1s does not hold", "error_rate < 1% holds"],
            ),
        ],
    );
}

#[test]
fn a_rest_database_in_javascript() {
    let Some(service) = Service::start("json-server") else {
        return;
    };
    healthy(&service);
    faults(
        &service,
        &[
            (
                Fault::Swapped { one_in: 2 },
                &[
                    "smoke: fail",
                    "error_rate < 1% does not hold",
                    "first wrong answer of posts/",
                ],
            ),
            (
                Fault::Failing { one_in: 11 },
                &["status 500:", "expected 20", "came 500"],
            ),
        ],
    );
}

#[test]
fn a_static_server_in_c() {
    let Some(service) = Service::start("nginx") else {
        return;
    };
    healthy(&service);
    faults(
        &service,
        &[
            (
                Fault::Dropped { one_in: 50 },
                &[
                    "error_rate < 0.5% does not hold",
                    "connection closed:",
                    "rps >= 50 holds",
                ],
            ),
            (
                Fault::Truncated { one_in: 50 },
                &["error_rate < 0.5% does not hold", "connection closed:"],
            ),
        ],
    );
}

#[test]
fn logins_cookies_and_websockets_in_python() {
    let Some(service) = Service::start("jupyter") else {
        return;
    };
    healthy(&service);
    faults(
        &service,
        &[
            (
                Fault::NoCookies,
                &[
                    "smoke: fail",
                    "expected 302, came 403",
                    "first wrong answer of terminal/login",
                ],
            ),
            (
                Fault::CutSockets(40),
                &[
                    "terminal.hurl",
                    "connection closed:",
                    "first wrong answer of terminal/terminal",
                ],
            ),
        ],
    );
}

#[test]
fn the_data_of_many_users_in_python() {
    let Some(service) = Service::start("kinto") else {
        return;
    };
    healthy(&service);
    faults(
        &service,
        &[(Fault::Swapped { one_in: 2 }, &["first wrong answer of own/read"])],
    );
    let (code, text) = service.isolate(Fault::None);
    assert_eq!(code, 0, "{text}");
    let broken: [(Fault, [&str; 3]); 2] = [
        (
            Fault::Swapped { one_in: 3 },
            ["pool.answer", "access.", "readback.exact"],
        ),
        (Fault::SharedCache, ["cache.second", "access.read", "paging.list"]),
    ];
    std::thread::scope(|scope| {
        for (fault, rules) in &broken {
            scope.spawn(|| breached(&service, *fault, rules));
        }
    });
}

/// Runs the isolation test before the fault: exit code 1, and one of the rules is named.
fn breached(service: &Service, fault: Fault, rules: &[&str]) {
    let (code, text) = service.isolate(fault);
    assert_eq!(code, 1, "{fault:?}: {text}");
    let named = |rule: &&str| text.contains(&format!("BREACH {rule}"));
    assert!(rules.iter().any(named), "{fault:?} is not named: {text}");
}
