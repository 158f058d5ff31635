//! The client: HTTP/1.1 over connections that the caller chooses, with time and size limits everywhere.
//!
//! Which request goes over which connection matters to this test: a [`Lane`] names a connection. Redirects are not
//! followed and nothing is decompressed, because what the service says is what is judged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use crate::Error;
use crate::config::Target;
use crate::exchange::{Answer, Exchange, Request};
use crate::ledger::Who;

/// A connection, by who uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// One for each principal; `None` is nobody's.
    Own(Option<Who>),
    /// One for everybody: identity must come from the request alone.
    Shared,
    /// A new one each time.
    Fresh,
}

/// Anything that bytes can be sent over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where the service is and how it is reached. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Place {
    addresses: Arc<Vec<Url>>,
    tls: Arc<rustls::ClientConfig>,
    timeout: Duration,
    max_body: usize,
}

impl Place {
    /// Reads the addresses of the configuration.
    ///
    /// # Errors
    /// When an address is no `http` or `https` URL.
    pub fn new(target: &Target) -> Result<Self, Error> {
        let main = target
            .url
            .as_deref()
            .ok_or_else(|| Error::Config("no base URL: give --url or [target] url".into()))?;
        let addresses = [main]
            .into_iter()
            .chain(target.also.iter().map(String::as_str))
            .map(address);
        Ok(Self {
            addresses: Arc::new(addresses.collect::<Result<_, _>>()?),
            tls: Arc::new(tls(target.insecure)?),
            timeout: Duration::from_millis(target.timeout_ms),
            max_body: target.max_body,
        })
    }

    /// Number of addresses.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Largest answer that is read, in bytes.
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// The base URL.
    pub fn base(&self) -> &Url {
        &self.addresses[0]
    }

    /// The URL of a path on one of the addresses.
    pub fn url(&self, index: usize, path: &str) -> String {
        let base = &self.addresses[index.min(self.addresses.len() - 1)];
        format!("{}{path}", base.as_str().trim_end_matches('/'))
    }

    /// The path as the service sees it: behind the base URL's own.
    fn path(&self, index: usize, path: &str) -> String {
        format!("{}{path}", self.addresses[index].path().trim_end_matches('/'))
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When there is nobody, or TLS fails.
    pub async fn connect(&self, index: usize) -> Result<Box<dyn Stream>, Error> {
        let base = &self.addresses[index];
        let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = base.port_or_known_default().unwrap_or(80);
        let failed = |reason: String| Error::Network {
            url: base.to_string(),
            reason,
        };
        let connecting = tokio::time::timeout(self.timeout, TcpStream::connect((host, port))).await;
        let stream = connecting
            .map_err(|_| failed("no connection in time".into()))?
            .map_err(|error| failed(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| failed(error.to_string()))?;
        if base.scheme() == "http" {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
        let shaking = tokio_rustls::TlsConnector::from(self.tls.clone()).connect(name, stream);
        let shaken = tokio::time::timeout(self.timeout, shaking).await;
        let stream = shaken
            .map_err(|_| failed("no TLS handshake in time".into()))?
            .map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(stream))
    }

    /// Opens a connection for requests.
    async fn opened(&self, index: usize) -> Result<Sender, String> {
        let stream = self.connect(index).await.map_err(|error| match error {
            Error::Network { reason, .. } => reason,
            other => other.to_string(),
        })?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Host and port as a header says them.
    pub fn host(&self, index: usize) -> String {
        let base = &self.addresses[index];
        let host = base.host_str().unwrap_or_default();
        base.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

fn address(text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::Config(format!("`{text}` is no URL: {error}")))?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(Error::Config(format!(
            "`{text}`: http:// or https:// and a host are needed"
        )));
    }
    Ok(url)
}

fn tls(insecure: bool) -> Result<rustls::ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone());
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Config(error.to_string()))?;
    if insecure {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(any)
            .with_no_client_auth());
    }
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Accepts every certificate; only with `insecure = true`.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

type Outgoing = hyper::Request<Full<Bytes>>;
type Sender = SendRequest<Full<Bytes>>;

/// Why there is no answer.
enum Failed {
    /// Not a byte of the request was written; here it is back.
    Unsent(Box<Outgoing>, String),
    /// The service may have got it.
    Sent(String),
}

/// A set of open connections.
#[derive(Debug)]
pub struct Net {
    place: Place,
    open: HashMap<(usize, Lane), Sender>,
}

