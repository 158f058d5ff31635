//! Lists, counts and statistics of events: what a workspace recorded, and what it may see of an item.

use db::{Read, Sql, Value};
use domain::{
    dfid::Dfid,
    event::Visibility,
    ids::{EventId, Timestamp, WorkspaceId},
    page::PageRequest,
};

use crate::{
    StoreError,
    bind::{Columns, containing},
    events::{Event, read},
};

/// The columns of an event, as it is seen through an item: its own, or one of the further ones.
macro_rules! columns {
    ($item:literal) => {
        concat!(
            "e.workspace_id, e.id as id, e.event_type, e.source, ",
            $item,
            " as dfid, e.circuit_id, e.visibility, e.occurred_at as occurred_at, e.recorded_at, e.created_by, e.user_ref, e.project, e.data, e.sealed, e.tags, e.recipients, e.client_event_id, e.leaf_id, e.erased_at, e.version, e.items"
        )
    };
}

/// Events with each of their further items, or once with the first of these items. An event's own item and its further
/// ones differ, so the two halves of a union never hold the same event for one item; for several, the half of the own
/// item has it.
macro_rules! further {
    () => {
        " from event_items x join events e on e.workspace_id = x.workspace_id and e.id = x.event_id where "
    };
    ($items:literal) => {
        concat!(
            further!(),
            "x.dfid {any:",
            $items,
            "} and not (e.dfid {any:",
            $items,
            "})
             and not exists (select 1 from event_items y
                              where y.workspace_id = x.workspace_id and y.event_id = x.event_id
                                and y.dfid {any:",
            $items,
            "} and y.dfid < x.dfid) and "
        )
    };
}

/// What the caller asked to see: `$2` to `$10`.
macro_rules! filters {
    () => {
        "and e.erased_at is null
         and (cast($2 as {text}) is null or e.event_type = $2)
         and (cast($3 as {text}) is null or e.source = $3)
         and (cast($4 as {text}) is null or e.user_ref = $4)
         and (cast($5 as {text}) is null or e.project = $5)
         and (cast($6 as {text}) is null or exists (select 1 from event_tags t where t.workspace_id = e.workspace_id and t.tag = $6 and t.event_id = e.id))
         and (cast($7 as {text}) is null or e.visibility = $7)
         and (cast($8 as {timestamp}) is null or e.occurred_at >= $8)
         and (cast($9 as {timestamp}) is null or e.occurred_at < $9)
         and (cast($10 as {text}) is null or e.event_type {like} $10 escape '\\' or e.source {like} $10 escape '\\' or cast(e.data as {text}) {like} $10 escape '\\')"
    };
}

/// Which events of an item the workspace `$1` may see: its own; as owner of the item or with a lasting right to it,
/// also public ones, those of circuits it takes part in, and those addressed to it. An item that was merged lies where
/// the one lies that took its place.
macro_rules! visible {
    ($item:literal, $addressed:literal) => {
        concat!(
            "(e.workspace_id = $1
              or (e.visibility <> 'private'
                  and (exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = ", $item, ")
                       or exists (select 1 from items i where i.dfid = ", $item, " and i.workspace_id = $1))
                  and (e.visibility = 'public'
                       or (e.visibility = 'circuit'
                           and exists (select 1 from circuit_workspaces w
                                        where w.workspace_id = $1
                                          and (w.circuit_id = e.circuit_id
                                               or (e.circuit_id is null
                                                   and exists (select 1 from circuit_items ci where ci.circuit_id = w.circuit_id and ci.dfid = coalesce((select m.redirect_to from items m where m.dfid = ", $item, "), ", $item, ") and ci.state = 'active')))))
                       or (e.visibility = 'direct' and ", $addressed, "))))"
        )
    };
}

macro_rules! visible_on {
    (sqlite, $item:literal) => {
        visible!(
            $item,
            "exists (select 1 from json_each(e.recipients) r where r.value = $1)"
        )
    };
    (postgres, $item:literal) => {
        visible!($item, "cast(e.recipients as jsonb) ? cast($1 as text)")
    };
}

