//! Identity, limits, credits and administration, through HTTP in process, on both engines.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![allow(
    clippy::too_many_lines,
    reason = "a case tells one story from beginning to end"
)]

mod credentials;
#[path = "../support/mod.rs"]
mod fixture;
mod mail;
mod signing_in;
mod smtp;
mod steps;
mod tiers;
mod workspace;

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
    signing_in::{
        register_then_login_gives_what_the_contract_names,
        names_that_are_taken_and_bad_fields_are_told,
        wrong_passwords_and_unknown_users_answer_alike_and_are_throttled,
        an_imported_hash_is_upgraded_at_the_next_login,
        a_forgotten_password_is_replaced_once,
        changing_the_password_ends_the_other_sessions,
    },
    mail::{
        a_reset_arrives_by_mail_and_sets_the_password,
        a_refused_mail_ends_and_a_postponed_one_comes_again,
        an_unknown_address_fails_and_a_later_server_gets_the_mail,
        nothing_is_sent_to_a_server_that_cannot_be_trusted,
        a_server_that_stalls_holds_up_nothing_else,
        what_cannot_be_sent_any_more_fails_with_its_reason,
        without_a_mail_server_a_reset_ends_as_failed,
        settings_that_cannot_send_are_refused,
    },
    credentials::{
        logout_and_ended_sessions_are_dead_on_every_replica,
        a_token_ends_and_a_reused_refresh_token_ends_the_family,
        a_frozen_account_is_refused_at_once_with_every_credential,
        api_keys_do_what_they_may_and_die_at_once,
        a_secret_is_shown_once_whatever_the_idempotency_key,
    },
    workspace::{
        nobody_gives_or_takes_a_role_above_the_own_and_an_owner_stays,
        another_workspace_is_absent,
        a_workspace_is_changed_by_its_version,
        keys_and_rights_of_a_removed_member_stay_gone,
        a_changed_default_is_noticed_when_what_is_cached_has_ended,
    },
    tiers::{
        the_set_up_token_makes_one_administrator,
        eight_callers_at_once_stay_within_a_limit,
        the_tier_bounds_the_members_and_follows_the_administrator,
        eight_debits_at_once_never_overdraw_and_the_ledger_sums_to_zero,
    },
}
