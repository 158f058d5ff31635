//! The sockets of `farmgate serve`: the public one, the one that sends on to HTTPS, the operators' own.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use config::Settings;
use server::tls::TlsAcceptor;
use tokio::net::TcpListener;

use crate::settings;

/// Sockets that are bound and not served yet.
pub struct Listeners {
    /// Where they are.
    pub addresses: Addresses,
    /// The public one.
    pub public: TcpListener,
    /// TLS of the public one.
    pub tls: Option<TlsAcceptor>,
    /// The one that sends on to HTTPS, and the port there.
    pub redirect: Option<(TcpListener, u16)>,
    /// The operators'.
    pub operator: Option<TcpListener>,
}

/// Where the sockets are.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    public: SocketAddr,
    https: bool,
    redirect: Option<SocketAddr>,
    operator: Option<SocketAddr>,
}

impl Listeners {
    /// Binds all that the settings name.
    pub async fn bind(settings: &Settings) -> Result<Self> {
        let tls = settings::tls(settings)?;
        let public = bind(settings.host, settings.port, "--port").await?;
        let redirect = match settings.redirect_port {
            Some(port) => Some(bind(settings.host, port, "http.redirect_port").await?),
            None => None,
        };
        let operator = match settings.operator_port {
            Some(port) => Some(bind(settings.operator_host, port, "operator.port").await?),
            None => None,
        };
        let address = |listener: &TcpListener| listener.local_addr();
        let addresses = Addresses {
            public: address(&public)?,
            https: tls.is_some(),
            redirect: redirect.as_ref().map(address).transpose()?,
            operator: operator.as_ref().map(address).transpose()?,
        };
        Ok(Self {
            addresses,
            public,
            tls,
            redirect: redirect.map(|listener| (listener, addresses.public.port())),
            operator,
        })
    }
}

async fn bind(host: IpAddr, port: u16, key: &str) -> Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another {key}, or end what listens there")
    })
}

impl Addresses {
    /// The public address.
    pub fn url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.public)
    }

    /// Where plain HTTP is sent on to HTTPS.
    pub fn redirect_url(&self) -> Option<String> {
        self.redirect.map(|address| format!("http://{address}"))
    }

    /// The operators' address.
    pub fn operator_url(&self) -> Option<String> {
        self.operator.map(|address| format!("http://{address}"))
    }
}
