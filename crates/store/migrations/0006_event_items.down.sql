-- only: postgres
drop policy tenant on events;
create policy tenant on events to {app_role}
    using (workspace_id = any ((select app_workspaces())::uuid[])
        or (dfid is not null and visibility <> 'private'
            and (exists (select 1 from item_grants g where g.dfid = events.dfid and g.workspace_id = any ((select app_workspaces())::uuid[]))
                or exists (select 1 from items i where i.dfid = events.dfid and i.workspace_id = any ((select app_workspaces())::uuid[])))))
    with check (workspace_id = any ((select app_workspaces())::uuid[]));
-- end
drop table event_items;
alter table events drop column items;
