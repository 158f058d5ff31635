//! What is to be tested: the service, who uses it, what can be done with it, and who may see what.
//!
//! Read from `isolation.toml`, or from the table `[isolation]` of another file: every struct here is plain serde.
//! Discovery from an OpenAPI document ([`discover`]) fills the same structs.

pub mod discover;
mod learn;
mod operation;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use operation::{Operation, Step};

use crate::Error;

/// The commented example that the manual shows; a test reads it.
pub const EXAMPLE: &str = include_str!("../../example.toml");

/// Everything a run needs to know.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the service is.
    pub target: Target,
    /// How principals get their credentials.
    pub auth: Auth,
    /// People with given credentials, or given variables. Empty: they are registered.
    #[serde(rename = "principal")]
    pub principals: Vec<PrincipalConfig>,
    /// Kinds of things that users create.
    #[serde(rename = "resource")]
    pub resources: Vec<Resource>,
    /// Reads that concern the caller himself: profile, settings, notifications, statistics.
    #[serde(rename = "view")]
    pub views: Vec<View>,
    /// Operations for administrators only.
    #[serde(rename = "admin")]
    pub admin: Vec<AdminOperation>,
    /// Live channels.
    #[serde(rename = "socket")]
    pub sockets: Vec<SocketConfig>,
    /// Who may see what.
    pub policy: Policy,
    /// How much is done.
    pub effort: Effort,
}

/// Where the service is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Base URL, such as `http://127.0.0.1:8080`. The command line's `--url` wins.
    pub url: Option<String>,
    /// OpenAPI document (JSON): a file, a URL, or a path on the service. What it describes and this file does not is added.
    pub openapi: Option<String>,
    /// Hurl files: each is run once, and the operations it shows are added to what this file describes.
    pub scenarios: Vec<std::path::PathBuf>,
    /// Milliseconds one exchange may take. Default: 10000.
    pub timeout_ms: u64,
    /// Largest answer that is read, in bytes. Default: 64 MiB.
    pub max_body: usize,
    /// Accept any certificate. Default: false.
    pub insecure: bool,
    /// Further addresses of the same service (its load balancer, another replica): answers must not leak there either.
    pub also: Vec<String>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            url: None,
            openapi: None,
            scenarios: Vec::new(),
            timeout_ms: 10_000,
            max_body: 64 << 20,
            insecure: false,
            also: Vec::new(),
        }
    }
}

/// How principals get their credentials, and how these are shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Steps that make an account from `{{username}}`, `{{email}}` and `{{password}}`.
    pub register: Vec<Step>,
    /// Steps that make an administrator's account. Empty: the run has no administrator of its own.
    pub register_admin: Vec<Step>,
    /// Steps that log in.
    pub login: Vec<Step>,
    /// Steps that end the session.
    pub logout: Vec<Step>,
    /// Steps that delete the caller's account.
    pub delete_account: Vec<Step>,
    /// Bearer token, as a template such as `{{token}}`.
    pub bearer: Option<String>,
    /// Headers of every request, as templates: API keys and the like.
    pub headers: BTreeMap<String, String>,
    /// Headers of every request that is not GET, HEAD or OPTIONS, as templates: CSRF tokens and the like. `{{cookie.NAME}}` is a cookie's value.
    pub write_headers: BTreeMap<String, String>,
    /// Keep and send cookies. Default: true.
    pub cookies: bool,
    /// Changes the caller's profile; its canaries mark whose profile is whose.
    pub profile: Option<Operation>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            register: Vec::new(),
            register_admin: Vec::new(),
            login: Vec::new(),
            logout: Vec::new(),
            delete_account: Vec::new(),
            bearer: None,
            headers: BTreeMap::new(),
            write_headers: BTreeMap::new(),
            cookies: true,
            profile: None,
        }
    }
}

/// What somebody is used for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Works, shares and attacks.
    #[default]
    Worker,
    /// May see everything, if the policy says so.
    Admin,
    /// Does nothing; his view must not move.
    Observer,
    /// Is logged out and deleted.
    Expendable,
}

/// Somebody with given credentials.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrincipalConfig {
    /// Name in reports.
    pub name: String,
    /// What he is used for. Default: worker.
    pub role: Role,
    /// Variables for templates: `username`, `password`, `token`, `user_id`, ...
    pub variables: BTreeMap<String, String>,
    /// Bearer token; short for a variable `token` shown as bearer.
    pub bearer: Option<String>,
    /// Headers of his requests.
    pub headers: BTreeMap<String, String>,
    /// Cookies of his requests.
    pub cookies: BTreeMap<String, String>,
    /// Principals with the same group see what is visible to the group.
    pub group: Option<String>,
}

/// Who sees a thing beside its owner.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Its owner and those it is shared with.
    #[default]
    Private,
    /// All principals of the owner's group.
    Group,
    /// Every principal, and nobody without a login.
    Users,
    /// Everybody.
    Public,
}