impl Net {
    /// A client without any connection yet.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            open: HashMap::new(),
        }
    }

    /// Where the service is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Closes a connection.
    pub fn close(&mut self, lane: Lane) {
        self.open.retain(|(_, known), _| *known != lane);
    }

    /// Sends a request and reads the whole answer. Where a kept connection fails, the request is sent once more over a new
    /// one, if the service surely has not seen it or may see it twice.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when the service may have done what was asked, [`Error::Network`] when it surely has not.
    pub async fn send(&mut self, lane: Lane, who: Option<Who>, request: &Request) -> Result<Exchange, Error> {
        let sent = Instant::now();
        let url = self.place.url(request.address, &request.path);
        let outgoing = self.prepare(request).map_err(|error| Error::Network {
            url: url.clone(),
            reason: error.to_string(),
        })?;
        let timeout = self.place.timeout;
        let answer = tokio::time::timeout(timeout, self.exchange(lane, request, outgoing)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(Failed::Sent(format!(
                "no answer within {} ms",
                timeout.as_millis()
            )))
        });
        if answer.is_err() {
            self.close(lane);
        }
        let answer = answer.map_err(|failed| match failed {
            Failed::Unsent(_, reason) => Error::Network { url, reason },
            Failed::Sent(reason) => Error::NoAnswer { url, reason },
        })?;
        Ok(Exchange {
            who,
            request: request.clone(),
            answer,
            sent,
            took: sent.elapsed(),
        })
    }

    fn prepare(&self, request: &Request) -> Result<Outgoing, hyper::http::Error> {
        let mut outgoing = hyper::Request::builder()
            .method(request.method.as_str())
            .uri(self.place.path(request.address, &request.path))
            .header("host", self.place.host(request.address))
            .header(
                "user-agent",
                concat!("farmgate-isolate/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &request.headers {
            outgoing = outgoing.header(
                name.as_str(),
                hyper::header::HeaderValue::from_bytes(value.as_bytes())?,
            );
        }
        outgoing.body(Full::new(request.body.clone()))
    }

    async fn exchange(
        &mut self,
        lane: Lane,
        request: &Request,
        outgoing: Outgoing,
    ) -> Result<Answer, Failed> {
        let key = (request.address, lane);
        let mut outgoing = outgoing;
        if let Some(mut kept) = self.open.remove(&key).filter(|_| lane != Lane::Fresh)
            && kept.ready().await.is_ok()
        {
            match self.over(&mut kept, outgoing.clone()).await {
                Ok(answer) => {
                    self.open.insert(key, kept);
                    return Ok(answer);
                }
                Err(Failed::Unsent(unsent, _)) => outgoing = *unsent,
                Err(Failed::Sent(_)) if request.is_idempotent() => {}
                Err(failed) => return Err(failed),
            }
        }
        let mut sender = match self.place.opened(request.address).await {
            Ok(sender) => sender,
            Err(reason) => return Err(Failed::Unsent(Box::new(outgoing), reason)),
        };
        let answer = self.over(&mut sender, outgoing).await?;
        if lane != Lane::Fresh {
            self.open.insert(key, sender);
        }
        Ok(answer)
    }

    async fn over(&self, sender: &mut Sender, outgoing: Outgoing) -> Result<Answer, Failed> {
        let answer = sender.try_send_request(outgoing).await.map_err(|mut failed| {
            let unsent = failed.take_message();
            let reason = failed.into_error().to_string();
            match unsent {
                Some(unsent) => Failed::Unsent(Box::new(unsent), reason),
                None => Failed::Sent(reason),
            }
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.place.max_body)
            .collect()
            .await
            .map_err(|error| {
                let limit = error.downcast_ref::<LengthLimitError>().is_some();
                Failed::Sent(if limit {
                    format!("the answer is over {} bytes", self.place.max_body)
                } else {
                    error.to_string()
                })
            })?;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: header_pairs(&head.headers),
            body: body.to_bytes(),
        })
    }
}

/// Headers as text; what is no UTF-8 is replaced.
pub(crate) fn header_pairs(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use tokio::net::TcpListener;

    use super::*;

    /// What came in: the number of the connection and the method.
    type Heard = Arc<Mutex<Vec<(usize, String)>>>;

    /// A service whose first connection answers once; then it is closed, at once or when the next request has come in.
    async fn closing(at_once: bool) -> (Net, Heard) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Heard::default();
        let noted = heard.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let noted = noted.clone();
                let answering = service_fn(move |request: hyper::Request<Incoming>| {
                    let mut noted = noted.lock().unwrap();
                    noted.push((connection, request.method().to_string()));
                    let lost = noted.len() == 2 && connection == 0;
                    std::future::ready(if lost {
                        Err(std::io::Error::other("closed instead of answered"))
                    } else {
                        Ok(hyper::Response::new(Full::new(Bytes::from_static(b"here"))))
                    })
                });
                let serving = http1::Builder::new()
                    .keep_alive(!(at_once && connection == 0))
                    .serve_connection(TokioIo::new(stream), answering);
                tokio::spawn(serving);
            }
        });
        let target = Target {
            url: Some(format!("http://{address}")),
            ..Target::default()
        };
        (Net::new(Place::new(&target).unwrap()), heard)
    }

    fn request(method: &str) -> Request {
        Request {
            method: method.to_owned(),
            ..Request::get("/")
        }
    }

    /// A request over a connection that is then kept, and another one over it; what came of that, and what came in.
    async fn second(method: &str, at_once: bool) -> (Result<Exchange, Error>, Vec<(usize, String)>) {
        let (mut net, heard) = closing(at_once).await;
        net.send(Lane::Shared, None, &request("GET")).await.unwrap();
        let answered = net.send(Lane::Shared, None, &request(method)).await;
        let heard = heard.lock().unwrap().clone();
        (answered, heard)
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_never_sent_twice() {
        for method in ["POST", "PATCH"] {
            let (answered, heard) = second(method, false).await;
            assert!(matches!(answered, Err(Error::NoAnswer { .. })), "{answered:?}");
            assert_eq!(heard, [(0, "GET".to_owned()), (0, method.to_owned())]);
        }
    }

    #[tokio::test]
    async fn what_may_be_done_twice_is_sent_again_over_a_new_connection() {
        for method in ["GET", "PUT", "DELETE"] {
            let (answered, heard) = second(method, false).await;
            assert_eq!(answered.unwrap().answer.status, 200);
            assert_eq!(heard[1..], [(0, method.to_owned()), (1, method.to_owned())]);
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_costs_no_answer() {
        let (answered, heard) = second("POST", true).await;
        assert_eq!(answered.unwrap().answer.status, 200);
        assert_eq!(heard[1..], [(1, "POST".to_owned())]);
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_sent() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let target = Target {
            url: Some(format!("http://{closed}")),
            ..Target::default()
        };
        let mut net = Net::new(Place::new(&target).unwrap());
        let answered = net.send(Lane::Shared, None, &request("POST")).await;
        assert!(matches!(answered, Err(Error::Network { .. })), "{answered:?}");
    }
}
