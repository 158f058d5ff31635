//! Events, the live channel, jobs, audit and what happens after commit, through HTTP in process, on both engines.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(
    clippy::too_many_lines,
    reason = "a case tells one story from beginning to end"
)]

mod audit;
mod calls;
mod content;
mod exports_and_imports;
#[path = "../support/mod.rs"]
mod fixture;
mod isolation;
mod jobs;
mod live;
mod metrics;
mod outbox;
mod readers;
mod recording;
mod removal;
mod several;
mod sockets;
mod statements;

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
    statements::every_statement_is_understood,
    recording::the_same_event_twice_stays_one_and_lists_find_it,
    content::private_data_is_sealed_at_rest,
    content::only_operational_events_change_and_by_their_version,
    content::erasing_takes_payload_and_salt_and_leaves_the_leaf,
    recording::a_bulk_is_recorded_whole_or_not_at_all,
    readers::partners_see_what_is_meant_for_them_and_nothing_else,
    recording::two_descriptions_of_an_event_must_agree,
    recording::an_event_may_lie_as_far_as_dates_go,
    recording::local_events_wait_for_the_global_id,
    readers::exports_and_statistics_count_what_was_recorded,
    content::retention_removes_old_operational_events,
    recording::a_write_under_a_key_happens_once,
    audit::failed_logins_open_an_incident_until_it_is_resolved,
    audit::an_incident_is_told_to_those_who_look_after_the_workspace_alone,
    audit::requests_beyond_the_rights_open_an_incident,
    audit::trying_ids_opens_an_incident_and_daily_work_does_not,
    audit::a_misused_key_opens_an_incident,
    audit::a_flood_of_refusals_stays_a_few_entries,
    audit::a_refresh_token_that_comes_twice_is_in_the_trail,
    audit::a_password_that_was_reset_is_in_the_trail,
    audit::what_changes_who_may_do_what_is_in_the_trail,
    audit::the_trail_is_kept_as_long_as_the_tier_says,
    audit::activities_and_closed_incidents_are_kept_as_long,
    audit::the_compliance_report_counts_real_records_and_says_what_it_leaves_out,
    isolation::the_view_shows_what_requests_left_behind,
    isolation::an_answer_with_another_tenants_data_is_withheld,
    isolation::a_circuits_operation_of_strangers_is_withheld,
    isolation::a_context_that_is_kept_shows_as_leaked,
    isolation::a_client_that_leaves_is_cleaned_up_after,
    live::messages_reach_their_workspace_and_a_return_misses_nothing,
    live::a_slow_listener_is_told_what_it_lost,
    live::logging_out_closes_the_connection,
    live::a_ticket_opens_one_socket,
    several::an_event_about_several_items_is_one_and_found_from_each,
    several::each_reader_sees_an_event_through_the_items_it_may_read,
    live::a_user_has_so_many_connections_and_no_more,
    live::revoked_rights_close_what_they_opened,
    live::a_long_silence_does_not_age_the_token,
    live::a_token_ahead_of_the_server_is_told_of_a_loss,
    sockets::events_are_streamed_and_a_return_misses_nothing,
    sockets::the_end_of_the_server_ends_the_streams,
    metrics::gauges_follow_what_waits_and_what_is_used,
    outbox::eight_workers_do_each_piece_of_work_once,
    outbox::failed_work_comes_again_and_is_given_up_at_last,
    exports_and_imports::an_export_job_produces_a_file,
    jobs::jobs_end_as_they_should,
    exports_and_imports::an_import_job_makes_items_of_rows_and_names_the_broken_ones,
    exports_and_imports::a_job_is_no_way_around_the_limits_of_a_key,
    jobs::a_running_job_tells_how_far_it_is_and_ends_when_cancelled,
    jobs::a_job_cancelled_before_it_runs_is_told_of,
    jobs::a_stop_gives_a_job_back_and_a_crash_costs_an_attempt,
    jobs::who_runs_least_comes_first,
    removal::what_nobody_can_use_any_more_is_removed,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manual_lists_every_metric() {
    metrics::the_manual_lists_every_metric(db::Engine::Sqlite).await;
}
