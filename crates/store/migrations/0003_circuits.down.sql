drop table operations;
drop table circuit_identifiers;
drop table circuit_items;
drop table circuit_join_requests;
drop table circuit_invitations;
drop table circuit_members;
drop table circuit_roles;
-- only: postgres
-- The policy asks who takes part, and would keep the table that knows.
drop policy tenant on circuits;
-- end
drop table circuit_workspaces;
drop table circuits;
