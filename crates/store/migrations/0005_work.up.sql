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

-- Messages of the live channel, kept long enough for a client to come back.
create table live_messages (
    workspace_id {uuid} not null,
    id {uuid} not null,
    topic {text} not null,
    user_id {uuid},
    circuit_id {uuid},
    body {json} not null,
    created_at {timestamp} not null,
    primary key (workspace_id, id)
) {strict};
create index live_messages_by_age on live_messages (created_at);
{rls:live_messages}

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
{rls:jobs}
