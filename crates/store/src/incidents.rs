//! Security incidents: opened by rules, assigned to people, resolved by them.

use db::{Db, JsonText, Read, Row, Scope, statements};
use domain::{
    ids::{IncidentId, OutboxId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};

use crate::{
    Step, StoreError,
    bind::Columns,
    records::{StateCount, state_count},
};

/// What a list and its count are narrowed to: `$1` to `$3`.
macro_rules! filtered {
    () => {
        " from incidents
         where workspace_id = $1
           and (cast($2 as {text}) is null or state = $2)
           and (cast($3 as {text}) is null or rule = $3)"
    };
}

statements! {
    OPEN = "incidents.open", "
        insert into incidents (workspace_id, id, rule, severity, state, subject, occurrences, opened_at, last_seen_at)
        select $1, $2, $3, $4, 'open', $5, $6, $7, $8
         where not exists (
                select 1 from incidents r
                 where r.workspace_id = $1 and r.rule = $3 and r.subject = $5 and r.state = 'resolved' and r.resolved_at >= $8)
        on conflict (workspace_id, rule, subject) where state <> 'resolved' do update
           set occurrences = case when excluded.occurrences > incidents.occurrences then excluded.occurrences else incidents.occurrences end,
               last_seen_at = excluded.last_seen_at
        returning id";
    TELL = "incidents.tell", "
        insert into outbox (workspace_id, id, topic, payload, state, attempts, available_at, created_at)
        select $1, $3, $4, $5, 'waiting', 0, $6, $6
          from incidents
         where workspace_id = $1 and id = $2";
    FIND = "incidents.find", "
        select id, rule, severity, state, subject, occurrences, assigned_to, resolution, opened_at, last_seen_at, resolved_at
          from incidents
         where workspace_id = $1 and id = $2";
    LIST = "incidents.list", concat!("
        select id, rule, severity, state, subject, occurrences, assigned_to, resolution, opened_at, last_seen_at, resolved_at", filtered!(), "
           and (cast($4 as {uuid}) is null or id < $4)
         order by id desc
         limit $5 offset $6");
    COUNT = "incidents.count", concat!("select count(*) as n", filtered!());
    SUMMARY = "incidents.summary", "
        select rule as what, state, count(*) as n
          from incidents
         where workspace_id = $1 and opened_at >= $2 and opened_at < $3
         group by rule, state
         order by rule, state
         limit 1000";
    ASSIGN = "incidents.assign", "
        update incidents set assigned_to = $3, state = 'assigned'
         where workspace_id = $1 and id = $2 and state <> 'resolved'
           and exists (select 1 from members m where m.workspace_id = $1 and m.user_id = $3)";
    RESOLVE = "incidents.resolve", "
        update incidents set state = 'resolved', resolution = $3, resolved_at = $4
         where workspace_id = $1 and id = $2 and state <> 'resolved'";
    PURGE = "incidents.purge", "
        delete from incidents
         where workspace_id = $1 and state = 'resolved' and resolved_at < $2
           and id <= (select x.id
                        from (select i.id
                                from incidents i
                               where i.workspace_id = $1 and i.state = 'resolved' and i.resolved_at < $2
                               order by i.id
                               limit $3) x
                       order by x.id desc
                       limit 1)";
}

/// An incident.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The rule that opened it.
    pub rule: String,
    /// How grave it is.
    pub severity: String,
    /// `open`, `assigned` or `resolved`.
    pub state: String,
    /// Who or what it is about.
    pub subject: String,
    /// Most attempts seen within one window of the rule.
    pub occurrences: u64,
    /// Who looks after it.
    pub assigned_to: Option<UserId>,
    /// What came of it.
    pub resolution: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its rule last saw it.
    pub last_seen_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
}

/// What a rule saw.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Id of the incident, if one has to be opened.
    pub id: IncidentId,
    /// The rule.
    pub rule: &'a str,
    /// How grave it is.
    pub severity: &'a str,
    /// Who or what it is about.
    pub subject: &'a str,
    /// Attempts within the window.
    pub occurrences: i64,
    /// When last.
    pub last_at: Timestamp,
}

