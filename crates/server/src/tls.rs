//! TLS of the public listener: the certificate in force, which is read anew when its files change, offering HTTP/2 and
//! HTTP/1.1 with ring as the provider.

mod collector;
mod validity;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::ids::{Clock, Timestamp};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
pub use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::collector::TlsCollector;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The certificate file holds no certificate that can be read.
    #[error("the certificate cannot be read: expected a PEM file with the chain, the server's own first")]
    Certificate(#[source] rustls_pki_types::pem::Error),
    /// The key file holds no private key that can be read.
    #[error("the private key cannot be read: expected a PEM file with a PKCS#8, PKCS#1 or SEC1 key")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// Certificate and key do not work together.
    #[error("the certificate and its key cannot be used")]
    Pair(#[source] rustls::Error),
    /// The certificate has ended, and another one is in force.
    #[error("the certificate ended at {0}")]
    Ended(Timestamp),
}

/// Makes an acceptor from the content of the two files. It keeps this certificate for ever; see [`Certificates`].
///
/// # Errors
/// If one cannot be read or they do not belong together.
pub fn acceptor(certificate: &[u8], key: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let (_, latest) = watch::channel(Pair::new(certificate, key)?);
    accepting(latest)
}

fn accepting(latest: watch::Receiver<Pair>) -> Result<TlsAcceptor, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?;
    let mut config = builder
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Latest(latest)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate that can be served.
#[derive(Clone, Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    /// When the certificate ends, if it says so in a way that is understood.
    ends: Option<Timestamp>,
}

impl Pair {
    fn new(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(TlsError::Certificate)?;
        let Some(own) = chain.first() else {
            return Err(TlsError::Certificate(rustls_pki_types::pem::Error::NoItemsFound));
        };
        let ends = validity::end(own);
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let provider: CryptoProvider = ring::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Pair)?;
        Ok(Self {
            key: Arc::new(key),
            ends,
        })
    }
}

/// Gives each new connection the certificate in force.
#[derive(Debug)]
struct Latest(watch::Receiver<Pair>);

impl ResolvesServerCert for Latest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow().key))
    }
}

/// What a look at the files has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The files are what they were at the last look.
    Same,
    /// A new certificate is in force.
    Renewed,
}

/// The certificate in two files, and the one in force: the last that could be used.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    latest: watch::Sender<Pair>,
    /// Hash of what was last found in the files, good or not: what is wrong is said once.
    seen: Mutex<[u8; 32]>,
    renewed: AtomicU64,
    failed: AtomicU64,
}

impl Certificates {
    /// Reads the files. Blocks: call it while the process starts.
    ///
    /// # Errors
    /// If one cannot be read or they do not belong together.
    pub fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let (chain, secret) = (file(certificate)?, file(key)?);
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            latest: watch::Sender::new(Pair::new(&chain, &secret)?),
            seen: Mutex::new(hash(&chain, &secret)),
            renewed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// An acceptor that gives each new connection the certificate in force.
    ///
    /// # Errors
    /// None that the settings could cause.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        accepting(self.latest.subscribe())
    }

    /// Looks at the files, and serves what they hold if it is new and can be used; else the old certificate stays.
    /// Blocks.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn look(&self, now: Timestamp) -> Result<Look, TlsError> {
        let looked = self.try_look(now);
        match &looked {
            Ok(Look::Same) => {}
            Ok(Look::Renewed) => drop(self.renewed.fetch_add(1, Ordering::Relaxed)),
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
        looked
    }

    fn try_look(&self, now: Timestamp) -> Result<Look, TlsError> {
        let (chain, secret) = (file(&self.certificate)?, file(&self.key)?);
        let found = hash(&chain, &secret);
        // Only the one task that looks at the files holds it, on a thread for blocking work.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == found {
            return Ok(Look::Same);
        }
        *seen = found;
        let pair = Pair::new(&chain, &secret)?;
        if let Some(ended) = pair.ends.filter(|ends| *ends <= now) {
            return Err(TlsError::Ended(ended));
        }
        self.latest.send_replace(pair);
        Ok(Look::Renewed)
    }
}

fn file(path: &Path) -> Result<Vec<u8>, TlsError> {
    // farmgate: allow(blocking-fs) because called at the start and on threads for blocking work alone
    std::fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error))
}

fn hash(chain: &[u8], secret: &[u8]) -> [u8; 32] {
    let length = (chain.len() as u64).to_be_bytes();
    Sha256::digest([&length[..], chain, secret].concat()).into()
}

/// Looks at the files again and again.
pub struct Renewal {
    certificates: Arc<Certificates>,
    clock: Arc<dyn Clock>,
    hangup: Signal,
}

impl Renewal {
    /// Prepares to look at the files; from now on SIGHUP asks for a look and no longer ends the process.
    ///
    /// # Errors
    /// If the process may not listen to the signal.
    pub fn register(certificates: Arc<Certificates>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        Ok(Self {
            certificates,
            clock,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Looks every so often, and at each SIGHUP, until the stop.
    pub async fn run(mut self, every: Duration, stop: CancellationToken) {
        let mut absent = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.hangup.recv() => {}
                () = tokio::time::sleep(every) => {}
            }
            let (certificates, now) = (Arc::clone(&self.certificates), self.clock.now());
            let looked = tokio::task::spawn_blocking(move || certificates.look(now)).await;
            let kept = "the certificate that was read before stays in force";
            match looked {
                Ok(Ok(Look::Same)) => absent = false,
                Ok(Ok(Look::Renewed)) => {
                    absent = false;
                    let ends = self
                        .certificates
                        .latest
                        .borrow()
                        .ends
                        .map(tracing::field::display);
                    tracing::info!(ends, "the renewed certificate is in force");
                }
                // A file that is away is looked for again and again, and missed once.
                Ok(Err(TlsError::File(..))) if absent => {}
                Ok(Err(error)) => {
                    absent = matches!(error, TlsError::File(..));
                    let source = std::error::Error::source(&error).map(tracing::field::display);
                    tracing::error!(%error, source, "{kept}");
                }
                Err(error) => tracing::error!(%error, "{kept}"),
            }
        }
    }
}
