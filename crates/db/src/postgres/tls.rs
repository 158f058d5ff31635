//! TLS to PostgreSQL, asked for as libpq's `sslmode` and `sslrootcert` ask for it. What the driver cannot read of an
//! address is read here.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use percent_encoding::percent_decode_str;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};

use crate::DbError;

/// What an address says about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// None.
    Disable,
    /// TLS if the server has it; who it is does not matter.
    Prefer,
    /// TLS; who it is does not matter.
    Require,
    /// TLS with somebody who has a certificate of a trusted authority.
    VerifyCa,
    /// The same, for the name in the address.
    VerifyFull,
}

/// Who vouches for the server.
#[derive(Debug, PartialEq, Eq)]
enum Roots {
    File(PathBuf),
    /// Those of Mozilla's list, which comes with the program.
    System,
}

/// Takes `sslmode` and `sslrootcert` out of an address; the driver reads the rest.
pub(super) fn split(url: &str) -> Result<(String, Mode, Connector), DbError> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut roots, mut others) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        match name {
            "sslmode" => mode = Some(read_mode(&value)?),
            "sslrootcert" if value == "system" => roots = Some(Roots::System),
            "sslrootcert" => roots = Some(Roots::File(PathBuf::from(value.as_ref()))),
            _ => others.push(pair),
        }
    }
    let mode = settle(mode, roots.as_ref())?;
    let rest = if others.is_empty() {
        address.to_owned()
    } else {
        format!("{address}?{}", others.join("&"))
    };
    Ok((rest, mode, Connector::new(mode, roots)?))
}

fn read_mode(text: &str) -> Result<Mode, DbError> {
    Ok(match text {
        "disable" => Mode::Disable,
        "prefer" => Mode::Prefer,
        "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => {
            return Err(wrong(
                "`sslmode` must be disable, prefer, require, verify-ca or verify-full",
            ));
        }
    })
}

/// The mode in force. As with libpq, a named authority makes `require` check it, and the system's authorities, which
/// vouch for anybody, are good for a name alone.
fn settle(mode: Option<Mode>, roots: Option<&Roots>) -> Result<Mode, DbError> {
    match (mode, roots) {
        (None | Some(Mode::VerifyFull), Some(Roots::System)) => Ok(Mode::VerifyFull),
        (_, Some(Roots::System)) => Err(wrong("`sslrootcert=system` needs `sslmode=verify-full`")),
        (Some(Mode::Require), Some(Roots::File(_))) => Ok(Mode::VerifyCa),
        (Some(Mode::VerifyCa | Mode::VerifyFull), None) => Err(wrong(
            "`sslmode=verify-ca` and `verify-full` need `sslrootcert`: a PEM file, or `system`",
        )),
        (mode, _) => Ok(mode.unwrap_or(Mode::Prefer)),
    }
}

fn wrong(text: &'static str) -> DbError {
    DbError::other("db.open", io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Makes the TLS of each connection.
#[derive(Clone)]
pub(super) struct Connector(Arc<ClientConfig>);

impl Connector {
    fn new(mode: Mode, roots: Option<Roots>) -> Result<Self, DbError> {
        let other = |error: rustls::Error| DbError::other("db.open", error);
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match mode {
            Mode::Disable | Mode::Prefer | Mode::Require => Arc::new(Anybody(Arc::clone(&provider))),
            Mode::VerifyCa | Mode::VerifyFull => {
                let store = Arc::new(store(roots)?);
                let full = WebPkiServerVerifier::builder_with_provider(store, Arc::clone(&provider))
                    .build()
                    .map_err(|error| DbError::other("db.open", error))?;
                if mode == Mode::VerifyFull {
                    full
                } else {
                    Arc::new(AnyName(full))
                }
            }
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn store(roots: Option<Roots>) -> Result<RootCertStore, DbError> {
    let mut store = RootCertStore::empty();
    let Some(Roots::File(path)) = roots else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(store);
    };
    let unreadable = |why: String| {
        let text = format!("`sslrootcert`: cannot read {}: {why}", path.display());
        DbError::other("db.open", io::Error::new(io::ErrorKind::InvalidInput, text))
    };
    // farmgate: allow(blocking-fs) because read once, while the database is opened
    let pem = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unreadable("there is no certificate in it".to_owned()));
    }
    Ok(store)
}

/// Takes any certificate: keeps out who listens, not who pretends.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // A signature by the key of whatever certificate was shown proves nothing here.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes a certificate of a trusted authority for whatever name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is looked at when all else has been found good.
        match self.0.verify_server_cert(own, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, own, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, own, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Stream;
    type TlsConnect = ToServer;
    type Error = Failed;

    fn make_tls_connect(&mut self, domain: &str) -> Result<ToServer, Failed> {
        // Asked for before it is known whether there will be TLS, and a socket has no name.
        Ok(ToServer(Arc::clone(&self.0), domain.to_owned()))
    }
}

/// TLS to one server.
pub(super) struct ToServer(Arc<ClientConfig>, String);

impl TlsConnect<Socket> for ToServer {
    type Stream = Stream;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failed>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self(config, domain) = self;
        Box::pin(async move {
            let name = ServerName::try_from(domain).map_err(|error| Failed(io::Error::other(error)))?;
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, socket);
            stream.await.map(Stream).map_err(Failed)
        })
    }
}

/// No TLS came about.
#[derive(Debug, thiserror::Error)]
#[error("no TLS with the server")]
pub(super) struct Failed(#[source] io::Error);

impl Failed {
    /// Whether this is why there is no connection.
    pub(super) fn caused(error: &tokio_postgres::Error) -> bool {
        std::error::Error::source(error).is_some_and(|source| source.is::<Self>())
    }
}

/// What is said under TLS.
pub(super) struct Stream(tokio_rustls::client::TlsStream<Socket>);

impl tokio_postgres::tls::TlsStream for Stream {
    /// None: `channel_binding=require` is refused, since nothing would be bound.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
