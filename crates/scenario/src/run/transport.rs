//! The open connections of one user.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use super::options;
use crate::http::{
    Connect, Connection, Error, Family, Limits, Override, Reason, Request, Response, Scheme, Target,
    TlsOptions,
};
use crate::settings::{HttpVersion, Settings};

/// Connections that a user keeps at most; the one that waited longest is closed first.
const MAX_IDLE: usize = 16;

/// How a connection is opened: two entries share one only if all of this is equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transport {
    pub(super) tls: TlsOptions,
    pub(super) connect_timeout: Duration,
    pub(super) family: Family,
    pub(super) overrides: Vec<Override>,
    prior_knowledge: bool,
    /// An override of the settings that cannot be read; every connection fails with it.
    invalid: Option<String>,
}

impl Transport {
    pub(super) fn from_settings(settings: &Settings) -> Transport {
        let mut transport = Transport {
            tls: TlsOptions {
                insecure: settings.insecure,
                ca_pem: settings.ca_pem.clone(),
                min: settings.tls_min,
                max: settings.tls_max,
                http2: true,
            },
            connect_timeout: settings.connect_timeout,
            family: settings.family,
            overrides: Vec::new(),
            prior_knowledge: false,
            invalid: None,
        };
        let connects = settings
            .connect_to
            .iter()
            .map(|text| (text, options::connect_to(text)));
        let resolves = settings.resolve.iter().map(|text| (text, options::resolve(text)));
        for (text, parsed) in connects.chain(resolves) {
            match parsed {
                Some(parsed) => transport.overrides.push(parsed),
                None => transport.invalid = Some(format!("`{text}` is not a valid connect-to or resolve")),
            }
        }
        transport.finish(settings.http_version);
        transport
    }

    /// Derives what depends on the version that is asked for.
    pub(super) fn finish(&mut self, version: HttpVersion) {
        let old = matches!(version, HttpVersion::Http10 | HttpVersion::Http11);
        self.tls.http2 = !old;
        self.prior_knowledge = version == HttpVersion::Http2PriorKnowledge;
    }

    fn connect(&self, tls: Option<Arc<ClientConfig>>) -> Connect {
        Connect {
            timeout: self.connect_timeout,
            tls,
            http2_prior_knowledge: self.prior_knowledge,
            family: self.family,
            overrides: self.overrides.clone(),
        }
    }
}

struct Idle {
    transport: Arc<Transport>,
    /// Apart, because it is taken out and put back with every request.
    connection: Box<Connection>,
}

/// An answer with what is known of the connection that brought it.
pub(super) struct Delivery {
    pub(super) response: Response,
    pub(super) peer: IpAddr,
    /// The connection, if the answer switched it to another protocol.
    pub(super) upgraded: Option<Box<Connection>>,
}

impl Delivery {
    /// An answer; the connection too, unless it is no longer one for requests.
    fn new(connection: Box<Connection>, response: Response) -> (Delivery, Option<Box<Connection>>) {
        let peer = connection.peer();
        let (upgraded, connection) = match response.status {
            101 => (Some(connection), None),
            _ => (None, Some(connection)),
        };
        let delivery = Delivery {
            response,
            peer,
            upgraded,
        };
        (delivery, connection)
    }
}

/// The connections of one user, ready for the next request.
#[derive(Default)]
pub(super) struct Pool {
    idle: Vec<Idle>,
    configurations: Vec<(TlsOptions, Arc<ClientConfig>)>,
}

impl Pool {
    /// A kept connection that the server has not closed meanwhile.
    pub(super) fn kept(&mut self, request: &Request, transport: &Arc<Transport>) -> Option<Box<Connection>> {
        while let Some(mut connection) = self.take(request.target(), transport) {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// Sends a request over a kept connection.
    ///
    /// A server may close a kept connection at any moment. A request that meets this before any byte of an answer may
    /// be sent once more over a new one, as every HTTP client does (RFC 9112, section 9.3.1); the second part of the
    /// error says whether. An answer that breaks off is an error.
    pub(super) async fn send_kept(
        &mut self,
        mut connection: Box<Connection>,
        request: &Request,
        transport: &Arc<Transport>,
        limits: &Limits,
    ) -> Result<Delivery, (Error, bool)> {
        match connection.send(request, limits).await {
            Ok(response) => Ok(self.keep(transport, connection, response)),
            Err(error) => {
                let again = error.reason == Reason::Closed && connection.is_unanswered();
                Err((error, again))
            }
        }
    }

    /// Sends a request over a new connection, which is kept if `reuse`.
    pub(super) async fn send_new(
        &mut self,
        request: &Request,
        transport: &Arc<Transport>,
        reuse: bool,
        limits: &Limits,
    ) -> Result<Delivery, Error> {
        let mut connect = self.prepare(request.target(), transport)?;
        // The longest time for an exchange holds for opening its connection, too.
        connect.timeout = connect.timeout.min(limits.timeout);
        let opening = Instant::now();
        let mut connection = Box::new(Connection::open(request.target(), &connect).await?);
        let left = limits.timeout.saturating_sub(opening.elapsed());
        let limits = Limits {
            timeout: left,
            ..*limits
        };
        let response = connection.send(request, &limits).await?;
        Ok(match reuse {
            true => self.keep(transport, connection, response),
            false => Delivery::new(connection, response).0,
        })
    }

    fn take(&mut self, target: &Target, transport: &Arc<Transport>) -> Option<Box<Connection>> {
        let same = |idle: &Idle| {
            idle.connection.target() == target
                && (Arc::ptr_eq(&idle.transport, transport) || idle.transport == *transport)
        };
        let index = self.idle.iter().position(same)?;
        Some(self.idle.remove(index).connection)
    }

    fn keep(
        &mut self,
        transport: &Arc<Transport>,
        connection: Box<Connection>,
        response: Response,
    ) -> Delivery {
        let (delivery, connection) = Delivery::new(connection, response);
        if let Some(connection) = connection.filter(|connection| connection.is_reusable()) {
            if self.idle.len() >= MAX_IDLE {
                self.idle.remove(0);
            }
            self.idle.push(Idle {
                transport: transport.clone(),
                connection,
            });
        }
        delivery
    }

    fn prepare(&mut self, target: &Target, transport: &Transport) -> Result<Connect, Error> {
        if let Some(message) = &transport.invalid {
            return Err(Error::new(Reason::Other, message.clone()));
        }
        if target.scheme == Scheme::Http {
            return Ok(transport.connect(None));
        }
        let known = self
            .configurations
            .iter()
            .find(|(options, _)| *options == transport.tls);
        let configuration = match known {
            Some((_, configuration)) => configuration.clone(),
            None => {
                let configuration = transport.tls.build()?;
                self.configurations
                    .push((transport.tls.clone(), configuration.clone()));
                configuration
            }
        };
        Ok(transport.connect(Some(configuration)))
    }
}
