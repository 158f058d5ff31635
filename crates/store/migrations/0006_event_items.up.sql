-- An event may be about several items and stays one event: the list stands in its row, the rows here find it by item.
-- Nullable, so events written by the running version stay valid.
alter table events add column items {json};

-- The items beside the event's own `dfid`, which has an index already.
create table event_items (
    workspace_id {uuid} not null,
    event_id {uuid} not null,
    dfid {text} not null references items (dfid),
    occurred_at {timestamp} not null,
    primary key (workspace_id, event_id, dfid)
) {strict};
create index event_items_by_item on event_items (dfid, occurred_at, event_id);
create index event_items_by_event on event_items (event_id);

-- only: postgres
grant select, insert, update, delete on event_items to {app_role}, {system_role};

alter table event_items enable row level security;
alter table event_items force row level security;
create policy tenant on event_items to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or exists (select 1 from item_grants g where g.dfid = event_items.dfid and g.workspace_id = any ((select app_workspaces())::uuid[]))
        or exists (select 1 from items i where i.dfid = event_items.dfid and i.workspace_id = any ((select app_workspaces())::uuid[])))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
create policy everything on event_items to {system_role} using (true);

-- The guard above decides which of an event's further items the workspace may read.
drop policy tenant on events;
create policy tenant on events to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or (dfid is not null and visibility <> 'private'
            and (exists (select 1 from item_grants g where g.dfid = events.dfid and g.workspace_id = any ((select app_workspaces())::uuid[]))
                or exists (select 1 from items i where i.dfid = events.dfid and i.workspace_id = any ((select app_workspaces())::uuid[]))
                or exists (select 1 from event_items x where x.workspace_id = events.workspace_id and x.event_id = events.id))))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
-- end
