//! What a run is given from outside: variables, limits, and where requests really go.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::http::{Family, Limits, TlsVersion};
use crate::value::Value;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// At most so often.
    Finite(u64),
    /// Without end.
    Infinite,
}

/// Whether redirections are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// The 3xx answer is the answer.
    #[default]
    No,
    /// Credentials go to the first host only.
    Yes,
    /// Credentials go to every host.
    Trusted,
}

/// Which HTTP version is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1, and HTTP/2 over TLS if the server offers it.
    #[default]
    Any,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1 only.
    Http11,
    /// HTTP/2 over TLS; over plain text HTTP/1.1, for nothing is upgraded.
    Http2,
    /// HTTP/2 at once, over plain text too.
    Http2PriorKnowledge,
}

/// Everything outside the scenario file that a run depends on. An `[Options]` section of an entry overrides
/// the field of the same meaning for that entry.
#[derive(Clone)]
pub struct Settings {
    /// Variables for templates.
    pub variables: BTreeMap<String, Value>,
    /// Variables whose values are replaced by `***` in everything that is reported.
    pub secrets: BTreeMap<String, String>,
    /// Requests whose URL begins with the first text are sent to the second instead, such as
    /// `("http://localhost:8080", "https://staging.example")`. The first that fits is used.
    pub rebase: Vec<(String, String)>,
    /// Largest head and body of an answer, and the longest time for one exchange.
    pub limits: Limits,
    /// Longest time to open a connection. Default: 30 s.
    pub connect_timeout: Duration,
    /// `HOST1:PORT1:HOST2:PORT2`: connect to the second where the URL names the first; parts may be empty.
    pub connect_to: Vec<String>,
    /// `HOST:PORT:ADDRESS`: use this address instead of looking the name up.
    pub resolve: Vec<String>,
    /// Which addresses are tried.
    pub family: Family,
    /// Accept any certificate.
    pub insecure: bool,
    /// PEM text of the roots to trust instead of the bundled ones.
    pub ca_pem: Option<Arc<[u8]>>,
    /// Oldest TLS version.
    pub tls_min: Option<TlsVersion>,
    /// Newest TLS version.
    pub tls_max: Option<TlsVersion>,
    /// Which HTTP version is asked for.
    pub http_version: HttpVersion,
    /// Whether a user keeps its connections between requests. Default: yes.
    pub keep_alive: bool,
    /// Sent unless the entry has a `User-Agent` of its own. Default: `farmgate/VERSION`.
    pub user_agent: String,
    /// Headers added to every request.
    pub headers: Vec<(String, String)>,
    /// `name:password`, sent by Basic authentication.
    pub user: Option<String>,
    /// Ask for compressed answers.
    pub compressed: bool,
    /// Follow redirections.
    pub follow: Follow,
    /// Most redirections of one entry. Default: 50.
    pub max_redirects: Count,
    /// Tries after a failed one; `None` means that the first try decides.
    pub retry: Option<Count>,
    /// Pause before each further try. Default: 1 s.
    pub retry_interval: Duration,
    /// Pause before each entry. Default: none.
    pub delay: Duration,
    /// Go on with the next entry after a failed one.
    pub continue_on_error: bool,
    /// Bodies given as `file,...;` are read below this folder only. Default: the folder of the scenario's file.
    pub file_root: Option<PathBuf>,
    /// Write out what held, too: asserts with their expected and actual values, and what was captured. Costs time
    /// under load.
    pub explain_passed: bool,
    /// The wall clock, for `newDate`, the filters that compare with now, and the expiry of cookies.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where `newUuid` gets its values.
    pub uuids: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            variables: BTreeMap::new(),
            secrets: BTreeMap::new(),
            rebase: Vec::new(),
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(30),
            connect_to: Vec::new(),
            resolve: Vec::new(),
            family: Family::Any,
            insecure: false,
            ca_pem: None,
            tls_min: None,
            tls_max: None,
            http_version: HttpVersion::Any,
            keep_alive: true,
            user_agent: concat!("farmgate/", env!("CARGO_PKG_VERSION")).to_string(),
            headers: Vec::new(),
            user: None,
            compressed: false,
            follow: Follow::No,
            max_redirects: Count::Finite(50),
            retry: None,
            retry_interval: Duration::from_secs(1),
            delay: Duration::ZERO,
            continue_on_error: false,
            file_root: None,
            explain_passed: true,
            clock: Arc::new(system_time),
            uuids: Arc::new(system_uuid),
        }
    }
}

impl fmt::Debug for Settings {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the default clock is made; tests pass theirs"
)]
fn system_time() -> Timestamp {
    Timestamp::now()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place where the default source is made; tests pass theirs"
)]
fn system_uuid() -> Uuid {
    Uuid::new_v4()
}
