-- What happens after commit, and what makes a request repeatable.
create table outbox (
    workspace_id {uuid} not null,
    id {uuid} not null,
    topic {text} not null,
    payload {json} not null,
    state {text} not null,
    attempts {bigint} not null,
    available_at {timestamp} not null,
    leased_until {timestamp},
    lease_owner {text},
    last_error {text},
    created_at {timestamp} not null,
    finished_at {timestamp},
    primary key (workspace_id, id)
) {strict};
create index outbox_due on outbox (available_at, id) where state = 'waiting';
{rls:outbox}

-- Messages of the live channel, kept long enough for a client to come back. Positions are given under a lock, so
-- they become visible in their order and a reader that remembers the last one misses nothing.
create table live_messages (
    position {bigserial} primary key,
    workspace_id {uuid} not null,
    id {uuid} not null,
    topic {text} not null,
    user_id {uuid},
    body {json} not null,
    created_at {timestamp} not null
) {strict};
create unique index live_messages_by_source on live_messages (workspace_id, id);
create index live_messages_by_workspace on live_messages (workspace_id, position);
create index live_messages_by_age on live_messages (created_at);
{rls:live_messages}

-- A right to open one live connection, used up by opening it.
create table live_tickets (
    ticket_hash {bytes} primary key,
    workspace_id {uuid} not null,
    user_id {uuid} not null,
    session_id {uuid},
    api_key_id {uuid},
    expires_at {timestamp} not null
) {strict};
{rls:live_tickets}

create table idempotency_keys (
    workspace_id {uuid} not null,
    user_id {uuid} not null,
    key {text} not null,
    request_hash {bytes} not null,
    status {bigint},
    headers {json},
    body {bytes},
    created_at {timestamp} not null,
    primary key (workspace_id, user_id, key)
) {strict};
create index idempotency_keys_by_age on idempotency_keys (created_at);
{rls:idempotency_keys}

create table jobs (
    workspace_id {uuid} not null,
    id {uuid} not null,
    kind {text} not null,
    state {text} not null,
    payload {json} not null,
    progress {json} not null,
    result {json},
    error {text},
    attempts {bigint} not null,
    cancel_requested {bool} not null,
    leased_until {timestamp},
    lease_owner {text},
    created_by {uuid} not null,
    created_at {timestamp} not null,
    updated_at {timestamp} not null,
    primary key (workspace_id, id)
) {strict};
create index jobs_due on jobs (state, id);
create index jobs_by_user on jobs (workspace_id, created_by, state);
{rls:jobs}

-- What a job produced, in pieces, so that neither writing nor reading holds it whole.
create table job_outputs (
    workspace_id {uuid} not null,
    job_id {uuid} not null,
    piece {bigint} not null,
    content {bytes} not null,
    primary key (workspace_id, job_id, piece)
) {strict};
{rls:job_outputs}
