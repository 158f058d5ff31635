//! The plan made from a configuration: every check for which it has the operations, and none that was waived.

use crate::check::{Action, Check, Target};
use crate::config::{Config, Operation, Resource, SocketConfig, Visibility};
use crate::phase::{lookalike, replay};
use crate::rule::Rule;

/// Makes the plan: every check that the configuration has the operations for.
pub fn plan(config: &Config) -> Vec<Check> {
    let mut plan = Plan { checks: Vec::new() };
    for (at, resource) in config.resources.iter().enumerate() {
        plan.resource(at, resource, config);
    }
    for (at, view) in config.views.iter().enumerate() {
        plan.add(Rule::AccessView, &view.name, Action::View(at));
        plan.add(Rule::AccessMovedId, &view.name, Action::Moved(Target::View(at)));
        plan.target(&view.name, Target::View(at));
    }
    for (at, operation) in config.admin.iter().enumerate() {
        plan.add(Rule::AccessAdmin, &operation.name, Action::Admin(at));
        if at == 0 && (config.auth.profile.is_some() || !config.auth.register.is_empty()) {
            plan.add(Rule::AccessOwnerField, "role", Action::RoleField(at));
        }
    }
    for (at, socket) in config.sockets.iter().enumerate() {
        plan.socket(at, socket, config);
    }
    plan.whole(config);
    plan.checks
        .retain(|check| !config.policy.waived.contains_key(check.rule.id()));
    plan.checks
}

struct Plan {
    checks: Vec<Check>,
}

impl Plan {
    fn add(&mut self, rule: Rule, name: &str, action: Action) {
        self.checks.push(Check {
            id: format!("{rule}:{name}"),
            rule,
            action,
        });
    }

    fn target(&mut self, name: &str, target: Target) {
        self.add(Rule::CacheHeaders, name, Action::CacheHeaders(target));
        self.add(Rule::CacheSecond, name, Action::CacheSecond(target));
        self.add(Rule::CacheSuffix, name, Action::CacheSuffix(target));
    }

    fn resource(&mut self, at: usize, resource: &Resource, config: &Config) {
        let name = resource.name.as_str();
        if matches!(resource.visibility, Visibility::Private | Visibility::Group) {
            self.reads(at, resource, config);
            self.lists(at, resource, config);
        }
        self.changes(at, resource);
        self.owners(at, resource);
        if resource
            .create
            .as_ref()
            .is_some_and(|create| create.json.is_some())
            && resource.exports.is_empty()
        {
            self.bodies(at, resource, config);
        }
        if resource.delete.is_some() {
            self.add(Rule::AccessDelete, name, Action::Delete(at));
            self.add(Rule::LifetimeDeleted, name, Action::Deleted(at));
        }
        if resource.share.is_some() && resource.unshare.is_some() {
            self.add(Rule::LifetimeRevoked, name, Action::Revoked(at));
        }
        if let Some(accept) = &resource.accept {
            let name = format!("{name} {}", accept.label());
            self.add(Rule::AccessWrite, &name, Action::Stolen(at));
        }
        if !resource.exports.is_empty() {
            self.add(Rule::ExportContent, name, Action::Export(at));
        }
        if resource.create_failing.is_some() {
            self.add(Rule::BaselineSlots, name, Action::Slots(at));
        }
    }

    /// Changes by a foreign id, in the path and in the body.
    fn changes(&mut self, at: usize, resource: &Resource) {
        let name = resource.name.as_str();
        let changes = replay::changes(resource);
        for (index, operation) in changes.iter().enumerate() {
            self.add(
                Rule::AccessWrite,
                &format!("{name} {}", operation.label()),
                Action::Write(at, index),
            );
        }
        if resource.update.as_ref().is_some_and(Operation::has_body) {
            self.add(
                Rule::AccessWrite,
                &format!("{name} id in the body"),
                Action::BodyId(at),
            );
        }
    }

    /// Whose it is, said in the bodies that make and change it: where it is known again, and there is somewhere to look.
    fn owners(&mut self, at: usize, resource: &Resource) {
        let name = resource.name.as_str();
        let known = resource
            .create
            .as_ref()
            .is_some_and(|create| create.mentions("canary"));
        let shown = resource.read.is_some() || resource.list.is_some() && resource.parent.is_none();
        if !known || !shown {
            return;
        }
        if resource.create.as_ref().is_some_and(Operation::has_body) {
            self.add(Rule::AccessOwnerField, name, Action::OwnerField(at));
        }
        if let Some(update) = resource.update.as_ref().filter(|update| update.has_body()) {
            let name = format!("{name} {}", update.label());
            self.add(Rule::AccessOwnerField, &name, Action::OwnerChange(at));
        }
    }

    /// What a `create` answers to a wrong body.
    fn bodies(&mut self, at: usize, resource: &Resource, config: &Config) {
        let name = resource.name.as_str();
        self.add(Rule::ErrorLeak, name, Action::Errors(at));
        // A body that names the maker's own parents is refused to others for their sake.
        let body = resource.create.as_ref().and_then(|create| create.json.as_ref());
        let of_parents = body.is_some_and(|body| names_ancestor(config, at, &body.to_string()));
        if !resource.unique_names && !of_parents {
            self.add(Rule::OracleConflict, name, Action::Conflict(at));
        }
    }