fn read(row: &Row) -> Result<Incident, StoreError> {
    Ok(Incident {
        id: row.id("id")?,
        rule: row.text("rule")?,
        severity: row.text("severity")?,
        state: row.text("state")?,
        subject: row.text("subject")?,
        occurrences: row.version("occurrences")?,
        assigned_to: row.maybe_id("assigned_to")?,
        resolution: row.get("resolution")?,
        opened_at: row.time("opened_at")?,
        last_seen_at: row.time("last_seen_at")?,
        resolved_at: row.maybe_time("resolved_at")?,
    })
}

/// Opens an incident, or brings the one that is open up to date; tells whether it opened one. What was seen before the
/// last resolution opens nothing. The further steps are of the same unit of work.
pub async fn sight(
    db: &Db,
    seen: &Sighting<'_>,
    further: Vec<Step>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let args = bind![
        seen.workspace,
        seen.id,
        seen.rule,
        seen.severity,
        seen.subject,
        seen.occurrences,
        now,
        seen.last_at,
    ];
    let mut steps = vec![(OPEN, args)];
    steps.extend(further);
    // Rules watch every tenant; the incident names its own.
    let rows = db.run_returning(&Scope::system(), steps).await?;
    let written = rows.first().and_then(|rows| rows.first());
    // The id is new: the row carries it only if this statement made the row.
    let id: Option<IncidentId> = written.map(|row| row.id("id")).transpose()?;
    Ok(id == Some(seen.id))
}

/// The step that asks the workers to tell somebody of an incident; it affects no row if there is no such incident, so
/// that in one unit of work with [`sight`] only a new one is told.
#[must_use]
pub fn tell(
    workspace: WorkspaceId,
    incident: IncidentId,
    id: OutboxId,
    topic: &str,
    payload: JsonText,
    now: Timestamp,
) -> Step {
    (TELL, bind![workspace, incident, id, topic, payload, now])
}

/// Finds an incident of the workspace.
pub async fn find(
    db: &impl Read,
    workspace: WorkspaceId,
    id: IncidentId,
) -> Result<Option<Incident>, StoreError> {
    db.optional(FIND, bind![workspace, id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Lists incidents, newest first, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    state: Option<&str>,
    rule: Option<&str>,
    after: Option<IncidentId>,
    page: &PageRequest,
) -> Result<Vec<Incident>, StoreError> {
    let args = bind![workspace, state, rule, after, page.rows(), page.offset];
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// Counts the incidents of a list.
pub async fn count(
    db: &impl Read,
    workspace: WorkspaceId,
    state: Option<&str>,
    rule: Option<&str>,
) -> Result<u64, StoreError> {
    db.one(COUNT, bind![workspace, state, rule]).await?.version("n")
}

/// Counts the incidents opened within a span by rule and state.
pub async fn summary(
    db: &impl Read,
    workspace: WorkspaceId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<StateCount>, StoreError> {
    let rows = db.all(SUMMARY, bind![workspace, from, to]).await?;
    rows.iter().map(state_count).collect()
}

/// The step that gives an open incident to a member; it affects no row if either is not so.
#[must_use]
pub fn assign(workspace: WorkspaceId, id: IncidentId, to: UserId) -> Step {
    (ASSIGN, bind![workspace, id, to])
}

/// The step that resolves an incident; it affects no row if somebody else did.
#[must_use]
pub fn resolve(workspace: WorkspaceId, id: IncidentId, resolution: &str, now: Timestamp) -> Step {
    (RESOLVE, bind![workspace, id, resolution, now])
}

/// The step that removes incidents that were resolved before a moment, at most `limit`. One that is open stays.
#[must_use]
pub fn purge(workspace: WorkspaceId, before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![workspace, before, limit])
}
