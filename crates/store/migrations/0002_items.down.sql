drop table namespaces;
drop table pending_items;
drop table item_history;
drop table item_identifiers;
-- only: postgres
-- The policy asks for grants, and would keep their table.
drop policy tenant on items;
-- end
drop table item_grants;
drop table items;
drop table local_identifiers;
drop table local_items;