macro_rules! list_sql {
    ($name:ident, $text:literal, own, $after:literal, $order:literal) => {
        static $name: Sql = Sql::new(
            $text,
            concat!(
                "select ",
                columns!("e.dfid"),
                " from events e where e.workspace_id = $1 ",
                filters!(),
                " and (cast($11 as {uuid}) is null or e.id ",
                $after,
                " $11) order by e.id ",
                $order,
                " limit $12 offset $13"
            ),
        );
    };
    ($name:ident, $text:literal, item, $after:literal, $order:literal) => {
        static $name: Sql = Sql::two(
            $text,
    list_sql!(@item sqlite, $after, $order),
    list_sql!(@item postgres, $after, $order),
        );
    };
    (@item $engine:ident, $after:literal, $order:literal) => {
        concat!(
            "select ",
            columns!("e.dfid"),
            " from events e where e.dfid {any:$11} and ",
            visible_on!($engine, "e.dfid"),
            filters!(),
            " and (cast($12 as {uuid}) is null or e.id ",
            $after,
            " $12) union all select ",
            columns!("x.dfid"),
            further!("$11"),
            visible_on!($engine, "x.dfid"),
            filters!(),
            " and (cast($12 as {uuid}) is null or e.id ",
            $after,
            " $12) order by id ",
            $order,
            " limit $13 offset $14"
        )
    };
}

list_sql!(OWN_NEWEST, "events.list_own_newest", own, "<", "desc");
list_sql!(OWN_OLDEST, "events.list_own_oldest", own, ">", "asc");
list_sql!(ITEM_NEWEST, "events.list_of_item_newest", item, "<", "desc");
list_sql!(ITEM_OLDEST, "events.list_of_item_oldest", item, ">", "asc");

macro_rules! count_sql {
    ($engine:ident) => {
        concat!(
            "select (select count(*) from events e where e.dfid {any:$11} and ",
            visible_on!($engine, "e.dfid"),
            filters!(),
            ") + (select count(*)",
            further!("$11"),
            visible_on!($engine, "x.dfid"),
            filters!(),
            ") as n"
        )
    };
}

static COUNT_OWN: Sql = Sql::new(
    "events.count_own",
    concat!(
        "select count(*) as n from events e where e.workspace_id = $1 ",
        filters!()
    ),
);
static COUNT_ITEM: Sql = Sql::two("events.count_of_item", count_sql!(sqlite), count_sql!(postgres));

/// Of one item, whose index has the order; or of several, which are put in order.
macro_rules! timeline_sql {
    ($engine:ident, one) => {
        timeline_sql!($engine, "= $2", concat!(further!(), "x.dfid = $2 and "))
    };
    ($engine:ident, several) => {
        timeline_sql!($engine, "{any:$2}", further!("$2"))
    };
    ($engine:ident, $own:literal, $further:expr) => {
        concat!(
            "select ", columns!("e.dfid"), " from events e where e.dfid ", $own, " and e.erased_at is null and ",
            visible_on!($engine, "e.dfid"),
            " and (cast($3 as {timestamp}) is null or (e.occurred_at, e.id) > ($3, $4)) union all select ",
            columns!("x.dfid"), $further, "e.erased_at is null and ",
            visible_on!($engine, "x.dfid"),
            " and (cast($3 as {timestamp}) is null or (x.occurred_at, x.event_id) > ($3, $4)) order by occurred_at, id limit $5 offset $6"
        )
    };
}

static TIMELINE: Sql = Sql::two(
    "events.timeline",
    timeline_sql!(sqlite, one),
    timeline_sql!(postgres, one),
);
static TIMELINE_MERGED: Sql = Sql::two(
    "events.timeline_merged",
    timeline_sql!(sqlite, several),
    timeline_sql!(postgres, several),
);

macro_rules! visible_by_id {
    ($engine:ident) => {
        concat!(
            "select ",
            columns!("e.dfid"),
            " from events e where e.id = $2 and e.erased_at is null and e.dfid is not null and ",
            visible_on!($engine, "e.dfid"),
            " union all select ",
            columns!("x.dfid"),
            further!(),
            "x.event_id = $2 and e.erased_at is null and ",
            visible_on!($engine, "x.dfid"),
            " limit 1"
        )
    };
}

static FIND_VISIBLE: Sql = Sql::two(
    "events.find_visible",
    visible_by_id!(sqlite),
    visible_by_id!(postgres),
);

static STATS: Sql = Sql::new(
    "events.stats",
    "select e.event_type, {bucket:hour:e.occurred_at} as hour, count(*) as n
       from events e
      where e.workspace_id = $1 and e.erased_at is null and e.occurred_at >= $2 and e.occurred_at < $3
      group by e.event_type, {bucket:hour:e.occurred_at}
      order by hour, e.event_type
      limit $4",
);

