//! TLS to a real PostgreSQL: what each `sslmode` lets pass, and that pool, listener and replica all keep to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use db::migrate::up;
use db::{Db, DbConfig, DbError, Micros, NoObserver, Scope, Target};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use test_support::Cluster;

use crate::MIGRATIONS;

db::statements! {
    SLOW = "test.tls_slow", "select 1 as n from pg_sleep(3600)";
}

/// An authority of a test, and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name.push(DnType::CommonName, name);
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("ca.pem"),
            wanted.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        Self {
            issuer: Issuer::new(wanted, key),
            folder,
        }
    }

    /// Certificate and key for this host.
    fn certify(&self, host: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let wanted = CertificateParams::new([host.to_owned()]).unwrap();
        let made = wanted.signed_by(&key, &self.issuer).unwrap();
        format!("{}{}", made.pem(), key.serialize_pem())
    }

    fn file(&self) -> String {
        self.folder.path().join("ca.pem").to_string_lossy().into_owned()
    }
}

async fn opened(url: String) -> Result<Db, DbError> {
    Db::open(DbConfig::postgres(url), Arc::new(NoObserver)).await
}

/// Whether the connections are under TLS, as the server sees them; the whole chain of causes if there are none.
async fn over_tls(cluster: &Cluster, url: &str, options: &str) -> Result<bool, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("case{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let url = format!("{url}&application_name={name}&{options}");
    let db = opened(url).await.map_err(|error| chain(&error))?;
    let text = format!(
        "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where application_name = '{name}'"
    );
    let found = cluster.ask("postgres", &text);
    db.close().await;
    match found.as_str() {
        "t" => Ok(true),
        "f" => Ok(false),
        none => Err(format!("the server sees no connection: `{none}`")),
    }
}

/// An error and all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn shop(cluster: &Cluster) {
    cluster.run("postgres", "create database shop owner farmgate");
    let config = DbConfig::postgres(cluster.url("shop"));
    up(&config, MIGRATIONS, Micros(0)).await.unwrap();
}

/// Whether the address names the host of the certificate; what it says about TLS; and whether the connection is under
/// TLS, or why there is none.
type Case = (bool, String, Result<bool, &'static str>);

fn cases(ours: &str, others: &str) -> Vec<Case> {
    let plain = [
        (true, "", Ok(true)),
        (true, "sslmode=disable", Ok(false)),
        (true, "sslmode=prefer", Ok(true)),
        (false, "sslmode=require", Ok(true)),
        (
            true,
            "sslmode=verify-full&sslrootcert=system",
            Err("UnknownIssuer"),
        ),
        (true, "sslrootcert=system", Err("UnknownIssuer")),
        (
            true,
            "sslmode=require&sslrootcert=system",
            Err("needs `sslmode=verify-full`"),
        ),
        (true, "sslmode=verify-full", Err("need `sslrootcert`")),
        (
            true,
            "sslmode=verify-ca&sslrootcert=/none",
            Err("cannot read /none"),
        ),
        (true, "sslmode=allow", Err("`sslmode` must be")),
    ];
    let checked = [
        (true, "verify-full", ours, Ok(true)),
        (false, "verify-ca", ours, Ok(true)),
        (false, "require", ours, Ok(true)),
        (false, "verify-full", ours, Err("not valid for name")),
        (true, "verify-full", others, Err("UnknownIssuer")),
        (true, "verify-ca", others, Err("UnknownIssuer")),
        (true, "require", others, Err("UnknownIssuer")),
    ];
    let plain = plain.map(|(right, options, expected)| (right, options.to_owned(), expected));
    let checked = checked
        .map(|(right, mode, file, expected)| (right, format!("sslmode={mode}&sslrootcert={file}"), expected));
    plain.into_iter().chain(checked).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_says_how_far_a_server_is_trusted() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let cluster = Cluster::start_on_network(&ours.certify("db.example"));
    shop(&cluster).await;
    for (right, options, expected) in cases(&ours.file(), &others.file()) {
        let host = if right { "db.example" } else { "db.example.org" };
        let found = over_tls(&cluster, &cluster.network_url(host, "shop"), &options).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{options}"),
            (Err(chain), Err(words)) => assert!(chain.contains(words), "{options}: {chain}"),
            (found, expected) => panic!("{options}: {found:?} in place of {expected:?}"),
        }
    }
    let socket = format!("{}?", cluster.url("shop"));
    let found = over_tls(&cluster, &socket, "sslmode=require").await;
    assert_eq!(found, Ok(false), "a socket has no TLS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_gets_nothing_when_it_is_required() {
    let cluster = Cluster::start_on_network("");
    shop(&cluster).await;
    let url = cluster.network_url("localhost", "shop");
    for options in ["", "sslmode=prefer", "sslmode=disable"] {
        assert_eq!(over_tls(&cluster, &url, options).await, Ok(false), "{options}");
    }
    let authority = Authority::new("ours");
    let checked = format!("sslmode=verify-full&sslrootcert={}", authority.file());
    for options in ["sslmode=require", checked.as_str()] {
        let chain = over_tls(&cluster, &url, options).await.unwrap_err();
        assert!(
            chain.contains("server does not support TLS"),
            "{options}: {chain}"
        );
    }
}

/// How many connections over the network a server has that are under TLS, or are not.
fn connections(cluster: &Cluster, tls: bool) -> u32 {
    let text = format!(
        "select count(*) from pg_stat_activity join pg_stat_ssl using (pid)
          where datname = 'shop' and usename = 'farmgate' and client_addr is not null and ssl = {tls}"
    );
    cluster.ask("postgres", &text).parse().unwrap()
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), reached).await;
    waited.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_listener_replica_and_cancelling_speak_tls() {
    let authority = Authority::new("ours");
    let primary = Cluster::start_on_network(&authority.certify("db.example"));
    shop(&primary).await;
    let replica = primary.replica();
    let options = format!("sslmode=verify-full&sslrootcert={}", authority.file());
    let url = |cluster: &Cluster| format!("{}&{options}", cluster.network_url("db.example", "shop"));
    let mut config = DbConfig::postgres(url(&primary));
    config.statement_timeout = Duration::from_secs(3600);
    if let Target::Postgres(target) = &mut config.target {
        target.replica_url = Some(url(&replica));
    }
    let db = Db::open(config, Arc::new(NoObserver)).await.unwrap();
    let _news = db.listen("news");
    let named = "select count(*) from pg_stat_activity where application_name = 'farmgate listener'";
    let usable = || db.replica_stats().is_some_and(|stats| stats.usable);
    until("the listener listens and the replica is used", || {
        usable() && primary.ask("postgres", named) == "1"
    })
    .await;
    assert!(connections(&primary, true) >= 3, "pool, watch and listener");
    assert!(connections(&replica, true) >= 1, "the watch at least");
    assert_eq!(
        (connections(&primary, false), connections(&replica, false)),
        (0, 0)
    );
    let scope = Scope::system();
    let left = tokio::time::timeout(Duration::from_millis(200), db.all(&scope, SLOW, Vec::new())).await;
    assert!(left.is_err());
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%3600%'
        and pid <> pg_backend_pid()";
    until("what nobody waits for is cancelled over TLS too", || {
        primary.ask("postgres", running) == "0"
    })
    .await;
    db.close().await;
}
