//! What a run does beside its checks: sockets in the storm, a restart in its middle, further addresses, time, secrets
//! of given people, and what is left when it is over.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod front;

use std::time::Duration;

use isolation::{Config, EXAMPLE, Options, PrincipalConfig, Report, Role, Rule, Silent, Verdict, isolate};
use testbed::Running;

async fn service(faults: &[&str]) -> Running {
    let planted = faults.iter().map(|name| (testbed::find(name).unwrap(), 1.0));
    let options = testbed::Options {
        faults: planted.collect(),
        ..Default::default()
    };
    testbed::start(options).await.unwrap()
}

fn config(url: String) -> Config {
    let mut config = Config::parse("example.toml", EXAMPLE).unwrap();
    config.target.url = Some(url);
    config.effort.rounds = 1;
    config.effort.storm_requests = 400;
    config.effort.noise_ms = 0;
    config
}

/// A run of what finds one rule broken.
async fn run(config: Config, rule: Rule) -> Report {
    let options = Options {
        self_test: false,
        only: vec![rule],
        ..Options::default()
    };
    isolate(config, &options, &mut Silent).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_come_and_go_in_the_storm_and_what_they_hear_is_judged() {
    let service = service(&["ws-broadcast"]).await;
    let report = run(config(service.url()), Rule::PoolAnswer).await;
    let named: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.id.as_str())
        .collect();
    assert!(
        named.contains(&"pool.answer:storm#socket.broadcast"),
        "{}",
        report.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_restarts_in_the_storm_is_isolated_all_the_same() {
    let service = service(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("restart");
    let (url, restarts) = front::restarting(service.address, mark.clone()).await;
    let mut config = config(url);
    // The command is done when the service is there again.
    let script = "touch \"$0\"; while [ -e \"$0\" ]; do sleep 0.02; done";
    config.effort.restart = vec![
        "sh".into(),
        "-c".into(),
        script.into(),
        mark.display().to_string(),
    ];
    // However short the storm, the restart is in its middle.
    config.effort.storm_requests = 40;
    let report = run(config, Rule::PoolAnswer).await;
    assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
    assert_eq!(restarts.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(report.trouble > 0, "nobody noticed the restart");
    let told = |note: &String| note.starts_with("the restart in the storm met ");
    assert!(report.notes.iter().any(told), "{:?}", report.notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_and_whose_answer_is_lost_is_not_made_twice() {
    let service = service(&[]).await;
    let (url, posted) = front::losing(service.address).await;
    let mut config = config(url);
    config.effort.storm_requests = 0;
    // The wire passes on whole answers, and a stream has no end.
    config.sockets.clear();
    let options = Options {
        self_test: false,
        ..Options::default()
    };
    let report = isolate(config, &options, &mut Silent).await.unwrap();
    assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
    let posted = posted.lock().await;
    let lost = (posted.len() / front::LOST_ONE_IN) as u64;
    assert!(
        lost > 0 && report.trouble >= lost,
        "{lost} were lost: {}",
        report.text()
    );
    let different: std::collections::BTreeSet<_> = posted.iter().collect();
    let twice = posted.len() - different.len();
    assert_eq!(twice, 0, "of {} notes {twice} were sent twice", posted.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_fails_is_inconclusive() {
    let service = service(&[]).await;
    for (command, said) in [("false", "ended with"), ("no-such-program", "could not be run")] {
        let mut config = config(service.url());
        config.effort.restart = vec![command.into()];
        let report = run(config, Rule::PoolAnswer).await;
        assert_eq!(report.verdict, Verdict::Inconclusive, "{}", report.text());
        assert!(
            report.uncovered["pool.answer:storm"].contains(said),
            "{:?}",
            report.uncovered
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_address_that_keeps_answers_for_everybody_is_named() {
    let service = service(&[]).await;
    for (keeps, verdict) in [(false, Verdict::Isolated), (true, Verdict::Breached)] {
        let balancer = front::balancer(service.address, keeps).await;
        let mut config = config(service.url());
        config.target.also = vec![balancer.clone()];
        let report = run(config, Rule::CacheSecond).await;
        assert_eq!(report.verdict, verdict, "{}", report.text());
        let proof = report.findings.iter().flat_map(|finding| &finding.proof);
        let through = proof.filter(|step| step.request.contains(&balancer)).count();
        assert_eq!(through > 0, keeps, "{}", report.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_in_time_is_told_and_never_judged() {
    for (delay, expected) in [(Duration::from_millis(4), true), (Duration::ZERO, false)] {
        let options = testbed::Options {
            foreign_delay: delay,
            ..Default::default()
        };
        let service = testbed::start(options).await.unwrap();
        let report = run(config(service.url()), Rule::OracleExists).await;
        assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
        let told = "by time alone: GET /notes/{{id}} answers a foreign id";
        let found = report.notes.iter().any(|note| note.starts_with(told));
        assert_eq!(found, expected, "{:?}", report.notes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_makes_is_gone_afterwards_as_far_as_it_can_be() {
    let service = service(&[]).await;
    let left = run(config(service.url()), Rule::PoolAnswer).await.left;
    assert!(left.is_empty(), "{left:?}");
    let mut config = config(service.url());
    config.auth.delete_account.clear();
    let note = config
        .resources
        .iter_mut()
        .find(|resource| resource.name == "note");
    note.unwrap().delete = None;
    let report = run(config, Rule::PoolAnswer).await;
    let names: Vec<&str> = report.left.keys().map(String::as_str).collect();
    assert_eq!(names, ["account (no `delete_account`)", "note (no `delete`)"]);
    assert!(report.text().contains("left behind: "), "{}", report.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_whose_secret_is_not_set_is_left_out_and_named() {
    let service = service(&[]).await;
    let mut config = config(service.url());
    config.auth.register_admin.clear();
    let given = PrincipalConfig {
        name: "chief".into(),
        role: Role::Admin,
        secrets: [("password".to_owned(), "CHIEF_PASSWORD".to_owned())].into(),
        ..PrincipalConfig::default()
    };
    config.principals.push(given);
    config.fill_secrets(|_| None);
    let report = run(config.clone(), Rule::AccessAdmin).await;
    assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
    assert!(
        report.text().contains("CHIEF_PASSWORD is not set"),
        "{}",
        report.text()
    );
    config.fill_secrets(|name| (name == "CHIEF_PASSWORD").then(|| "hunter2".to_owned()));
    let options = Options {
        self_test: false,
        ..Options::default()
    };
    let refused = isolate(config, &options, &mut Silent).await.unwrap_err();
    assert!(refused.to_string().contains("chief"), "{refused}");
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_may_be_used_twice_on_one_service() {
    let service = service(&[]).await;
    for (salt, taken) in [(1, false), (2, false), (2, true)] {
        let mut config = config(service.url());
        config.effort.storm_requests = 0;
        // Nobody is removed, so that the names stay taken.
        config.auth.delete_account.clear();
        let options = Options {
            salt,
            self_test: false,
            only: vec![Rule::AccessRead],
            ..Options::default()
        };
        let report = isolate(config, &options, &mut Silent).await.unwrap();
        assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
        let again = report
            .notes
            .iter()
            .any(|note| note.contains("tried again under another name"));
        assert_eq!(again, taken, "salt {salt}: {:?}", report.notes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_could_not_be_registered_plays_no_part() {
    let service = service(&[]).await;
    let mut config = config(service.url());
    // It fails the first time, because there is no such user yet, and never again.
    let doorman = r#"path = "POST /register"
        json = { username = "doorman", email = "d@example.com", password = "Pw-doorman-9x" }
        expect = [409]"#;
    config.auth.register.push(toml::from_str(doorman).unwrap());
    let report = run(config, Rule::PoolAnswer).await;
    assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
    let told = "1 registrations were tried again under another name";
    assert!(
        report.notes.iter().any(|note| note.starts_with(told)),
        "{:?}",
        report.notes
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_never_gets_ready_is_waited_for_three_times_and_told() {
    let service = service(&[]).await;
    let mut config = config(service.url());
    config.effort.storm_requests = 0;
    // The fourth time none is made any more.
    config.effort.rounds = 2;
    let jobs = config
        .resources
        .iter_mut()
        .find(|resource| resource.name == "job");
    jobs.unwrap().ready = vec!["archived".to_owned()];
    let options = Options {
        self_test: false,
        only: vec![Rule::AccessRead, Rule::OracleExists],
        ..Options::default()
    };
    let mut said = Vec::new();
    let report = isolate(config, &options, &mut said).await.unwrap();
    let waits = said
        .iter()
        .filter(|line| line.starts_with("waited 10s for a `job`"));
    assert_eq!(waits.count(), 3, "{:#?}", said);
    assert_eq!(report.verdict, Verdict::Inconclusive, "{}", report.text());
    let told: Vec<_> = report.uncovered.values().collect();
    assert!(
        !told.is_empty() && told.iter().all(|why| why.contains("`done`")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|why| why.ends_with("no more are made")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_can_be_deleted_is_isolated() {
    let service = service(&[]).await;
    let mut config = config(service.url());
    let export = config
        .resources
        .iter_mut()
        .find(|resource| resource.name == "export");
    let export = export.unwrap();
    export.read = Some(isolation::Operation::new("GET", "/files/{{file}}"));
    export.state = None;
    export.id = Some("/id".to_owned());
    export.views.clear();
    export.delete = Some(isolation::Operation::new("DELETE", "/files/{{file}}"));
    let report = run(config, Rule::AccessDelete).await;
    assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_with_its_owners_account_is_not_left_behind() {
    let service = service(&[]).await;
    let mut config = config(service.url());
    let note = config
        .resources
        .iter_mut()
        .find(|resource| resource.name == "note");
    note.unwrap().delete = None;
    // Whoever was logged out has no credentials to delete anything with.
    let report = run(config, Rule::LifetimeLogout).await;
    assert!(report.ids > 0, "{}", report.text());
    assert!(report.left.is_empty(), "{:?}", report.left);
}
