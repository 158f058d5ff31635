//! Events, the live channel, jobs, audit and what happens after commit, through HTTP in process, on both engines.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(
    clippy::too_many_lines,
    reason = "a case tells one story from beginning to end"
)]

mod cases;
#[path = "../support/mod.rs"]
mod fixture;
mod live;
mod sockets;
mod work;

macro_rules! suite {
    ($($module:ident::$case:ident),+ $(,)?) => {
        mod sqlite { $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() {
            super::$module::$case(db::Engine::Sqlite).await;
        } )+ }
        mod postgres { $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() {
            super::$module::$case(db::Engine::Postgres).await;
        } )+ }
    };
}

suite! {
    cases::every_statement_is_understood,
    cases::the_same_event_twice_stays_one_and_lists_find_it,
    cases::private_data_is_sealed_at_rest,
    cases::only_operational_events_change_and_by_their_version,
    cases::erasing_takes_payload_and_salt_and_leaves_the_leaf,
    cases::a_bulk_is_recorded_whole_or_not_at_all,
    cases::partners_see_what_is_meant_for_them_and_nothing_else,
    cases::local_events_wait_for_the_global_id,
    cases::exports_and_statistics_count_what_was_recorded,
    cases::retention_removes_old_operational_events,
    cases::a_write_under_a_key_happens_once,
    cases::refusals_open_an_incident_until_it_is_resolved,
    live::messages_reach_their_workspace_and_a_return_misses_nothing,
    live::a_slow_listener_is_told_what_it_lost,
    live::logging_out_closes_the_connection,
    live::a_ticket_opens_one_socket,
    live::a_user_has_so_many_connections_and_no_more,
    live::revoked_rights_close_what_they_opened,
    live::a_long_silence_does_not_age_the_token,
    sockets::events_are_streamed_and_a_return_misses_nothing,
    sockets::the_end_of_the_server_ends_the_streams,
    work::eight_workers_do_each_piece_of_work_once,
    work::failed_work_comes_again_and_is_given_up_at_last,
    work::an_export_job_produces_a_file,
    work::jobs_end_as_they_should,
}
