//! Events: what happened to items and in a workspace. Adding, finding, changing and erasing one; lists stand in
//! [`crate::event_queries`], those of items without a DFID in [`crate::local_events`].

use db::{JsonText, Read, Row, statements};
use domain::{
    dfid::Dfid,
    event::Visibility,
    ids::{CircuitId, EventId, Timestamp, UserId, WorkspaceId},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    Step, StoreError,
    bind::{Columns, json},
};

statements! {
    INSERT = "events.insert", "
        insert into events (workspace_id, id, event_type, source, dfid, circuit_id, visibility, occurred_at, recorded_at, created_by, user_ref, project, data, sealed, tags, recipients, client_event_id, leaf_id, version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 1)";
    // An event about an item that the workspace may not read would write no leaf's id, and the constraint ends the unit.
    INSERT_ABOUT_ITEM = "events.insert_about_item", "
        insert into events (workspace_id, id, event_type, source, dfid, circuit_id, visibility, occurred_at, recorded_at, created_by, user_ref, project, data, sealed, tags, recipients, client_event_id, leaf_id, version, items)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                case when exists (select 1 from items i where i.dfid = $5 and i.workspace_id = $1)
                       or exists (select 1 from item_grants g where g.dfid = $5 and g.workspace_id = $1)
                     then cast($18 as {uuid}) end,
                1, $19)";
    // The same for the event's further items, whose moment then is missing.
    INSERT_ITEMS = "event_items.insert",
        sqlite: "insert into event_items (workspace_id, event_id, dfid, occurred_at)
                 select $1, $2, x.value,
                        case when exists (select 1 from items i where i.dfid = x.value and i.workspace_id = $1)
                               or exists (select 1 from item_grants g where g.dfid = x.value and g.workspace_id = $1)
                             then $4 end
                   from json_each($3) x",
        postgres: "insert into event_items (workspace_id, event_id, dfid, occurred_at)
                 select $1, $2, x.value,
                        case when exists (select 1 from items i where i.dfid = x.value and i.workspace_id = $1)
                               or exists (select 1 from item_grants g where g.dfid = x.value and g.workspace_id = $1)
                             then $4::{timestamp} end
                   from unnest($3::text[]) as x (value)";
    INSERT_TAGS = "event_tags.insert",
        sqlite: "insert into event_tags (workspace_id, tag, event_id) select $1, value, $3 from json_each($2)",
        postgres: "insert into event_tags (workspace_id, tag, event_id) select $1, value, $3 from unnest($2::text[]) as value";
    DELETE_TAGS = "event_tags.delete", "
        delete from event_tags
         where workspace_id = $1 and event_id = $2 and tag {any:$3}";
    FIND = "events.find", "
        select workspace_id, id, event_type, source, dfid, circuit_id, visibility, occurred_at, recorded_at, created_by, user_ref, project, data, sealed, tags, recipients, client_event_id, leaf_id, erased_at, version, items
          from events
         where workspace_id = $1 and id = $2";
    FIND_BY_CLIENT_ID = "events.find_by_client_id", "
        select workspace_id, id, event_type, source, dfid, circuit_id, visibility, occurred_at, recorded_at, created_by, user_ref, project, data, sealed, tags, recipients, client_event_id, leaf_id, erased_at, version, items
          from events
         where workspace_id = $1 and client_event_id {any:$2}";
    UPDATE = "events.update", "
        update events
           set tags = $4, data = $5, sealed = $6, leaf_id = $7, version = version + 1
         where workspace_id = $1 and id = $2 and version = $3 and erased_at is null";
    ERASE = "events.erase", "
        update events
           set data = null, sealed = null, tags = $4, source = '', user_ref = null, project = null, recipients = null, erased_at = $3, version = version + 1
         where workspace_id = $1 and id = $2 and erased_at is null";
    REMOVE = "events.remove", "
        delete from events where workspace_id = $1 and id = $2 and dfid is null";
    ERASE_SALT = "leaves.erase_salt", "
        update leaves set salt = null where workspace_id = $1 and id = $2";
    EXPIRED = "events.expired", "
        select id, leaf_id, tags
          from events
         where workspace_id = $1 and dfid is null and recorded_at < $2
         order by id
         limit $3";
}

