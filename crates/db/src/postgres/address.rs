//! Where a server is and how it is spoken to; a connection there.

use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Socket};

use super::tls::{self, Connector, Failed, Mode};
use crate::connection::Answer;
use crate::{DbError, PostgresConfig};

/// A server's address, read, with the time-outs every connection has.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    /// Whether a server with which no TLS comes about is spoken to in clear.
    prefers: bool,
    tls: Connector,
}

/// A connection's own half, to be driven.
pub(super) type Traffic = tokio_postgres::Connection<Socket, tls::Stream>;

impl Address {
    /// Reads an address; and the file of the trusted authority, if it names one.
    pub fn parse(target: &PostgresConfig, url: &str) -> Result<Self, DbError> {
        let (rest, mode, tls) = tls::split(url)?;
        let mut config: Config = rest
            .parse()
            .map_err(|e: tokio_postgres::Error| DbError::other("db.open", e))?;
        config.connect_timeout(target.connect_timeout);
        config
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10));
        // A socket of this machine has no TLS and needs none, whatever is asked for: as with libpq.
        let local = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        let named = !config.get_hosts().is_empty();
        config.ssl_mode(match mode {
            _ if local && named => SslMode::Disable,
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        Ok(Self {
            config,
            prefers: mode == Mode::Prefer,
            tls,
        })
    }

    /// TLS of the connections there.
    pub const fn tls(&self) -> &Connector {
        &self.tls
    }

    /// The same, with a name by which the server shows the connection.
    pub fn named(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// Connects and keeps the connection's traffic going in a task of its own.
    pub fn connect(&self) -> Answer<'_, Client> {
        // On the heap: a handshake's future has 6 KB, and would else be a part of every future that takes a connection.
        Box::pin(async {
            let (client, traffic) = self.open().await?;
            tokio::spawn(async move {
                if let Err(error) = traffic.await {
                    tracing::debug!(%error, "a database connection ended");
                }
            });
            Ok(client)
        })
    }

    /// Connects; who asked drives the traffic.
    pub async fn open(&self) -> Result<(Client, Traffic), DbError> {
        let connected = match self.config.connect(self.tls.clone()).await {
            Err(error) if self.prefers && Failed::caused(&error) => {
                let mut plain = self.config.clone();
                plain.ssl_mode(SslMode::Disable);
                plain.connect(self.tls.clone()).await
            }
            connected => connected,
        };
        connected.map_err(|e| DbError::unreachable("cannot connect", e))
    }
}

/// A connection as the login user, for migrations.
pub(crate) async fn connect_login(target: &PostgresConfig) -> Result<Client, DbError> {
    Address::parse(target, &target.url)?.connect().await
}

/// Whether the addresses can be read.
pub(crate) fn check(target: &PostgresConfig) -> Result<(), DbError> {
    let replica = target.replica_url.as_ref();
    [Some(&target.url), replica]
        .into_iter()
        .flatten()
        .try_for_each(|url| Address::parse(target, url).map(drop))
}
