drop table jobs;
drop table idempotency_keys;
drop table live_messages;
drop table outbox;