/// Every statement of this module, for the test that prepares them on both engines.
pub const STATEMENTS: &[&Sql] = &[
    &OWN_NEWEST,
    &OWN_OLDEST,
    &ITEM_NEWEST,
    &ITEM_OLDEST,
    &COUNT_OWN,
    &COUNT_ITEM,
    &TIMELINE,
    &TIMELINE_MERGED,
    &FIND_VISIBLE,
    &STATS,
];

/// What a list of events is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// The type.
    pub event_type: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// The user of the sender's system.
    pub user_ref: Option<String>,
    /// The sender's project.
    pub project: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// The visibility.
    pub visibility: Option<Visibility>,
    /// The earliest moment of the event.
    pub from: Option<Timestamp>,
    /// The moment before which it happened.
    pub to: Option<Timestamp>,
    /// Words in type, source or readable payload.
    pub text: Option<String>,
    /// The item. With it, others' events that the workspace may see are listed too.
    pub dfid: Option<Dfid>,
    /// Items that were merged into it, whose events are listed with its own.
    pub merged: Vec<Dfid>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
}

impl EventFilter {
    fn arguments(&self, workspace: WorkspaceId) -> Vec<Value> {
        let mut args = bind![
            workspace,
            self.event_type.as_ref(),
            self.source.as_ref(),
            self.user_ref.as_ref(),
            self.project.as_ref(),
            self.tag.as_ref(),
            self.visibility.map(Visibility::as_str),
            self.from,
            self.to,
            self.text.as_deref().map(containing),
        ];
        args.extend(self.dfid.map(|dfid| db::Value::from(texts(dfid, &self.merged))));
        args
    }
}

fn texts(dfid: Dfid, merged: &[Dfid]) -> Vec<String> {
    merged.iter().chain([&dfid]).map(ToString::to_string).collect()
}

/// Lists events in the order they were recorded, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    filter: &EventFilter,
    after: Option<EventId>,
    page: &PageRequest,
) -> Result<Vec<Event>, StoreError> {
    let statement = match (filter.dfid.is_some(), filter.oldest_first) {
        (false, false) => &OWN_NEWEST,
        (false, true) => &OWN_OLDEST,
        (true, false) => &ITEM_NEWEST,
        (true, true) => &ITEM_OLDEST,
    };
    let mut args = filter.arguments(workspace);
    args.extend(bind![after, page.rows(), page.offset]);
    db.all(statement, args).await?.iter().map(read).collect()
}

/// Counts what [`list`] would list in all.
pub async fn count(db: &impl Read, workspace: WorkspaceId, filter: &EventFilter) -> Result<u64, StoreError> {
    let statement = if filter.dfid.is_some() {
        &COUNT_ITEM
    } else {
        &COUNT_OWN
    };
    db.one(statement, filter.arguments(workspace)).await?.version("n")
}

/// The events of an item, and of those merged into it, that the workspace may see, in the order they happened.
pub async fn timeline(
    db: &impl Read,
    workspace: WorkspaceId,
    (dfid, merged): (Dfid, &[Dfid]),
    after: Option<(Timestamp, EventId)>,
    page: &PageRequest,
) -> Result<Vec<Event>, StoreError> {
    let (moment, id) = after.unzip();
    let (statement, items) = match merged {
        [] => (&TIMELINE, Value::from(dfid.to_string())),
        _ => (&TIMELINE_MERGED, Value::from(texts(dfid, merged))),
    };
    let mut args = bind![workspace];
    args.push(items);
    args.extend(bind![moment, id, page.rows(), page.offset]);
    db.all(statement, args).await?.iter().map(read).collect()
}

/// Finds another workspace's event about an item, if this workspace may see it.
pub async fn find_visible(
    db: &impl Read,
    workspace: WorkspaceId,
    id: EventId,
) -> Result<Option<Event>, StoreError> {
    db.optional(&FIND_VISIBLE, bind![workspace, id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// How many events of a type happened in an hour.
#[derive(Clone, Debug)]
pub struct HourCount {
    /// The type.
    pub event_type: String,
    /// The hour's beginning.
    pub hour: Timestamp,
    /// How many.
    pub count: u64,
}

/// Counts the workspace's events per type and hour, at most `limit` rows.
pub async fn stats(
    db: &impl Read,
    workspace: WorkspaceId,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<HourCount>, StoreError> {
    let rows = db.all(&STATS, bind![workspace, from, to, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(HourCount {
                event_type: row.text("event_type")?,
                hour: row.time("hour")?,
                count: row.version("n")?,
            })
        })
        .collect()
}
