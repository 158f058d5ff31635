-- Circuits: a permissioned space in which members from several workspaces exchange items.
create table circuits (
    id {uuid} primary key,
    workspace_id {uuid} not null,
    owner_id {uuid} not null,
    name {text} not null,
    description {text} not null,
    status {text} not null,
    default_namespace {text},
    rules {json} not null,
    approvals {json} not null,
    public {json} not null,
    public_slug {text} unique,
    public_password_hash {text},
    adapter {json} not null,
    post_actions {json} not null,
    version {bigint} not null,
    created_at {timestamp} not null,
    updated_at {timestamp} not null
) {strict};
create index circuits_by_workspace on circuits (workspace_id, id);

-- Which workspaces take part. Ids only; the row guards of all circuit tables ask here.
create table circuit_workspaces (
    circuit_id {uuid} not null,
    workspace_id {uuid} not null,
    primary key (circuit_id, workspace_id)
) {strict};
create index circuit_workspaces_by_workspace on circuit_workspaces (workspace_id, circuit_id);

create table circuit_roles (
    circuit_id {uuid} not null references circuits (id),
    name {text} not null,
    permissions {bigint} not null,
    built_in {bool} not null,
    created_at {timestamp} not null,
    primary key (circuit_id, name)
) {strict};

create table circuit_members (
    circuit_id {uuid} not null references circuits (id),
    user_id {uuid} not null,
    workspace_id {uuid} not null,
    role {text} not null,
    permissions {bigint} not null,
    joined_at {timestamp} not null,
    primary key (circuit_id, user_id)
) {strict};
create index circuit_members_by_user on circuit_members (user_id, circuit_id);

create table circuit_invitations (
    circuit_id {uuid} not null references circuits (id),
    id {uuid} not null,
    invited_user_id {uuid} not null,
    invited_workspace_id {uuid} not null,
    role {text} not null,
    message {text} not null,
    state {text} not null,
    invited_by {uuid} not null,
    created_at {timestamp} not null,
    expires_at {timestamp} not null,
    decided_at {timestamp},
    primary key (circuit_id, id)
) {strict};
create index circuit_invitations_by_user on circuit_invitations (invited_user_id, state);
create unique index circuit_invitations_open on circuit_invitations (circuit_id, invited_user_id) where state = 'pending';

create table circuit_join_requests (
    circuit_id {uuid} not null references circuits (id),
    id {uuid} not null,
    workspace_id {uuid} not null,
    user_id {uuid} not null,
    message {text} not null,
    state {text} not null,
    created_at {timestamp} not null,
    decided_by {uuid},
    decided_at {timestamp},
    primary key (circuit_id, id)
) {strict};
create unique index circuit_join_requests_open on circuit_join_requests (circuit_id, user_id) where state = 'pending';
create index circuit_join_requests_by_user on circuit_join_requests (user_id);

create table circuit_items (
    circuit_id {uuid} not null references circuits (id),
    dfid {text} not null references items (dfid),
    workspace_id {uuid} not null,
    owner_id {uuid} not null,
    pushed_by {uuid} not null,
    operation_id {uuid} not null,
    state {text} not null,
    published {bool} not null,
    created_at {timestamp} not null,
    primary key (circuit_id, dfid)
) {strict};
create index circuit_items_by_item on circuit_items (dfid);

-- A canonical identifier has one meaning within a circuit; the unique key settles races. What waits for approval takes
-- none: it must not be discoverable.
create table circuit_identifiers (
    circuit_id {uuid} not null references circuits (id),
    identifier {text} not null,
    dfid {text} not null references items (dfid),
    owner_id {uuid} not null,
    primary key (circuit_id, identifier)
) {strict};

-- `content`: what an approval would add to another workspace's item; gone once decided.
create table operations (
    circuit_id {uuid} not null references circuits (id),
    id {uuid} not null,
    workspace_id {uuid} not null,
    kind {text} not null,
    state {text} not null,
    dfid {text} not null,
    local_id {text},
    push_status {text},
    content {json},
    requested_by {uuid} not null,
    decided_by {uuid},
    reason {text},
    created_at {timestamp} not null,
    updated_at {timestamp} not null,
    primary key (circuit_id, id)
) {strict};
create unique index operations_by_id on operations (id);
create index operations_by_state on operations (circuit_id, state, id);
create index operations_by_requester on operations (circuit_id, requested_by, id);
create index operations_waiting on operations (circuit_id, workspace_id, local_id) where state = 'pending';

-- only: postgres
grant select, insert, update, delete on circuits, circuit_workspaces, circuit_roles, circuit_members, circuit_invitations, circuit_join_requests, circuit_items, circuit_identifiers, operations to {app_role}, {system_role};

alter table circuits enable row level security;
alter table circuits force row level security;
create policy tenant on circuits to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or exists (select 1 from circuit_workspaces w where w.circuit_id = circuits.id and w.workspace_id = any ((select app_workspaces())::uuid[])));
create policy everything on circuits to {system_role} using (true);
-- end
{rls_circuit:circuit_roles}
{rls_circuit:circuit_members}
{rls_circuit:circuit_invitations}
{rls_circuit:circuit_join_requests}
{rls_circuit:circuit_items}
{rls_circuit:circuit_identifiers}
{rls_circuit:operations}
