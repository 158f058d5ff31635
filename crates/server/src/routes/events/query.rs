//! What lists, exports and statistics of events are asked for.

use app::events::{EventQuery, export::Format};
use domain::{dfid::Dfid, event::Visibility, ids::Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::routes::schema::{FormatWord, SortWord};

use super::body::VisibilityWord;

#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventFilter {
    /// The type.
    #[serde(alias = "event_type")]
    r#type: Option<String>,
    /// What recorded it.
    source: Option<String>,
    /// A user of the sender's system.
    #[serde(alias = "user_id")]
    user: Option<String>,
    /// A project of the sender's.
    #[serde(alias = "project_id")]
    project: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// The item.
    #[param(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// The visibility.
    #[param(inline, value_type = Option<VisibilityWord>)]
    visibility: Option<Visibility>,
    /// The earliest moment.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// The moment before which it happened.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Words in type, source or data; private data is not searched.
    #[serde(alias = "q")]
    text: Option<String>,
    /// `asc` or `desc` by the time of recording; newest first when absent.
    #[param(inline, value_type = Option<SortWord>)]
    sort: Option<Sort>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Asc,
    Desc,
}

impl EventFilter {
    pub(super) fn into_query(self) -> EventQuery {
        EventQuery {
            event_type: self.r#type,
            source: self.source,
            user_ref: self.user,
            project: self.project,
            tag: self.tag,
            visibility: self.visibility,
            from: self.from,
            to: self.to,
            text: self.text,
            dfid: self.dfid,
            merged: Vec::new(),
            oldest_first: self.sort == Some(Sort::Asc),
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExportFilter {
    /// `csv` or `jsonl`; CSV when absent.
    #[param(inline, value_type = Option<FormatWord>)]
    pub(super) format: Option<Format>,
    /// The type.
    #[serde(alias = "event_type")]
    pub(super) r#type: Option<String>,
    /// What recorded it.
    pub(super) source: Option<String>,
    /// A tag.
    pub(super) tag: Option<String>,
    /// The item.
    #[param(value_type = Option<String>)]
    pub(super) dfid: Option<Dfid>,
    /// The earliest moment.
    #[param(value_type = Option<String>)]
    pub(super) from: Option<Timestamp>,
    /// The moment before which it happened.
    #[param(value_type = Option<String>)]
    pub(super) to: Option<Timestamp>,
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Span {
    /// From when; seven days before `to` when absent.
    #[param(value_type = Option<String>)]
    pub(super) from: Option<Timestamp>,
    /// Before when; now when absent.
    #[param(value_type = Option<String>)]
    pub(super) to: Option<Timestamp>,
}
