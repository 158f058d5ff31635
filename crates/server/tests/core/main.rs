//! Items, circuits and what goes on in them, through HTTP in process, on both engines.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(
    clippy::too_many_lines,
    reason = "a case tells one story from beginning to end"
)]

mod cases;
mod farm;
#[path = "../support/mod.rs"]
mod fixture;
mod walk;

macro_rules! suite {
    ($engine:ident, $variant:ident: $($module:ident::{$($case:ident),+ $(,)?}),+ $(,)?) => {
        mod $engine { $( $( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() {
            super::$module::$case(db::Engine::$variant).await;
        } )+ )+ }
    };
}

macro_rules! both {
    ($($cases:tt)+) => {
        suite!(sqlite, Sqlite: $($cases)+);
        suite!(postgres, Postgres: $($cases)+);
    };
}

both! {
    cases::{
        a_pushed_item_is_found_by_its_dfid,
        eight_pushes_of_one_item_make_one_dfid,
        every_broken_rule_of_a_circuit_is_named,
        the_owners_push_changes_values_anothers_only_adds,
        identifiers_of_two_items_are_a_conflict_for_people,
        equal_pushes_have_one_fingerprint,
        a_waiting_push_is_the_pushers_own_until_approved,
        eight_approvals_make_one_transition,
        a_refused_push_leaves_nothing_and_can_be_repeated,
        what_was_pulled_stays_readable,
        an_admin_of_a_third_workspace_decides,
        a_batch_is_all_or_each_for_itself,
        unmerging_local_items_restores_them_exactly,
        items_are_enriched_merged_split_and_shared,
        nobody_grants_what_they_do_not_hold,
        invitations_and_join_requests_are_decided_once,
        an_archived_circuit_takes_nothing,
        a_public_circuit_shows_itself_when_it_says_so,
        bad_input_changes_nothing,
    },
    walk::{
        every_route_answers_each_caller_as_its_policy_says,
        hidden_and_absent_answer_alike,
    },
}
