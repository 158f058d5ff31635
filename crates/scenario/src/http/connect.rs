//! From a target to an open socket: overrides, name lookup, TCP, TLS.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{Error, Reason};
use super::target::{Scheme, Target};

/// Which addresses a name may resolve to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Both, in the order of the resolver.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Connects somewhere else than the URL says, without changing `Host` header or TLS name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Override {
    /// Applies to this host; `None` means any.
    pub host: Option<String>,
    /// Applies to this port; `None` means any.
    pub port: Option<u16>,
    /// Connect to this host or address; `None` keeps the host.
    pub to_host: Option<String>,
    /// Connect to this port; `None` keeps the port.
    pub to_port: Option<u16>,
}

/// How connections are opened. Shared by all users of a run.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Longest time for lookup, TCP and TLS together. Default: 30 s.
    pub timeout: Duration,
    /// TLS configuration, see [`super::TlsOptions::build`]; not needed for plain text.
    pub tls: Option<Arc<ClientConfig>>,
    /// Speak HTTP/2 at once over plain text, without asking.
    pub http2_prior_knowledge: bool,
    /// Which addresses are tried.
    pub family: Family,
    /// The first one that applies is used.
    pub overrides: Vec<Override>,
}

impl Connect {
    /// Connections with these TLS settings and the default for everything else.
    pub fn new(tls: Arc<ClientConfig>) -> Connect {
        Connect {
            tls: Some(tls),
            ..Connect::plain()
        }
    }

    /// Connections that are never encrypted, and the default for everything else.
    pub fn plain() -> Connect {
        Connect {
            timeout: Duration::from_secs(30),
            tls: None,
            http2_prior_knowledge: false,
            family: Family::Any,
            overrides: Vec::new(),
        }
    }

    fn destination<'a>(&'a self, target: &'a Target) -> (&'a str, u16) {
        let applies = |o: &&Override| {
            o.host
                .as_ref()
                .is_none_or(|h| h.eq_ignore_ascii_case(&target.host))
                && o.port.is_none_or(|p| p == target.port)
        };
        match self.overrides.iter().find(applies) {
            Some(o) => (
                o.to_host.as_deref().unwrap_or(&target.host),
                o.to_port.unwrap_or(target.port),
            ),
            None => (&target.host, target.port),
        }
    }

    /// Opens a socket, and TLS on it if the target asks for it. Returns the address of the other side too.
    pub(super) async fn open(&self, target: &Target) -> Result<(Stream, IpAddr, bool), Error> {
        let opening = async {
            let tcp = self.open_tcp(target).await?;
            let peer = tcp.peer_addr().map_err(|e| Error::from_io(&e))?.ip();
            if target.scheme == Scheme::Http {
                return Ok((Stream::Plain(tcp), peer, self.http2_prior_knowledge));
            }
            let stream = self.open_tls(target, tcp).await?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok((Stream::Tls(Box::new(stream)), peer, http2))
        };
        tokio::time::timeout(self.timeout, opening)
            .await
            .unwrap_or_else(|_| {
                let message = format!("no connection to {target} within {:?}", self.timeout);
                Err(Error::new(Reason::Timeout, message))
            })
    }

    async fn open_tcp(&self, target: &Target) -> Result<TcpStream, Error> {
        let (host, port) = self.destination(target);
        let failed = |what: &dyn std::fmt::Display| {
            Error::new(
                Reason::Connect,
                format!("cannot connect to {host}:{port}: {what}"),
            )
        };
        let addresses = lookup_host((host, port)).await.map_err(|e| failed(&e))?;
        let mut last = None;
        for address in addresses.filter(|a| self.allows(a)) {
            match TcpStream::connect(address).await {
                Ok(tcp) => {
                    tcp.set_nodelay(true).map_err(|e| failed(&e))?;
                    return Ok(tcp);
                }
                Err(e) => last = Some(e),
            }
        }
        Err(match last {
            Some(e) => failed(&e),
            None => failed(&"the name has no address of the wanted family"),
        })
    }

    fn allows(&self, address: &SocketAddr) -> bool {
        match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    async fn open_tls(&self, target: &Target, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| Error::new(Reason::Tls, format!("{} is not a TLS server name", target.host)))?;
        let missing = || Error::new(Reason::Tls, "no TLS configuration was given for an https target");
        TlsConnector::from(self.tls.clone().ok_or_else(missing)?)
            .connect(name, tcp)
            .await
            .map_err(|e| Error::new(Reason::Tls, format!("TLS with {target} failed: {e}")))
    }
}

/// A socket, encrypted or not.
pub(crate) enum Stream {
    /// Plain text.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The server's certificate, as DER.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        match self {
            Stream::Plain(_) => None,
            Stream::Tls(tls) => Some(tls.get_ref().1.peer_certificates()?.first()?.to_vec()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