    /// Reads by id and searches.
    fn reads(&mut self, at: usize, resource: &Resource, config: &Config) {
        let name = resource.name.as_str();
        for (index, operation) in resource.reads().enumerate() {
            self.add(
                Rule::AccessRead,
                &format!("{name} {}", operation.label()),
                Action::Read(at, index),
            );
            if !config.policy.existence_may_show {
                self.add(
                    Rule::OracleExists,
                    &format!("{name} {}", operation.label()),
                    Action::Exists(at, index),
                );
            }
        }
        for (index, operation) in resource.search.iter().enumerate() {
            self.add(
                Rule::SearchContent,
                &format!("{name} {}", operation.label()),
                Action::Search(at, index),
            );
            self.add(
                Rule::SearchOracle,
                &format!("{name} {}", operation.label()),
                Action::SearchOracle(at, index),
            );
        }
        if resource.read.is_some() && !config.policy.existence_may_show {
            self.add(Rule::OracleExists, &format!("{name} by time"), Action::Timing(at));
        }
        if resource.read.is_some() {
            self.add(Rule::BufferTail, name, Action::Remains(at));
            self.add(Rule::CacheValidator, name, Action::CacheValidator(at));
            self.target(&format!("{name} read"), Target::Read(at));
        }
    }

    /// The list, and what lives in something else: through one's own parent, and in a foreign one.
    fn lists(&mut self, at: usize, resource: &Resource, config: &Config) {
        let name = resource.name.as_str();
        let in_path = |operation: &Operation| names_ancestor(config, at, &operation.path);
        let nested = resource.parent.is_some();
        let nested_list = resource.list.as_ref().is_some_and(in_path);
        if resource.list.is_some() && !nested_list {
            self.add(Rule::PagingList, name, Action::Pages(at));
            self.add(Rule::PagingCursor, name, Action::Cursor(at));
            self.add(Rule::AccessMovedId, name, Action::Moved(Target::List(at)));
            self.target(&format!("{name} list"), Target::List(at));
        }
        if nested {
            if resource.read.as_ref().is_some_and(in_path) {
                self.add(Rule::NestingParent, name, Action::NestedChild(at));
            }
            if nested_list {
                self.add(Rule::NestingList, name, Action::NestedList(at));
            }
            self.add(Rule::NestingCreate, name, Action::NestedCreate(at));
        }
    }

    fn socket(&mut self, at: usize, socket: &SocketConfig, config: &Config) {
        let name = socket.name.as_str();
        self.add(Rule::SocketForeign, name, Action::SocketForeign(at));
        self.add(Rule::SocketSlot, name, Action::SocketSlot(at));
        self.add(Rule::SocketOrder, name, Action::SocketOrder(at));
        let resumes = !socket.resume.is_empty() || socket.resume_path.is_some();
        if socket.resume_token.is_some() && resumes {
            self.add(Rule::SocketResume, name, Action::SocketResume(at));
        }
        let resource = config.resource(&socket.resource).map(|at| &config.resources[at]);
        let shared = resource.is_some_and(|resource| resource.share.is_some() && resource.unshare.is_some());
        if shared || !config.auth.logout.is_empty() {
            self.add(Rule::SocketLifetime, name, Action::SocketLifetime(at));
        }
    }

    /// Checks of the service as a whole.
    fn whole(&mut self, config: &Config) {
        if !config.auth.logout.is_empty() {
            self.add(Rule::LifetimeLogout, "session", Action::Logout);
        }
        if !config.auth.delete_account.is_empty() && !config.auth.register.is_empty() {
            self.add(Rule::LifetimeAccount, "account", Action::Account);
        }
        if !config.auth.login.is_empty() {
            self.add(Rule::PoolSession, "login", Action::Sessions);
        }
        self.add(Rule::PoolConnection, "connection", Action::Connection);
        if !config.policy.public.is_empty() {
            self.add(Rule::PublicLeak, "pages", Action::Public);
        }
        if !config.auth.register.is_empty() {
            for kind in lookalike::Kind::ALL {
                self.add(kind.rule(), "names", Action::Lookalike(kind));
            }
        }
        self.add(Rule::NonInterference, "observer", Action::Interference);
        if config.effort.metrics.is_some() && !config.effort.gauges.is_empty() {
            self.add(Rule::BaselineGauge, "gauges", Action::Gauges);
        }
        if config.effort.storm_requests > 0 {
            self.add(Rule::PoolAnswer, "storm", Action::Storm);
            self.add(Rule::BaselineSlots, "after the storm", Action::Recovered);
        }
        if config.effort.noise_ms > 0 {
            self.add(Rule::NoiseLimit, "neighbour", Action::Noise);
        }
    }
}

/// Says whether a template names one of the resources in which this one lives.
fn names_ancestor(config: &Config, at: usize, template: &str) -> bool {
    let ancestors = config.ancestors(at).unwrap_or_default();
    let mut names = ancestors.iter().map(|ancestor| &config.resources[*ancestor].name);
    names.any(|name| template.contains(&format!("{{{{{name}.")))
}
