//! What is to be tested: the service, who uses it, what can be done with it, and who may see what.
//!
//! Read from `isolation.toml`, or from the table `[isolation]` of another file: every struct here is plain serde.
//! Discovery from an OpenAPI document ([`discover`]) fills the same structs.

pub mod discover;
mod learn;
mod operation;
mod people;
mod policy;
mod things;

use std::path::Path;

use serde::Deserialize;

pub use operation::{Operation, Step};
pub use people::{Auth, PrincipalConfig, Role};
pub use policy::{Effort, Policy, Target};
pub use things::{AdminOperation, Resource, SocketConfig, View, Visibility};

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

/// A file that configures more than isolation.
#[derive(Deserialize)]
struct Within {
    isolation: Config,
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
        if !table.contains_key("isolation") {
            return Self::parse(&file, &text);
        }
        // From the text, not from the table: an error has its line and column then.
        let Within { isolation } = toml::from_str(&text).map_err(|error| Error::toml(&file, &error))?;
        isolation.validate()?;
        Ok(isolation)
    }

    /// Takes the principals' secrets from the environment, as far as they are set there.
    pub fn fill_secrets(&mut self, environment: impl Fn(&str) -> Option<String>) {
        for principal in &mut self.principals {
            for (variable, name) in &principal.secrets {
                if let Some(value) = environment(name) {
                    principal.variables.insert(variable.clone(), value);
                }
            }
        }
    }

    /// Finds a resource by its name.
    pub fn resource(&self, name: &str) -> Option<usize> {
        self.resources.iter().position(|resource| resource.name == name)
    }

    /// What changes an object by its id, so that a socket of its resource tells of it where there is one.
    pub fn change_of(&self, resource: usize) -> Option<&Operation> {
        let resource = &self.resources[resource];
        let of_socket = self
            .sockets
            .iter()
            .filter(|socket| socket.resource == resource.name);
        of_socket
            .filter_map(|socket| socket.change.as_ref())
            .next()
            .or(resource.update.as_ref())
    }

    /// Checks what serde cannot: names, references, things that miss each other.
    ///
    /// # Errors
    /// Names the key and what would mend it.
    pub fn validate(&self) -> Result<(), Error> {
        for (at, resource) in self.resources.iter().enumerate() {
            self.validate_resource(at, resource)?;
        }
        for socket in &self.sockets {
            self.validate_socket(socket)?;
        }
        for rule in self.policy.waived.keys() {
            if !crate::Rule::ALL.iter().any(|known| known.id() == rule) {
                return Err(Error::Config(format!(
                    "policy.waived: there is no rule `{rule}`; see docs/isolation.md"
                )));
            }
        }
        self.effort.validate()
    }

    fn validate_resource(&self, at: usize, resource: &Resource) -> Result<(), Error> {
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
        Ok(())
    }

    fn validate_socket(&self, socket: &SocketConfig) -> Result<(), Error> {
        let resource = self
            .resource(&socket.resource)
            .and_then(|at| self.resources.get(at));
        if resource.is_none_or(|resource| resource.update.is_none() && socket.change.is_none()) {
            let (name, resource) = (&socket.name, &socket.resource);
            return Err(Error::Config(format!(
                "socket `{name}`: `resource` must name a resource with an `update` (or give `change`), not `{resource}`"
            )));
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