/// What is needed to add an event.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: &'a str,
    /// What recorded it.
    pub source: &'a str,
    /// The item it is about.
    pub dfid: Option<Dfid>,
    /// The circuit it happened in.
    pub circuit: Option<CircuitId>,
    /// Who may see it.
    pub visibility: Visibility,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who recorded it.
    pub by: UserId,
    /// A user of the sender's system.
    pub user_ref: Option<&'a str>,
    /// A project of the sender's.
    pub project: Option<&'a str>,
    /// The payload; none when it is sealed.
    pub data: Option<JsonText>,
    /// The sealed payload of a private event.
    pub sealed: Option<Vec<u8>>,
    /// Its tags, a JSON array.
    pub tags: JsonText,
    /// The sender's own id.
    pub client_event_id: Option<&'a str>,
    /// Its leaf.
    pub leaf: Uuid,
}

/// An event as stored.
#[derive(Clone, Debug)]
pub struct Event {
    /// Whose it is.
    pub workspace_id: WorkspaceId,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: String,
    /// What recorded it.
    pub source: String,
    /// The item it is about; in a list by item, that one.
    pub dfid: Option<Dfid>,
    /// All items it is about, if they are several; else empty.
    pub items: Vec<Dfid>,
    /// The circuit it happened in.
    pub circuit_id: Option<CircuitId>,
    /// Who may see it.
    pub visibility: Visibility,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who recorded it.
    pub created_by: UserId,
    /// A user of the sender's system.
    pub user_ref: Option<String>,
    /// A project of the sender's.
    pub project: Option<String>,
    /// The payload; none while it is sealed.
    pub data: Option<Map<String, Value>>,
    /// The sealed payload of a private event.
    pub sealed: Option<Vec<u8>>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The workspaces a direct event is addressed to.
    pub recipients: Vec<WorkspaceId>,
    /// The sender's own id.
    pub client_event_id: Option<String>,
    /// Its leaf.
    pub leaf_id: Uuid,
    /// When its payload was erased.
    pub erased_at: Option<Timestamp>,
    /// Counts its changes.
    pub version: u64,
}

impl Event {
    /// All items it is about; for another workspace's event, the one it is seen through.
    #[must_use]
    pub fn all_items(&self) -> &[Dfid] {
        if self.items.is_empty() {
            self.dfid.as_slice()
        } else {
            &self.items
        }
    }
}

/// What retention needs to know of an event whose time is over.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Its id.
    pub id: EventId,
    /// Its leaf.
    pub leaf_id: Uuid,
    /// Its tags.
    pub tags: Vec<String>,
}

pub(crate) fn read(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        workspace_id: row.id("workspace_id")?,
        id: row.id("id")?,
        event_type: row.text("event_type")?,
        source: row.text("source")?,
        dfid: row.maybe_word("dfid")?,
        items: row.maybe_document("items")?.unwrap_or_default(),
        circuit_id: row.maybe_id("circuit_id")?,
        visibility: row.word("visibility")?,
        occurred_at: row.time("occurred_at")?,
        recorded_at: row.time("recorded_at")?,
        created_by: row.id("created_by")?,
        user_ref: row.get("user_ref")?,
        project: row.get("project")?,
        data: row.maybe_document("data")?,
        sealed: row.get("sealed")?,
        tags: row.document("tags")?,
        recipients: row.maybe_document("recipients")?.unwrap_or_default(),
        client_event_id: row.get("client_event_id")?,
        leaf_id: row.get("leaf_id")?,
        erased_at: row.maybe_time("erased_at")?,
        version: row.version("version")?,
    })
}

fn arguments(new: NewEvent<'_>, recipients: Option<JsonText>, now: Timestamp) -> Vec<db::Value> {
    bind![
        new.workspace,
        new.id,
        new.event_type,
        new.source,
        new.dfid,
        new.circuit,
        new.visibility.as_str(),
        new.occurred_at,
        now,
        new.by,
        new.user_ref,
        new.project,
        new.data,
        new.sealed,
        new.tags,
        recipients,
        new.client_event_id,
        new.leaf,
    ]
}

/// The step that adds it. The same `client_event_id` again is `StoreError::Unique`.
#[must_use]
pub fn insert(new: NewEvent<'_>, now: Timestamp) -> Step {
    (INSERT, arguments(new, None, now))
}

