//! Items, circuits and what goes on in them, through HTTP in process, on both engines.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(
    clippy::too_many_lines,
    reason = "a case tells one story from beginning to end"
)]

mod circuits;
mod entry;
mod farm;
#[path = "../support/mod.rs"]
mod fixture;
mod input;
mod items;
mod kept_back;
mod lane;
mod leaving;
mod limits;
mod lists;
mod made;
mod nul;
mod operations;
mod push;
mod reach;
mod resolved;
mod same_thing;
mod waiting;
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
    push::{
        a_pushed_item_is_found_by_its_dfid,
        eight_pushes_of_one_item_make_one_dfid,
        every_broken_rule_of_a_circuit_is_named,
        the_owners_push_changes_values_anothers_only_adds,
        identifiers_of_two_items_are_a_conflict_for_people,
        equal_pushes_have_one_fingerprint,
        a_batch_is_all_or_each_for_itself,
    },
    lane::{
        pushes_that_arrive_together_each_get_their_own_answer,
        what_is_done_in_common_is_counted_for_each,
    },
    operations::{
        a_waiting_push_is_the_pushers_own_until_approved,
        eight_approvals_make_one_transition,
        a_refused_push_leaves_nothing_and_can_be_repeated,
        what_was_pulled_stays_readable,
        an_admin_of_a_third_workspace_decides,
    },
    items::{
        unmerging_local_items_restores_them_exactly,
        items_are_enriched_merged_split_and_shared,
    },
    circuits::{
        nobody_grants_what_they_do_not_hold,
        invitations_and_join_requests_are_decided_once,
        an_archived_circuit_takes_nothing,
        a_change_leaves_what_it_does_not_name,
        a_public_circuit_shows_itself_when_it_says_so,
    },
    input::{
        bad_input_changes_nothing,
    },
    kept_back::{
        what_one_is_answered_is_kept_back_from_a_stranger,
    },
    limits::{
        a_tier_bounds_the_items_of_a_month,
        an_item_that_is_divided_counts_for_its_parts,
        a_tier_bounds_the_circuits_in_use,
        a_tier_bounds_the_calls_of_programs,
        operations_cost_what_the_table_says,
        each_recorded_event_is_paid_once,
        events_paid_together_never_overdraw,
        an_export_is_paid_and_comes_back_if_nothing_comes_of_it,
    },
    made::{
        every_creation_says_where_its_thing_is,
    },
    nul::{
        every_route_refuses_u0000_wherever_it_reads_text,
        an_escaped_backslash_before_u0000_is_text,
    },
    lists::{
        lists_of_items_count_and_skip,
        lists_of_people_count_and_skip,
        a_member_pages_through_the_own_operations,
        a_public_view_counts_and_skips,
        every_list_counts_what_it_lists,
        a_search_of_administrators_means_its_letters,
    },
    entry::{
        an_invitation_to_a_role_that_is_gone_can_be_declined,
        an_invitation_ends_when_the_invited_comes_in_or_is_taken_out,
        who_is_a_member_does_not_become_one_again,
    },
    leaving::{
        what_waits_ends_when_its_asker_leaves_the_circuit,
        what_waits_ends_when_its_asker_leaves_the_workspace,
        nothing_is_approved_for_who_may_not_ask_any_more,
        who_lost_the_right_does_not_decide,
    },
    reach::{
        an_equal_push_finds_what_its_item_was_merged_into,
        a_deprecated_item_leaves_its_identifiers_to_another,
        who_reached_a_merged_item_reaches_the_one_that_stays,
        an_identifier_split_off_leads_away_from_the_item,
        anothers_item_is_not_brought_into_a_second_circuit,
        pushing_again_with_more_adds_it,
        an_item_without_identifiers_waits_for_some,
        the_namespaces_are_there_from_the_start,
        one_conflict_makes_one_pending_item,
        identifiers_added_later_are_known_in_the_items_circuits,
        an_identifier_of_another_item_is_not_added,
        a_merged_items_identifiers_are_known_wherever_it_lies,
        who_reads_a_merged_item_reads_what_it_took_in,
    },
    resolved::{
        an_item_out_of_use_is_not_chosen,
        a_resolution_is_its_own_workspaces_business,
        what_was_resolved_is_not_asked_again,
        the_local_item_of_a_deprecated_one_makes_another,
    },
    waiting::{
        adding_to_anothers_item_waits_with_its_content,
        a_refused_addition_changes_nothing,
        an_approval_checks_the_rules_again,
        what_it_would_add_to_may_have_left,
        approvals_that_were_switched_off_let_pushes_pass,
        members_hear_of_a_push_when_it_is_approved,
        a_waiting_place_is_given_up_by_its_operation,
        waiting_content_is_bounded,
    },
    same_thing::{
        a_waiting_push_is_not_found_by_a_second_one,
        two_items_that_others_know_are_a_conflict_at_approval,
        eight_approvals_of_one_thing_make_one_item,
    },
    walk::{
        every_route_answers_each_caller_as_its_policy_says,
        hidden_and_absent_answer_alike,
    },
}