/// A kind of thing that users create.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resource {
    /// Name in reports and in templates of its children (`{{name.id}}`).
    pub name: String,
    /// The resource it lives in.
    pub parent: Option<String>,
    /// Who sees it. Default: private.
    pub visibility: Visibility,
    /// Where its id stands in the answer to `create`. Default: `/id`, `/data/id`, or the end of `Location`.
    pub id: Option<String>,
    /// Further values of the answer to `create`, or to `read` once `ready`, for templates.
    pub capture: BTreeMap<String, String>,
    /// Makes one.
    pub create: Option<Operation>,
    /// Gives one by its id.
    pub read: Option<Operation>,
    /// Gives the caller's.
    pub list: Option<Operation>,
    /// Where the list's continuation stands; it is sent as `{{cursor}}` of `next_page`.
    pub cursor: Option<String>,
    /// The list from `{{cursor}}` on, or from `{{offset}}`, or page `{{page}}`, with `{{limit}}` entries.
    pub next_page: Option<Operation>,
    /// Finds the caller's by `{{term}}`.
    pub search: Vec<Operation>,
    /// Changes one.
    pub update: Option<Operation>,
    /// Removes one.
    pub delete: Option<Operation>,
    /// Further reads of one by its id: history, preview, file, download.
    pub views: Vec<Operation>,
    /// Further changes of one by its id: archive, publish, rename.
    pub actions: Vec<Operation>,
    /// Gives `{{with.username}}` (any variable of the other principal) the right to read.
    pub share: Option<Operation>,
    /// Takes the right back.
    pub unshare: Option<Operation>,
    /// Makes one public.
    pub publish: Option<Operation>,
    /// For jobs and exports: where the state stands in `read`.
    pub state: Option<String>,
    /// States in which it is done. Default: `done`, `completed`, `succeeded`, `success`, `finished`, `ready`.
    pub ready: Vec<String>,
    /// A body for `create` that makes the job fail, to see that a failed one gives its slot back.
    pub create_failing: Option<Operation>,
    /// The list, search or export holds what other resources of the caller hold: this is an export of them.
    pub exports: Vec<String>,
    /// Names are unique for everybody by rule: a conflict tells nothing that is not public.
    pub unique_names: bool,
}

/// A read that concerns the caller himself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct View {
    /// Name in reports.
    pub name: String,
    /// The read.
    pub read: Operation,
    /// Where a value stands that must be the caller's own: pointer and template, such as `/id` = `{{user_id}}`.
    pub identity: BTreeMap<String, String>,
    /// JSON pointers whose values move by themselves.
    pub volatile: Vec<String>,
    /// Others' work moves it by right. Default: false.
    pub shared: bool,
}

/// An operation for administrators only.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminOperation {
    /// Name in reports.
    pub name: String,
    /// The operation; `{{with.user_id}}` is a variable of somebody else.
    pub call: Operation,
}

/// A live channel.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketConfig {
    /// Name in reports.
    pub name: String,
    /// Path, with `{{id}}` of the resource if the path names it. The credentials go as headers and cookies.
    pub path: String,
    /// The stream is server-sent events instead of a WebSocket. Default: false.
    pub sse: bool,
    /// The resource whose changes it carries; `update` of that resource makes them.
    pub resource: String,
    /// Frames sent after opening, as templates: a subscription to `{{id}}`.
    pub subscribe: Vec<String>,
    /// Where a resume token stands in a frame.
    pub resume_token: Option<String>,
    /// Frames sent to resume, with `{{resume}}`.
    pub resume: Vec<String>,
    /// Where a sequence number stands in a frame.
    pub sequence: Option<String>,
    /// Milliseconds after which silence counts as silence. Default: 250.
    pub quiet_ms: u64,
}

/// Who may see what, and what counts as noise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Paths that anybody may read; what stands there must be public. Scanned without credentials.
    pub public: Vec<String>,
    /// Administrators see everything. Default: true.
    pub admin_sees_all: bool,
    /// A foreign id may be told from an absent one (403 beside 404). Default: false.
    pub existence_may_show: bool,
    /// E-mail addresses and user names are no secret among users. Default: true. Pages without a login never show addresses.
    pub names_are_known: bool,
    /// Path prefixes where deleted content may live on: audit trails, trash, history.
    pub retained: Vec<String>,
    /// Milliseconds that a write, a deletion or a revocation may need to be seen everywhere. Default: 0.
    pub grace_ms: u64,
    /// JSON field names that move by themselves, at any depth.
    pub volatile: Vec<String>,
    /// Headers that move by themselves.
    pub volatile_headers: Vec<String>,
    /// Rules that do not apply here, each with its reason.
    pub waived: BTreeMap<String, String>,
    /// Names of resources, views and operations that need not be covered.
    pub uncovered: Vec<String>,
    /// Milliseconds of a victim's 95th percentile under noise; without it latency is reported and never judged.
    pub latency_objective_ms: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            public: Vec::new(),
            admin_sees_all: true,
            existence_may_show: false,
            names_are_known: true,
            retained: Vec::new(),
            grace_ms: 0,
            volatile: Vec::new(),
            volatile_headers: Vec::new(),
            waived: BTreeMap::new(),
            uncovered: Vec::new(),
            latency_objective_ms: None,
        }
    }
}

