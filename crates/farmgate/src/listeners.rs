//! The sockets of `farmgate serve`: the public one, the one that sends on to HTTPS, the operators' own.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
};

use anyhow::Result;
use config::Settings;
use tokio::net::TcpListener;

/// Sockets that are bound and not served yet.
pub struct Listeners {
    /// Where they are.
    pub addresses: Addresses,
    /// The public one.
    pub public: TcpListener,
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
        let public = bind(settings.host, settings.port, ("--host", "--port")).await?;
        let redirect = match settings.redirect_port {
            Some(port) => Some(bind(settings.host, port, ("http.host", "http.redirect_port")).await?),
            None => None,
        };
        let operator = match settings.operator_port {
            Some(port) => Some(bind(settings.operator_host, port, ("operator.host", "operator.port")).await?),
            None => None,
        };
        let address = |listener: &TcpListener| listener.local_addr();
        let addresses = Addresses {
            public: address(&public)?,
            https: settings.tls_certificate.is_some(),
            redirect: redirect.as_ref().map(address).transpose()?,
            operator: operator.as_ref().map(address).transpose()?,
        };
        Ok(Self {
            addresses,
            public,
            redirect: redirect.map(|listener| (listener, addresses.public.port())),
            operator,
        })
    }
}

async fn bind(host: IpAddr, port: u16, (host_key, port_key): (&str, &str)) -> Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    TcpListener::bind(address)
        .await
        .map_err(|error| explain(error, address, host_key, port_key))
}

/// What can be done about an address that cannot be listened on.
fn explain(error: io::Error, address: SocketAddr, host_key: &str, port_key: &str) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => format!("choose another {port_key}, or end what listens there"),
        ErrorKind::AddrNotAvailable => {
            format!(
                "{} is no address of this machine: choose another {host_key}",
                address.ip()
            )
        }
        ErrorKind::PermissionDenied => {
            format!("this user may not listen on that port: choose a {port_key} from 1024 on")
        }
        _ => format!("look at {host_key} and {port_key}"),
    };
    anyhow::Error::new(error).context(format!("cannot listen on {address}: {advice}"))
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
