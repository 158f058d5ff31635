-- Workspaces, users, sessions and keys. Read before a tenant is known, so only the system role may touch most of them.
create table workspaces (
    id {uuid} primary key,
    name {text} not null,
    slug {text} not null unique,
    tier {text} not null,
    settings {json} not null,
    -- Public half lives here; the key itself is wrapped by the deployment's master key.
    data_key {bytes} not null,
    version {bigint} not null,
    created_at {timestamp} not null
) {strict};

create table users (
    id {uuid} primary key,
    username {text} not null,
    username_key {text} not null unique,
    email {text} not null,
    email_key {text} not null unique,
    password_hash {text} not null,
    status {text} not null,
    platform_admin {bool} not null,
    home_workspace_id {uuid} not null references workspaces (id),
    created_at {timestamp} not null,
    updated_at {timestamp} not null
) {strict};

create table members (
    workspace_id {uuid} not null references workspaces (id),
    user_id {uuid} not null references users (id),
    role {text} not null,
    version {bigint} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, user_id)
) {strict};
create index members_by_user on members (user_id);

-- The cookie and the bearer token both name the session's id, so the secret's hash needs no index.
create table sessions (
    id {uuid} primary key,
    user_id {uuid} not null references users (id),
    workspace_id {uuid} not null references workspaces (id),
    token_hash {bytes} not null,
    address {text} not null,
    agent {text} not null,
    created_at {timestamp} not null,
    last_seen_at {timestamp} not null,
    expires_at {timestamp} not null,
    ended_at {timestamp}
) {strict};
create index sessions_by_user on sessions (user_id, id);

-- One row per refresh token; a family is one session. Using a used token ends the family.
create table refresh_tokens (
    token_hash {bytes} primary key,
    session_id {uuid} not null references sessions (id),
    created_at {timestamp} not null,
    expires_at {timestamp} not null,
    used_at {timestamp}
) {strict};
create index refresh_tokens_by_session on refresh_tokens (session_id);

create table api_keys (
    id {uuid} primary key,
    workspace_id {uuid} not null references workspaces (id),
    created_by {uuid} not null references users (id),
    name {text} not null,
    secret_hash {bytes} not null,
    scopes {json} not null,
    routes {json} not null,
    addresses {json} not null,
    rate_per_minute {bigint},
    created_at {timestamp} not null,
    expires_at {timestamp},
    revoked_at {timestamp},
    last_used_at {timestamp},
    use_count {bigint} not null,
    replaced_by {uuid}
) {strict};
create index api_keys_by_workspace on api_keys (workspace_id, id);

create table password_resets (
    token_hash {bytes} primary key,
    user_id {uuid} not null references users (id),
    created_at {timestamp} not null,
    expires_at {timestamp} not null,
    used_at {timestamp}
) {strict};
create index password_resets_by_user on password_resets (user_id);

-- Failed sign-ins by the hash of a name or of an address, whether it exists or not.
create table sign_in_failures (
    counter {bytes} primary key,
    failures {bigint} not null,
    since {timestamp} not null
) {strict};

-- Facts of the deployment itself: the set-up token's hash, signing keys' ids, the schema's birthday.
create table deployment (
    name {text} primary key,
    value {text} not null,
    updated_at {timestamp} not null
) {strict};

-- Used so far by tenants whose tier has a limit; a row is locked by its update, so unlimited tiers never write here.
-- The check makes going over the limit fail the unit of work that counts, in the same round trip.
create table usage_counters (
    workspace_id {uuid} not null,
    limit_name {text} not null,
    period {text} not null,
    used {bigint} not null,
    allowed {bigint} not null,
    primary key (workspace_id, limit_name, period),
    constraint usage_within_limit check (used <= allowed)
) {strict};
{rls:usage_counters}

-- Double entry: the rows of one movement sum to zero; a balance is a sum. A debit that the balance does not cover
-- tries to write an amount of zero, and the check ends its unit of work.
create table credit_entries (
    workspace_id {uuid} not null,
    movement_id {uuid} not null,
    account {text} not null,
    amount {bigint} not null,
    kind {text} not null,
    operation {text} not null,
    reference {text} not null,
    created_by {uuid},
    created_at {timestamp} not null,
    primary key (workspace_id, movement_id, account),
    constraint credit_covered check (amount <> 0)
) {strict};
create index credit_entries_by_account on credit_entries (workspace_id, account, movement_id, amount);
-- A debit is refunded at most once.
create unique index credit_entries_refund on credit_entries (workspace_id, reference, account) where kind = 'refund';
{rls:credit_entries}

create table admin_actions (
    id {uuid} primary key,
    actor_id {uuid} not null,
    action {text} not null,
    target {text} not null,
    details {json} not null,
    created_at {timestamp} not null
) {strict};

-- only: postgres
grant select, insert, update, delete on workspaces, users, members, sessions, refresh_tokens, api_keys, password_resets, sign_in_failures, deployment, admin_actions to {system_role};
grant select on workspaces, members to {app_role};
grant select (id, username, status) on users to {app_role};
-- end
