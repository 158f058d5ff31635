//! The options of one entry: the settings, overridden by its `[Options]` section.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::failure::{Failure, Run};
use super::template::Scope;
use super::transport::Transport;
use super::variables::Variables;
use crate::http::{Family, Override, TlsVersion};
use crate::outcome::ErrorKind;
use crate::settings::{Count, Follow, HttpVersion, Settings};
use crate::syntax::{EntryOption, OptionValue, Pos, Setting, VariableValue};
use crate::value::{Number, Value};

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) transport: Arc<Transport>,
    pub(super) http_version: HttpVersion,
    /// Keep the connection, and take a kept one.
    pub(super) reuse: bool,
    pub(super) max_time: Duration,
    pub(super) compressed: bool,
    pub(super) delay: Duration,
    pub(super) follow: Follow,
    pub(super) max_redirects: Count,
    pub(super) headers: Vec<(String, String)>,
    pub(super) dropped_headers: Vec<String>,
    pub(super) jsonpath_coercion: bool,
    pub(super) path_as_is: bool,
    pub(super) repeat: Option<Count>,
    pub(super) retry: Option<Count>,
    pub(super) retry_interval: Duration,
    pub(super) skip: bool,
    pub(super) user: Option<String>,
}

impl Options {
    pub(super) fn from_settings(settings: &Settings) -> Options {
        Options {
            transport: Arc::new(Transport::from_settings(settings)),
            http_version: settings.http_version,
            reuse: settings.keep_alive,
            max_time: settings.limits.timeout,
            compressed: settings.compressed,
            delay: settings.delay,
            follow: settings.follow,
            max_redirects: settings.max_redirects,
            headers: settings.headers.clone(),
            dropped_headers: Vec::new(),
            jsonpath_coercion: true,
            path_as_is: false,
            repeat: None,
            retry: settings.retry,
            retry_interval: settings.retry_interval,
            skip: false,
            user: settings.user.clone(),
        }
    }

    /// A WebSocket is opened over HTTP/1.1 (RFC 6455), on a connection of its own.
    pub(super) fn only_http1(&mut self) {
        self.http_version = HttpVersion::Http11;
        self.reuse = false;
        let mut transport = (*self.transport).clone();
        transport.finish(self.http_version);
        self.transport = Arc::new(transport);
    }

    /// Applies a section in its order; `variable` sets variables at once, for the options after it too.
    pub(super) async fn with_section(
        &self,
        section: &[EntryOption],
        (settings, files): (&Settings, &Path),
        variables: &mut Variables,
    ) -> Run<Options> {
        let mut options = self.clone();
        let mut transport = (*self.transport).clone();
        for option in section {
            let scope = Scope {
                variables: &*variables,
                settings,
                files,
            };
            match &option.value {
                OptionValue::Variable { name, value } => {
                    let value = match value {
                        VariableValue::Literal(value) => value.clone(),
                        VariableValue::Template(template) => {
                            Value::String(scope.text(template)?.into_owned())
                        }
                    };
                    variables.set(name, value);
                }
                OptionValue::Text(template) if option.name == "cacert" => {
                    transport.tls.ca_pem = Some(super::body::file(scope, template).await?.to_vec().into());
                }
                value => {
                    options.apply(option.name, option.pos, value, scope, &mut transport)?;
                }
            }
        }
        transport.finish(options.http_version);
        options.transport = Arc::new(transport);
        Ok(options)
    }

    fn apply(
        &mut self,
        name: &str,
        pos: Pos,
        value: &OptionValue,
        scope: Scope<'_>,
        transport: &mut Transport,
    ) -> Run<()> {
        match value {
            OptionValue::Bool(setting) => {
                let on = scope.setting(setting, "a boolean", |v| match v {
                    Value::Bool(on) => Some(*on),
                    _ => None,
                })?;
                self.apply_bool(name, on, transport);
            }
            OptionValue::Duration(setting) => {
                let duration =
                    Duration::from_millis(scope.setting(setting, "a positive integer", natural)?);
                match name {
                    "connect-timeout" => transport.connect_timeout = duration,
                    "delay" => self.delay = duration,
                    "max-time" => self.max_time = duration,
                    _ => self.retry_interval = duration,
                }
            }
            OptionValue::Count(setting) => {
                let count = count(scope, setting)?;
                match name {
                    "max-redirs" => self.max_redirects = count,
                    "repeat" => self.repeat = Some(count),
                    _ => self.retry = Some(count),
                }
            }
            OptionValue::Text(template) => {
                let text = scope.text(template)?;
                self.apply_text(name, pos, &text, transport)?;
            }
            // What these say has been checked, and changes nothing here.
            OptionValue::Natural | OptionValue::Verbosity | OptionValue::Variable { .. } => {}
        }
        Ok(())
    }

