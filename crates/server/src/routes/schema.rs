//! Schemas for the documentation of domain types that several routes speak of.
//!
//! They describe; nothing is read into them or made from them. `domain` knows no OpenAPI, so its words are named here.
#![allow(dead_code, reason = "schemas are descriptions: their fields are never read")]

use utoipa::ToSchema;

/// An identifier as a client gives it.
#[derive(ToSchema)]
#[schema(as = NewIdentifier)]
pub(crate) struct IdentifierBody {
    /// One of `GET /api/namespaces`, or one's own word; `generic` when absent.
    #[schema(max_length = 64)]
    namespace: Option<String>,
    /// What kind of number it is, such as `ear_tag`.
    #[schema(min_length = 1, max_length = 64)]
    key: String,
    #[schema(min_length = 1, max_length = 256)]
    value: String,
    /// Makes it canonical: valid everywhere, checked by the registry's rules.
    registry: Option<String>,
    /// Where a contextual identifier is unique; `workspace` when absent.
    scope: Option<ScopeWord>,
}

/// An identifier as stored: normalised.
#[derive(ToSchema)]
#[schema(as = Identifier)]
pub(crate) struct IdentifierView {
    namespace: Option<String>,
    key: String,
    value: String,
    registry: Option<String>,
    scope: Option<ScopeWord>,
    /// Set by the server only.
    verified: bool,
}

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident as $shown:ident { $($variant:ident),+ $(,)? })+) => { $(
        $(#[$meta])*
        #[derive(ToSchema)]
        #[schema(as = $shown, rename_all = "snake_case")]
        pub(crate) enum $name { $($variant),+ }
    )+ };
}

words! {
    /// Where a contextual identifier is unique.
    ScopeWord as IdentifierScope { User, Workspace, Circuit }
    /// Where a local item stands.
    LocalItemStatusWord as LocalItemStatus { LocalOnly, PendingApproval, Tokenized, Merged }
    /// Where an item stands.
    ItemStatusWord as ItemStatus { Active, Deprecated, Merged, Split }
    /// Whose word counts when two items say different things.
    MergeStrategyWord as MergeStrategy { Append, KeepFirst, Overwrite }
    /// Where a circuit stands.
    CircuitStatusWord as CircuitStatus { Active, Inactive, Archived }
    /// What a member of a circuit may do.
    PermissionWord as Permission { Push, Pull, Invite, ManageMembers, ManagePermissions, ManageRoles, Delete, Certify, Audit }
    /// Where a user's account stands.
    UserStatusWord as UserStatus { Active, PendingVerification, Suspended, Banned }
    /// What a workspace may use.
    TierWord as Tier { Basic, Professional, Enterprise, Admin }
    /// The form of a file.
    FormatWord as ExportFormat { Csv, Jsonl }
    /// The order of a list.
    SortWord as SortOrder { Asc, Desc }
    /// What a push came to.
    PushStatusWord as PushStatus { NewItemCreated, ExistingItemEnriched, ConflictDetected }
    /// Push or pull.
    OperationKindWord as OperationKind { Push, Pull }
    /// Where an operation stands.
    OperationStateWord as OperationState { Pending, Approved, Completed, Failed, Rejected, Cancelled }
    /// Where an invitation stands.
    InvitationStateWord as InvitationState { Pending, Accepted, Declined, Revoked, Expired }
    /// Where a join request stands.
    JoinRequestStateWord as JoinRequestState { Pending, Approved, Rejected, Withdrawn }
    /// Where a pending item stands.
    PendingStateWord as PendingState { Pending, Approved, Rejected, Modified }
    /// How a pending item is resolved.
    ResolutionWord as Resolution { Approve, Reject, Modify }
}

/// What identifiers in a circuit must fulfil.
#[derive(ToSchema)]
#[schema(as = IdentifierRules)]
pub(crate) struct RulesSchema {
    /// Keys of canonical identifiers that every item needs.
    required_canonical: Option<Vec<String>>,
    /// Keys of contextual identifiers that every item needs.
    required_contextual: Option<Vec<String>>,
    /// Namespaces that are allowed; all when empty.
    allowed_namespaces: Option<Vec<String>>,
    /// Whether identifiers without a namespace get the circuit's default one.
    auto_apply_namespace: Option<bool>,
    /// Whether the same push again is recognised by its content.
    fingerprinting: Option<bool>,
}

/// What needs approval.
#[derive(ToSchema)]
#[schema(as = ApprovalSwitches)]
pub(crate) struct ApprovalsSchema {
    push: Option<bool>,
    pull: Option<bool>,
}

/// How a circuit shows itself to the public.
#[derive(ToSchema)]
#[schema(as = PublicSettings)]
pub(crate) struct PublicSchema {
    enabled: Option<bool>,
    /// Not shown before this moment.
    #[schema(format = "date-time")]
    publish_at: Option<String>,
    title: Option<String>,
    description: Option<String>,
    /// Begins with `https://`.
    logo_url: Option<String>,
    /// Such as `#2f6b3a`.
    colour: Option<String>,
}
