//! Circuits: their status, settings, and the states of invitations and join requests.
//!
//! Permissions and roles live in [`permission`], the rules about identifiers in [`rules`], changes of settings in
//! [`change`].

mod change;
mod permission;
mod rules;

use serde::{Deserialize, Serialize};

pub use change::{ApprovalChange, PublicChange, RuleChange, merge_patch};
pub use permission::{BuiltInRole, Permission, Permissions, can_grant};
pub use rules::IdentifierRules;

use crate::{problem::FieldError, text::check_line, time::Timestamp, words::words};

/// Longest name of a circuit, in characters.
pub const MAX_NAME: usize = 128;
/// Longest description of a circuit, in characters.
pub const MAX_DESCRIPTION: usize = 4_096;
/// Most entries of one batch push.
pub const MAX_BATCH: usize = 1_000;

words! {
    /// Whether a circuit takes part in exchange.
    CircuitStatus, "circuit status" {
        /// Members push and pull.
        Active = "active",
        /// Paused: readable, nothing goes in or out.
        Inactive = "inactive",
        /// Closed for good; readable.
        Archived = "archived",
    }
}

impl CircuitStatus {
    /// Whether items may be pushed and pulled.
    #[must_use]
    pub const fn allows_exchange(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Whether the status may change to `next`. Archiving is for good; staying the same is no change.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Active, Self::Inactive | Self::Archived) | (Self::Inactive, Self::Active | Self::Archived)
        )
    }
}

words! {
    /// Where an invitation stands.
    InvitationState, "invitation state" {
        /// Waits for the invited.
        Pending = "pending",
        /// The invited is a member now.
        Accepted = "accepted",
        /// The invited said no.
        Declined = "declined",
        /// Taken back by the circuit.
        Revoked = "revoked",
        /// Its time ran out.
        Expired = "expired",
    }
}

words! {
    /// Where a request to join stands.
    JoinRequestState, "join request state" {
        /// Waits for the circuit.
        Pending = "pending",
        /// The requester is a member now.
        Approved = "approved",
        /// Refused.
        Rejected = "rejected",
        /// Taken back by the requester.
        Withdrawn = "withdrawn",
    }
}

impl InvitationState {
    /// Whether the state may change to `next`: only a pending invitation changes, once.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(self, Self::Pending) && !matches!(next, Self::Pending)
    }
}

impl JoinRequestState {
    /// Whether the state may change to `next`: only a pending request changes, once.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(self, Self::Pending) && !matches!(next, Self::Pending)
    }
}

/// Which operations wait for an approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalSwitches {
    /// Pushes wait.
    pub push: bool,
    /// Pulls wait.
    pub pull: bool,
}

/// How a circuit shows itself to the public. The access password's hash is kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicSettings {
    /// Whether there is a public view at all.
    pub enabled: bool,
    /// From when on it is shown; at once if absent.
    pub publish_at: Option<Timestamp>,
    /// Title shown instead of the circuit's name.
    pub title: Option<String>,
    /// Text shown instead of the circuit's description.
    pub description: Option<String>,
    /// Address of a logo, `https` only.
    pub logo_url: Option<String>,
    /// Main colour, `#rrggbb`.
    pub colour: Option<String>,
}

impl PublicSettings {
    /// Whether the public view is shown at `now`.
    #[must_use]
    pub fn is_shown_at(&self, now: Timestamp) -> bool {
        self.enabled && self.publish_at.is_none_or(|from| from <= now)
    }

    /// Checks the texts, the logo's address and the colour.
    #[must_use]
    pub fn validate(&self, field: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let texts = [
            ("title", &self.title, MAX_NAME),
            ("description", &self.description, MAX_DESCRIPTION),
            ("logo_url", &self.logo_url, 2_048),
        ];
        for (name, text, max) in texts {
            if text.as_ref().is_some_and(|text| text.chars().count() > max) {
                errors.push(FieldError::new(
                    format!("{field}.{name}"),
                    "too_long",
                    format!("must have at most {max} characters"),
                ));
            }
        }
        if self
            .logo_url
            .as_ref()
            .is_some_and(|url| !url.starts_with("https://"))
        {
            errors.push(FieldError::new(
                format!("{field}.logo_url"),
                "malformed",
                "must begin with `https://`",
            ));
        }
        if self.colour.as_ref().is_some_and(|colour| !is_colour(colour)) {
            errors.push(FieldError::new(
                format!("{field}.colour"),
                "malformed",
                "must be a colour such as `#2f6b3a`",
            ));
        }
        errors
    }
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Checks a circuit's name and description.
#[must_use]
pub fn check_texts(name: &str, description: Option<&str>) -> Vec<FieldError> {
    let mut errors = Vec::from_iter(check_line("name", name, MAX_NAME));
    if description.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        errors.push(FieldError::new(
            "description",
            "too_long",
            format!("must have at most {MAX_DESCRIPTION} characters"),
        ));
    }
    errors
}
