-- Events, what members did, the audit trail, and what the log needs of each.
create table events (
    workspace_id {uuid} not null,
    id {uuid} not null,
    event_type {text} not null,
    source {text} not null,
    dfid {text} references items (dfid),
    circuit_id {uuid},
    visibility {text} not null,
    occurred_at {timestamp} not null,
    recorded_at {timestamp} not null,
    created_by {uuid} not null,
    user_ref {text},
    project {text},
    data {json},
    -- Private payloads, sealed with the workspace's key.
    sealed {bytes},
    tags {json} not null,
    -- The sender's own id, or an EPCIS event hash: the same one sent twice stays one.
    client_event_id {text},
    leaf_id {uuid} not null,
    erased_at {timestamp},
    version {bigint} not null,
    primary key (workspace_id, id)
) {strict};
create unique index events_by_client_id on events (workspace_id, client_event_id) where client_event_id is not null;
create index events_by_item on events (dfid, occurred_at, id) where dfid is not null;
create index events_by_type on events (workspace_id, event_type, id);

create table event_tags (
    workspace_id {uuid} not null,
    tag {text} not null,
    event_id {uuid} not null,
    primary key (workspace_id, tag, event_id)
) {strict};
{rls:event_tags}

-- Events recorded for a local item before it has a DFID.
create table local_events (
    workspace_id {uuid} not null,
    id {uuid} not null,
    local_id {text} not null,
    body {json} not null,
    created_by {uuid} not null,
    created_at {timestamp} not null,
    moved_to {uuid},
    primary key (workspace_id, id)
) {strict};
create index local_events_by_item on local_events (workspace_id, local_id, id);
{rls:local_events}

create table activities (
    workspace_id {uuid} not null,
    id {uuid} not null,
    circuit_id {uuid},
    actor_id {uuid} not null,
    action {text} not null,
    target {text} not null,
    details {json} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, id)
) {strict};
create index activities_by_circuit on activities (circuit_id, id) where circuit_id is not null;
create index activities_by_actor on activities (workspace_id, actor_id, id);

-- Append-only: no statement of ours updates or deletes here but retention.
create table audit_records (
    workspace_id {uuid} not null,
    id {uuid} not null,
    actor_id {uuid},
    action {text} not null,
    target {text} not null,
    outcome {text} not null,
    address {text} not null,
    details {json} not null,
    leaf_id {uuid} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, id)
) {strict};
create index audit_records_by_action on audit_records (workspace_id, action, id);
{rls:audit_records}

create table incidents (
    workspace_id {uuid} not null,
    id {uuid} not null,
    rule {text} not null,
    severity {text} not null,
    state {text} not null,
    subject {text} not null,
    occurrences {bigint} not null,
    assigned_to {uuid},
    resolution {text},
    opened_at {timestamp} not null,
    last_seen_at {timestamp} not null,
    resolved_at {timestamp},
    primary key (workspace_id, id)
) {strict};
create unique index incidents_open on incidents (workspace_id, rule, subject) where state <> 'resolved';
{rls:incidents}

-- What the transparency log will integrate: salted commitments only, never the payload.
create table leaves (
    workspace_id {uuid} not null,
    id {uuid} not null,
    kind {text} not null,
    canonical {bytes} not null,
    hash {bytes} not null,
    salt {bytes},
    state {text} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, id)
) {strict};
create index leaves_unsequenced on leaves (id) where state = 'unsequenced';
{rls:leaves}

-- only: postgres
grant select, insert, update, delete on events, activities to {app_role}, {system_role};

alter table events enable row level security;
alter table events force row level security;
create policy tenant on events to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or (dfid is not null and visibility <> 'private'
            and exists (select 1 from item_grants g where g.dfid = events.dfid and g.workspace_id = any ((select app_workspaces())::uuid[]))))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
create policy everything on events to {system_role} using (true);

alter table activities enable row level security;
alter table activities force row level security;
create policy tenant on activities to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or exists (select 1 from circuit_workspaces w where w.circuit_id = activities.circuit_id and w.workspace_id = any ((select app_workspaces())::uuid[])))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
create policy everything on activities to {system_role} using (true);
revoke update, delete on audit_records from {app_role};
-- end
