//! Where a request goes: scheme, host and port.

use std::fmt;

/// Plain text or TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `http://`
    Http,
    /// `https://`
    Https,
}

/// The origin of a URL; connections are reused per target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Plain text or TLS.
    pub scheme: Scheme,
    /// A name or an address; an IPv6 address stands without its brackets.
    pub host: String,
    /// The port, the scheme's default if the URL had none.
    pub port: u16,
}

impl Target {
    /// Takes the origin of an absolute `http` or `https` URL; `None` for anything else.
    pub fn from_url(url: &url::Url) -> Option<Target> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        // As the URL has it already: to write an address anew would cost as much as the rest of the origin.
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        Some(Target {
            scheme,
            host: host.to_string(),
            port: url.port_or_known_default()?,
        })
    }

    /// The value of the `Host` header: the port only if it is not the default.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let default = match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}