    fn apply_bool(&mut self, name: &str, on: bool, transport: &mut Transport) {
        match name {
            "compressed" => self.compressed = on,
            "http1.0" => self.ask_version(on.then_some(HttpVersion::Http10)),
            "http1.1" => {
                self.ask_version(Some(if on {
                    HttpVersion::Http11
                } else {
                    HttpVersion::Http10
                }));
            }
            "http2" => self.ask_version(Some(if on {
                HttpVersion::Http2
            } else {
                HttpVersion::Http11
            })),
            "http2-prior-knowledge" => self.ask_version(on.then_some(HttpVersion::Http2PriorKnowledge)),
            // Only `false` passes the check of what is supported.
            "http3" => self.ask_version(Some(HttpVersion::Http2)),
            "insecure" => transport.tls.insecure = on,
            "ipv4" => transport.family = if on { Family::V4 } else { Family::V6 },
            "ipv6" => transport.family = if on { Family::V6 } else { Family::V4 },
            "location" => self.follow = if on { Follow::Yes } else { Follow::No },
            "location-trusted" if on => self.follow = Follow::Trusted,
            "no-jsonpath-coercion" => self.jsonpath_coercion = !on,
            "path-as-is" => self.path_as_is = on,
            "skip" => self.skip = on,
            _ => {}
        }
    }

    /// A version that is asked for gets a connection of its own.
    fn ask_version(&mut self, version: Option<HttpVersion>) {
        if let Some(version) = version {
            self.http_version = version;
        }
        self.reuse = false;
    }

    fn apply_text(&mut self, name: &str, pos: Pos, text: &str, transport: &mut Transport) -> Run<()> {
        let invalid = |expecting: &str| {
            let message = format!("the value of {name} is not {expecting}");
            Failure::new(pos, ErrorKind::Option, message)
        };
        match name {
            "connect-to" => {
                let found = connect_to(text).ok_or_else(|| invalid("HOST1:PORT1:HOST2:PORT2"))?;
                transport.overrides.push(found);
            }
            "resolve" => {
                let found = resolve(text).ok_or_else(|| invalid("HOST:PORT:ADDRESS"))?;
                transport.overrides.push(found);
            }
            "header" => {
                let (name, value) = text.split_once(':').ok_or_else(|| invalid("NAME: VALUE"))?;
                self.headers
                    .push((name.trim().to_string(), value.trim().to_string()));
            }
            "no-header" => self.dropped_headers.push(text.trim().to_string()),
            "tls-min" => {
                transport.tls.min = Some(tls_version(text).ok_or_else(|| invalid("1.2 or 1.3"))?);
            }
            "tls-max" => {
                transport.tls.max = Some(tls_version(text).ok_or_else(|| invalid("1.2 or 1.3"))?);
            }
            "user" => self.user = Some(text.to_string()),
            _ => {}
        }
        Ok(())
    }
}

fn natural(value: &Value) -> Option<u64> {
    match value {
        Value::Number(Number::Integer(n)) => u64::try_from(*n).ok(),
        _ => None,
    }
}

fn count(scope: Scope<'_>, setting: &Setting<Count>) -> Run<Count> {
    scope.setting(setting, "an integer >= -1", |value| match value {
        Value::Number(Number::Integer(-1)) => Some(Count::Infinite),
        value => natural(value).map(Count::Finite),
    })
}

fn tls_version(text: &str) -> Option<TlsVersion> {
    match text.trim() {
        "1.2" => Some(TlsVersion::V12),
        "1.3" => Some(TlsVersion::V13),
        _ => None,
    }
}

/// `HOST1:PORT1:HOST2:PORT2`, where each part may be empty and a host may stand in brackets.
pub(super) fn connect_to(text: &str) -> Option<Override> {
    let (host, rest) = split_host(text)?;
    let (port, rest) = rest.split_once(':')?;
    let (to_host, to_port) = split_host(rest)?;
    let port_of = |port: &str| {
        if port.is_empty() {
            Some(None)
        } else {
            port.parse().ok().map(Some)
        }
    };
    Some(Override {
        host,
        port: port_of(port)?,
        to_host,
        to_port: port_of(to_port)?,
    })
}

/// `HOST:PORT:ADDRESS`, with `*` for any host.
pub(super) fn resolve(text: &str) -> Option<Override> {
    let (host, rest) = split_host(text.trim_start_matches('+'))?;
    let (port, address) = rest.split_once(':')?;
    let first = address.split(',').next()?.trim_matches(['[', ']']);
    Some(Override {
        host: host.filter(|h| h != "*"),
        port: Some(port.parse().ok()?),
        to_host: Some(first.parse::<std::net::IpAddr>().ok()?.to_string()),
        to_port: None,
    })
}

fn split_host(text: &str) -> Option<(Option<String>, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once("]:")?,
        None => text.split_once(':')?,
    };
    Some((Some(host.to_string()).filter(|h| !h.is_empty()), rest))
}
