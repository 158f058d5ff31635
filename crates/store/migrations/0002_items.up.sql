-- Local items (LID), items (DFID), who may read them, and what happened to them.
create table local_items (
    workspace_id {uuid} not null,
    local_id {text} not null,
    identifiers {json} not null,
    data {json} not null,
    status {text} not null,
    dfid {text},
    merged_into {text},
    undo {json},
    created_by {uuid} not null,
    version {bigint} not null,
    created_at {timestamp} not null,
    updated_at {timestamp} not null,
    primary key (workspace_id, local_id)
) {strict};
create index local_items_by_dfid on local_items (workspace_id, dfid) where dfid is not null;
{rls:local_items}

-- Canonical identifiers only: what `duplicates` groups by.
create table local_identifiers (
    workspace_id {uuid} not null,
    identifier {text} not null,
    local_id {text} not null,
    primary key (workspace_id, identifier, local_id)
) {strict};
{rls:local_identifiers}

create table items (
    dfid {text} primary key,
    workspace_id {uuid} not null,
    identifiers {json} not null,
    aliases {json} not null,
    data {json} not null,
    status {text} not null,
    redirect_to {text},
    confidence {real} not null,
    sources {json} not null,
    fingerprint {bytes},
    version {bigint} not null,
    created_by {uuid} not null,
    created_at {timestamp} not null,
    updated_at {timestamp} not null
) {strict};
create index items_by_workspace on items (workspace_id, dfid);
-- Only items in use: what was merged or deprecated leaves its fingerprint to a later one.
create unique index items_by_fingerprint on items (workspace_id, fingerprint) where fingerprint is not null and status = 'active';
create index items_by_old_fingerprint on items (workspace_id, fingerprint) where fingerprint is not null and status = 'merged';

-- Who else may read an item: shared directly, or pulled from a circuit. Lasting.
create table item_grants (
    workspace_id {uuid} not null,
    dfid {text} not null references items (dfid),
    owner_id {uuid} not null,
    source {text} not null,
    circuit_id {uuid},
    granted_by {uuid} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, dfid)
) {strict};
create index item_grants_by_item on item_grants (dfid);

-- Every identifier of every item, for search; canonical ones are unique within their workspace.
create table item_identifiers (
    workspace_id {uuid} not null,
    identifier {text} not null,
    dfid {text} not null references items (dfid),
    canonical {bool} not null,
    value {text} not null,
    primary key (workspace_id, identifier, dfid)
) {strict};
create unique index item_identifiers_canonical on item_identifiers (workspace_id, identifier) where canonical;
create index item_identifiers_by_value on item_identifiers (workspace_id, value);
create index item_identifiers_by_item on item_identifiers (dfid);

create table item_history (
    workspace_id {uuid} not null,
    id {uuid} not null,
    dfid {text} not null references items (dfid),
    version {bigint} not null,
    action {text} not null,
    actor_id {uuid} not null,
    changes {json} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, id)
) {strict};
create index item_history_by_item on item_history (dfid, id);

create table pending_items (
    workspace_id {uuid} not null,
    id {uuid} not null,
    circuit_id {uuid},
    local_id {text},
    reason {text} not null,
    priority {text} not null,
    identifiers {json} not null,
    data {json} not null,
    candidates {json} not null,
    actions {json} not null,
    status {text} not null,
    resolution {json},
    created_by {uuid} not null,
    created_at {timestamp} not null,
    resolved_at {timestamp},
    primary key (workspace_id, id)
) {strict};
create index pending_items_by_local on pending_items (workspace_id, local_id, status);
{rls:pending_items}

create table namespaces (
    name {text} primary key,
    description {text} not null
) {strict};
insert into namespaces (name, description) values
    ('bovino', 'Cattle'),
    ('aves', 'Poultry'),
    ('suino', 'Pigs'),
    ('soja', 'Soy'),
    ('milho', 'Maize'),
    ('algodao', 'Cotton'),
    ('cafe', 'Coffee'),
    ('leite', 'Milk'),
    ('generic', 'Anything else');

-- only: postgres
grant select, insert, update, delete on items, item_grants, item_identifiers, item_history to {app_role}, {system_role};
grant select on namespaces to {app_role}, {system_role};

alter table item_grants enable row level security;
alter table item_grants force row level security;
create policy tenant on item_grants to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[]) or owner_id = any ((select app_workspaces())::uuid[]))
    with check (owner_id = any ((select app_workspaces())::uuid[]));
create policy everything on item_grants to {system_role} using (true);

alter table items enable row level security;
alter table items force row level security;
create policy tenant on items to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or exists (select 1 from item_grants g where g.dfid = items.dfid and g.workspace_id = any ((select app_workspaces())::uuid[])))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
create policy everything on items to {system_role} using (true);

alter table item_identifiers enable row level security;
alter table item_identifiers force row level security;
create policy tenant on item_identifiers to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or exists (select 1 from item_grants g where g.dfid = item_identifiers.dfid and g.workspace_id = any ((select app_workspaces())::uuid[])))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
create policy everything on item_identifiers to {system_role} using (true);

alter table item_history enable row level security;
alter table item_history force row level security;
create policy tenant on item_history to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or exists (select 1 from item_grants g where g.dfid = item_history.dfid and g.workspace_id = any ((select app_workspaces())::uuid[])))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
create policy everything on item_history to {system_role} using (true);
-- end
