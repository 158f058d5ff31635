//! TLS from two PEM files, with ring as the provider, offering HTTP/2 and HTTP/1.1.

use std::sync::Arc;

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
pub use tokio_rustls::TlsAcceptor;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file holds no certificate that can be read.
    #[error("the certificate cannot be read: expected a PEM file with the chain, the server's own first")]
    Certificate(#[source] rustls_pki_types::pem::Error),
    /// The key file holds no private key that can be read.
    #[error("the private key cannot be read: expected a PEM file with a PKCS#8, PKCS#1 or SEC1 key")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// Certificate and key do not work together.
    #[error("the certificate and its key cannot be used")]
    Pair(#[source] rustls::Error),
}

/// Makes the acceptor from the content of the two files.
///
/// # Errors
/// If one cannot be read or they do not belong together.
pub fn acceptor(certificate: &[u8], key: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
