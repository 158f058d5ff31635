//! A certificate that is renewed while it is served: the new one is taken, a broken one is not.

use std::sync::Arc;

use rustls::RootCertStore;
use server::{edge::EdgeConfig, tls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Running, edge, over_tls};

/// A certificate for `localhost` in two files that a test replaces.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn write(&self, certificate: &str, key: &str) {
        std::fs::write(self.certificate(), certificate).unwrap();
        std::fs::write(self.key(), key).unwrap();
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("key.pem")
    }
}

/// A certificate for `localhost` that ends in this year: certificate, key, what a client must trust.
fn ending(year: i32) -> (String, String, RootCertStore) {
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    wanted.not_after = rcgen::date_time_ymd(year, 3, 4);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = wanted.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.der().clone()).unwrap();
    (made.pem(), key.serialize_pem(), roots)
}

async fn asks_over(stream: &mut tokio_rustls::client::TlsStream<TcpStream>) -> String {
    let request = b"GET /place HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// A server that takes its certificate from files.
struct Renewing {
    files: Files,
    certificates: Arc<tls::Certificates>,
    running: Running,
}

impl Renewing {
    async fn start(certificate: &str, key: &str) -> Self {
        let files = Files {
            folder: tempfile::tempdir().unwrap(),
        };
        files.write(certificate, key);
        let certificates = tls::Certificates::open(&files.certificate(), &files.key()).unwrap();
        let acceptor = certificates.acceptor().unwrap();
        let running = Running::start(edge(EdgeConfig::default()), Some(acceptor)).await;
        Self {
            files,
            certificates,
            running,
        }
    }

    fn look(&self) -> Result<tls::Look, tls::TlsError> {
        let now = domain::ids::Timestamp::from_secs(1_800_000_000);
        self.certificates.look(now)
    }

    /// Writes what is no certificate to serve: it is refused, and the one before goes on being served.
    async fn refuses(&self, certificate: &str, key: &str, roots: &RootCertStore) {
        self.files.write(certificate, key);
        assert!(self.look().is_err(), "{certificate}");
        assert!(self.answers(roots).await);
    }

    /// Whether a new connection that trusts these is answered.
    async fn answers(&self, roots: &RootCertStore) -> bool {
        let mut stream = over_tls(self.running.address, roots.clone(), b"http/1.1").await;
        asks_over(&mut stream).await.starts_with("HTTP/1.1 200")
    }

    fn figures(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(tls::TlsCollector(Arc::clone(&self.certificates))));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
    let (first, second, gone) = (ending(2048), ending(2051), ending(2001));
    let server = Renewing::start(&first.0, &first.1).await;
    let mut open = over_tls(server.running.address, first.2.clone(), b"http/1.1").await;
    let figures = server.figures();
    assert!(
        figures.contains("tls_certificate_expires_seconds 2466892800\n"),
        "{figures}"
    );
    assert_eq!(server.look().unwrap(), tls::Look::Same);

    // Halfway through a renewal, with another's key, unreadable, and over already.
    for (certificate, key) in [
        (second.0.as_str(), first.1.as_str()),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", second.1.as_str()),
        ("", ""),
        (gone.0.as_str(), gone.1.as_str()),
    ] {
        server.refuses(certificate, key, &first.2).await;
    }
    let look = server.look().unwrap();
    assert_eq!(look, tls::Look::Same, "what is wrong is said once");
    std::fs::remove_file(server.files.key()).unwrap();
    assert!(matches!(server.look(), Err(tls::TlsError::File(..))));

    server.files.write(&second.0, &second.1);
    assert_eq!(server.look().unwrap(), tls::Look::Renewed);
    assert!(server.answers(&second.2).await);
    assert!(
        asks_over(&mut open).await.starts_with("HTTP/1.1 200"),
        "an open one lives on"
    );
    let figures = server.figures();
    for line in [
        "tls_certificate_expires_seconds 2561500800\n",
        "tls_certificate_renewals_total 1\n",
        "tls_certificate_failures_total 5\n",
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
    drop(open);
    server.running.end().await;
}

#[test]
fn a_certificate_with_a_foreign_key_is_refused() {
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (made(), made());
    let mixed = tls::acceptor(
        one.cert.pem().as_bytes(),
        other.signing_key.serialize_pem().as_bytes(),
    );
    assert!(matches!(mixed.err(), Some(tls::TlsError::Pair(_))));
    assert!(matches!(
        tls::acceptor(b"none", b"none").err(),
        Some(tls::TlsError::Certificate(_) | tls::TlsError::Key(_))
    ));
}
