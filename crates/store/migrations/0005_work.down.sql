drop table job_outputs;
drop table jobs;
drop table idempotency_keys;
drop table live_tickets;
drop table live_messages;
drop table outbox;