/// The steps that add an event of a caller's own making, with its tags. `items` are those it is about, the first one
/// `new.dfid`. An event about an item that the workspace may not read is `StoreError::Check`.
#[must_use]
pub fn record(
    new: NewEvent<'_>,
    items: &[Dfid],
    tags: &[String],
    recipients: &[WorkspaceId],
    now: Timestamp,
) -> Vec<Step> {
    let (workspace, id, occurred_at) = (new.workspace, new.id, new.occurred_at);
    let about_item = new.dfid.is_some();
    let recipients = (!recipients.is_empty()).then(|| json(&recipients));
    let mut args = arguments(new, recipients, now);
    let mut steps = if about_item {
        args.extend(bind![(items.len() > 1).then(|| json(&items))]);
        vec![(INSERT_ABOUT_ITEM, args)]
    } else {
        vec![(INSERT, args)]
    };
    if let [_first, further @ ..] = items
        && !further.is_empty()
    {
        let further: Vec<String> = further.iter().map(ToString::to_string).collect();
        steps.push((INSERT_ITEMS, bind![workspace, id, further, occurred_at]));
    }
    steps.extend(insert_tags(workspace, id, tags));
    steps
}

fn insert_tags(workspace: WorkspaceId, id: EventId, tags: &[String]) -> Option<Step> {
    (!tags.is_empty()).then(|| (INSERT_TAGS, bind![workspace, tags.to_vec(), id]))
}

/// Finds an event of the workspace, erased ones included.
pub async fn find(db: &impl Read, workspace: WorkspaceId, id: EventId) -> Result<Option<Event>, StoreError> {
    db.optional(FIND, bind![workspace, id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Finds the workspace's events with these ids of the sender's, erased ones included.
pub async fn find_by_client_ids(
    db: &impl Read,
    workspace: WorkspaceId,
    client_ids: Vec<String>,
) -> Result<Vec<Event>, StoreError> {
    db.all(FIND_BY_CLIENT_ID, bind![workspace, client_ids])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// What replaces an operational event's content.
#[derive(Debug)]
pub struct Update {
    /// The payload; none when it is sealed.
    pub data: Option<JsonText>,
    /// The sealed payload.
    pub sealed: Option<Vec<u8>>,
    /// The tags.
    pub tags: Vec<String>,
    /// The leaf of the new version.
    pub leaf: Uuid,
}

/// The steps that replace tags and payload of the version that was read; the first changes no row if it is gone.
#[must_use]
pub fn update(event: &Event, new: Update) -> Vec<Step> {
    let (workspace, id) = (event.workspace_id, event.id);
    let version = i64::try_from(event.version).unwrap_or(i64::MAX);
    let args = bind![
        workspace,
        id,
        version,
        json(&new.tags),
        new.data,
        new.sealed,
        new.leaf
    ];
    let mut steps = vec![
        (UPDATE, args),
        (DELETE_TAGS, bind![workspace, id, event.tags.clone()]),
    ];
    // What the old leaf committed to is gone.
    steps.push((ERASE_SALT, bind![workspace, event.leaf_id]));
    steps.extend(insert_tags(workspace, id, &new.tags));
    steps
}

/// The steps that erase what an event said: payload, tags, salt. The leaf and the fact that it existed stay.
#[must_use]
pub fn erase(workspace: WorkspaceId, id: EventId, leaf: Uuid, tags: &[String], now: Timestamp) -> Vec<Step> {
    let none: [&str; 0] = [];
    vec![
        (ERASE, bind![workspace, id, now, json(&none)]),
        (DELETE_TAGS, bind![workspace, id, tags.to_vec()]),
        (ERASE_SALT, bind![workspace, leaf]),
    ]
}

/// The steps that remove an operational event whose time is over. Its leaf stays, without the salt.
#[must_use]
pub fn remove(workspace: WorkspaceId, expired: &Expired) -> Vec<Step> {
    vec![
        (DELETE_TAGS, bind![workspace, expired.id, expired.tags.clone()]),
        (REMOVE, bind![workspace, expired.id]),
        (ERASE_SALT, bind![workspace, expired.leaf_id]),
    ]
}

/// The workspace's operational events recorded before a moment, at most `limit`, oldest first.
pub async fn expired(
    db: &impl Read,
    workspace: WorkspaceId,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Expired>, StoreError> {
    let rows = db.all(EXPIRED, bind![workspace, before, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Expired {
                id: row.id("id")?,
                leaf_id: row.get("leaf_id")?,
                tags: row.document("tags")?,
            })
        })
        .collect()
}
