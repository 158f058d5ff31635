//! What users make and look at: resources, views, operations for administrators, live channels.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Operation;
use crate::exchange::Answer;
use crate::principal::{take, take_id};
use crate::template::Vars;

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
    /// Ids that are well formed and never exist, where such cannot be made up by changing characters: ids with check digits.
    pub absent: Vec<String>,
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
    /// Done by the other principal where a share is an offer; `{{share.id}}` is the id in the answer to `share`.
    pub accept: Option<Operation>,
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
    /// The resource whose changes it carries.
    pub resource: String,
    /// Makes a change that it carries, with a canary in it. Default: `update` of the resource.
    pub change: Option<Operation>,
    /// Frames sent after opening, as templates: a subscription to `{{id}}`.
    pub subscribe: Vec<String>,
    /// Where a resume token stands in a frame.
    pub resume_token: Option<String>,
    /// Frames sent to resume, with `{{resume}}`.
    pub resume: Vec<String>,
    /// Path that resumes, with `{{resume}}`, where that is not said by frames.
    pub resume_path: Option<String>,
    /// Where a sequence number stands in a frame.
    pub sequence: Option<String>,
    /// Milliseconds after which silence counts as silence. Default: 250.
    pub quiet_ms: u64,
    /// Milliseconds that it may go on after a logout or a revocation, beside `policy.grace_ms`. Default: 0.
    pub grace_ms: u64,
}

impl Resource {
    /// The id of a new one, where a change is made by a new one.
    pub(crate) fn made_by(&self, change: &Operation, answer: &Answer) -> Option<Vars> {
        let create = self.create.as_ref()?;
        if create.label() != change.label() {
            return None;
        }
        Some(Vars::from([("id".to_owned(), self.id_in(answer)?)]))
    }

    /// The variables of a new one, if the answer to its `create` says that it was made.
    pub(crate) fn vars_of_made(&self, answer: &Answer) -> Option<Vars> {
        let create = self.create.as_ref()?;
        let id = self.id_in(answer).filter(|_| create.succeeds(answer.status))?;
        let mut vars = Vars::from([("id".to_owned(), id)]);
        vars.extend(
            self.capture
                .iter()
                .filter_map(|(name, source)| Some((name.clone(), take(answer, source)?))),
        );
        Some(vars)
    }

    /// The id of a new one, in the answer to its `create`.
    pub(crate) fn id_in(&self, answer: &Answer) -> Option<String> {
        match &self.id {
            Some(source) => take(answer, source),
            None => take_id(answer),
        }
    }

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
