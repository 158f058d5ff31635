//! TLS settings for a client: which roots are trusted, which versions are offered.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::error::{Error, Reason};

/// A TLS version that can be demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2, the oldest that is spoken.
    V12,
    /// TLS 1.3.
    V13,
}

/// How a server proves who it is, and which versions are offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Accept any certificate for any name. For test servers only.
    pub insecure: bool,
    /// PEM text with the roots to trust instead of the bundled ones.
    pub ca_pem: Option<Arc<[u8]>>,
    /// The oldest version to accept. Default: 1.2.
    pub min: Option<TlsVersion>,
    /// The newest version to offer. Default: 1.3.
    pub max: Option<TlsVersion>,
    /// Offer HTTP/2 by ALPN, before HTTP/1.1.
    pub http2: bool,
}

impl TlsOptions {
    /// Prepares the configuration that connections share.
    ///
    /// # Errors
    /// [`Reason::Tls`] if the roots cannot be read or no version is left.
    pub fn build(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = self.versions();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|e| tls_error(&e))?;
        let mut config = if self.insecure {
            let verifier = Arc::new(AcceptAny(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        } else {
            builder
                .with_root_certificates(self.roots()?)
                .with_no_client_auth()
        };
        config.alpn_protocols = if self.http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Ok(Arc::new(config))
    }

    fn versions(&self) -> Vec<&'static rustls::SupportedProtocolVersion> {
        let (min, max) = (
            self.min.unwrap_or(TlsVersion::V12),
            self.max.unwrap_or(TlsVersion::V13),
        );
        [
            (TlsVersion::V13, &rustls::version::TLS13),
            (TlsVersion::V12, &rustls::version::TLS12),
        ]
        .into_iter()
        .filter(|(version, _)| (min..=max).contains(version))
        .map(|(_, supported)| supported)
        .collect()
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let Some(pem) = &self.ca_pem else {
            return Ok(RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            });
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|e| Error::new(Reason::Tls, format!("the root certificates are not PEM: {e}")))?;
            roots.add(certificate).map_err(|e| tls_error(&e))?;
        }
        if roots.is_empty() {
            return Err(Error::new(
                Reason::Tls,
                "the file of root certificates has none in it",
            ));
        }
        Ok(roots)
    }
}

pub(super) fn tls_error(error: &rustls::Error) -> Error {
    Error::new(Reason::Tls, error.to_string())
}

/// Accepts every certificate but still checks that the server holds its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
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

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