/// How much is done. More finds rarer leaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Effort {
    /// Times each check is done. Default: 2.
    pub rounds: usize,
    /// Requests of the storm. 0: none. Default: 4000.
    pub storm_requests: usize,
    /// Workers of the storm. Default: 24.
    pub storm_workers: usize,
    /// A command (program and arguments) that restarts the service in the middle of the storm.
    pub restart: Vec<String>,
    /// Milliseconds of one arm of the noisy-neighbour rounds. 0: none. Default: 400.
    pub noise_ms: u64,
    /// Requests in flight of the noisy neighbour. Default: 32.
    pub noise_requests: usize,
    /// Prometheus page with gauges that must return to their baseline.
    pub metrics: Option<String>,
    /// Names of these gauges.
    pub gauges: Vec<String>,
    /// Milliseconds within which limits, slots and gauges are free again. Default: 3000.
    pub baseline_ms: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            rounds: 2,
            storm_requests: 4_000,
            storm_workers: 24,
            restart: Vec::new(),
            noise_ms: 400,
            noise_requests: 32,
            metrics: None,
            gauges: Vec::new(),
            baseline_ms: 3_000,
        }
    }
}

impl Config {
    /// Reads a file's text; the whole file is the configuration.
    ///
    /// # Errors
    /// With file, line and column of what was not understood.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|error| Error::toml(file, &error))?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a file. A file with a table `[isolation]` is read from that table.
    ///
    /// # Errors
    /// When the file cannot be read, or is not understood.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        // farmgate: allow(blocking-fs) because files are read before the first request is sent
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Config(format!("cannot read {file}: {error}")))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| Error::toml(&file, &error))?;
        match table.get("isolation") {
            Some(inner) => {
                let config: Self = inner
                    .clone()
                    .try_into()
                    .map_err(|error| Error::toml(&file, &error))?;
                config.validate()?;
                Ok(config)
            }
            None => Self::parse(&file, &text),
        }
    }

    /// Finds a resource by its name.
    pub fn resource(&self, name: &str) -> Option<usize> {
        self.resources.iter().position(|resource| resource.name == name)
    }

    /// Checks what serde cannot: names, references, things that miss each other.
    ///
    /// # Errors
    /// Names the key and what would mend it.
    pub fn validate(&self) -> Result<(), Error> {
        for (at, resource) in self.resources.iter().enumerate() {
            let name = &resource.name;
            if name.is_empty() {
                return Err(Error::Config(format!(
                    "resource number {}: `name` is missing",
                    at + 1
                )));
            }
            if self.resource(name) != Some(at) {
                return Err(Error::Config(format!(
                    "resource `{name}` is there twice; names must differ"
                )));
            }
            for other in resource.parent.iter().chain(&resource.exports) {
                if self.resource(other).is_none() || other == name {
                    return Err(Error::Config(format!(
                        "resource `{name}` names `{other}`, which is no other resource"
                    )));
                }
            }
            if self.ancestors(at).is_none() {
                return Err(Error::Config(format!(
                    "resource `{name}` is its own ancestor: mend `parent`"
                )));
            }
            if resource.create.is_none() {
                return Err(Error::Config(format!(
                    "resource `{name}`: `create` is missing; canaries must be written somehow"
                )));
            }
        }
        for socket in &self.sockets {
            let resource = self
                .resource(&socket.resource)
                .and_then(|at| self.resources.get(at));
            if resource.is_none_or(|resource| resource.update.is_none()) {
                let (name, resource) = (&socket.name, &socket.resource);
                return Err(Error::Config(format!(
                    "socket `{name}`: `resource` must name a resource with an `update`, not `{resource}`"
                )));
            }
        }
        for rule in self.policy.waived.keys() {
            if !crate::Rule::ALL.iter().any(|known| known.id() == rule) {
                return Err(Error::Config(format!(
                    "policy.waived: there is no rule `{rule}`; see docs/isolation.md"
                )));
            }
        }
        if self.effort.rounds == 0 {
            return Err(Error::Config("effort.rounds must be at least 1".into()));
        }
        Ok(())
    }

    /// The resource's parent, its parent, and so on; `None` if they form a ring.
    pub fn ancestors(&self, at: usize) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        let mut next = self.resources[at].parent.as_deref();
        while let Some(parent) = next.and_then(|name| self.resource(name)) {
            if parent == at || found.contains(&parent) {
                return None;
            }
            found.push(parent);
            next = self.resources[parent].parent.as_deref();
        }
        Some(found)
    }
}

impl Resource {
    /// Every operation that reads one by its id.
    pub fn reads(&self) -> impl Iterator<Item = &Operation> {
        self.read.iter().chain(&self.views)
    }

    /// Says whether a state means that the job is done.
    pub fn is_ready(&self, state: &str) -> bool {
        if self.ready.is_empty() {
            return [
                "done",
                "completed",
                "complete",
                "succeeded",
                "success",
                "finished",
                "ready",
            ]
            .contains(&state.to_lowercase().as_str());
        }
        self.ready.iter().any(|ready| ready == state)
    }
}
