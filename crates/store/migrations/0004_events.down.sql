drop table leaves;
drop table incidents;
drop table audit_records;
drop table activities;
drop table local_events;
drop table event_tags;
drop table events;
