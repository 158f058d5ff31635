drop table namespaces;
drop table pending_items;
drop table item_history;
drop table item_identifiers;
drop table item_grants;
drop table items;
drop table local_identifiers;
drop table local_items;
