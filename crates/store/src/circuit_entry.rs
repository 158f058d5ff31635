//! How one comes into a circuit: invitations, which the invited accept, and join requests, which members decide.

use db::{Read, statements};
use domain::{
    circuit::{InvitationState, JoinRequestState},
    ids::{CircuitId, InvitationId, JoinRequestId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};

use crate::{Step, StoreError, bind::Columns};

/// An invitation to a circuit.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The circuit.
    pub circuit_id: CircuitId,
    /// Its id.
    pub id: InvitationId,
    /// Who is invited.
    pub invited_user_id: UserId,
    /// The workspace the invited acts for.
    pub invited_workspace_id: WorkspaceId,
    /// The role offered.
    pub role: String,
    /// A word to the invited.
    pub message: String,
    /// Where it stands.
    pub state: InvitationState,
    /// Who invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

/// A request to join a circuit.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The circuit.
    pub circuit_id: CircuitId,
    /// Its id.
    pub id: JoinRequestId,
    /// The workspace the asker acts for.
    pub workspace_id: WorkspaceId,
    /// Who asks.
    pub user_id: UserId,
    /// Why.
    pub message: String,
    /// Where it stands.
    pub state: JoinRequestState,
    /// When.
    pub created_at: Timestamp,
}

statements! {
    INSERT_INVITATION = "circuit_invitations.insert", "
        insert into circuit_invitations (circuit_id, id, invited_user_id, invited_workspace_id, role, message, state, invited_by, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9)";
    INVITATION = "circuit_invitations.find", "
        select circuit_id, id, invited_user_id, invited_workspace_id, role, message, state, invited_by, created_at, expires_at
          from circuit_invitations
         where id = $1 and (invited_user_id = $2 or circuit_id = $3)";
    INVITATIONS_FOR = "circuit_invitations.list_for_user", "
        select circuit_id, id, invited_user_id, invited_workspace_id, role, message, state, invited_by, created_at, expires_at
          from circuit_invitations
         where invited_user_id = $1 and id > $2
         order by id
         limit $3 offset $4";
    COUNT_INVITATIONS_FOR = "circuit_invitations.count_for_user", "
        select count(*) as n from circuit_invitations where invited_user_id = $1";
    INVITATIONS_OF = "circuit_invitations.list_of_circuit", "
        select circuit_id, id, invited_user_id, invited_workspace_id, role, message, state, invited_by, created_at, expires_at
          from circuit_invitations
         where circuit_id = $1 and id > $2
         order by id
         limit $3 offset $4";
    COUNT_INVITATIONS_OF = "circuit_invitations.count_of_circuit", "
        select count(*) as n from circuit_invitations where circuit_id = $1";
    DECIDE_INVITATION = "circuit_invitations.decide", "
        update circuit_invitations set state = $3, decided_at = $4
         where circuit_id = $1 and id = $2 and state = 'pending'";
    END_INVITATIONS = "circuit_invitations.end", "
        update circuit_invitations set state = 'revoked', decided_at = $3
         where circuit_id = $1 and invited_user_id = $2 and state = 'pending'";
    END_INVITATIONS_FOR = "circuit_invitations.end_for_workspace", "
        update circuit_invitations set state = 'revoked', decided_at = $3
         where invited_workspace_id = $1 and invited_user_id = $2 and state = 'pending'";
    INSERT_REQUEST = "circuit_join_requests.insert", "
        insert into circuit_join_requests (circuit_id, id, workspace_id, user_id, message, state, created_at)
        values ($1, $2, $3, $4, $5, 'pending', $6)";
    REQUEST = "circuit_join_requests.find", "
        select circuit_id, id, workspace_id, user_id, message, state, created_at
          from circuit_join_requests
         where circuit_id = $1 and id = $2";
    REQUESTS = "circuit_join_requests.list", "
        select circuit_id, id, workspace_id, user_id, message, state, created_at
          from circuit_join_requests
         where circuit_id = $1 and id > $2
         order by id
         limit $3 offset $4";
    COUNT_REQUESTS = "circuit_join_requests.count_all", "
        select count(*) as n from circuit_join_requests where circuit_id = $1";
    REQUESTS_BY = "circuit_join_requests.list_by_user", "
        select circuit_id, id, workspace_id, user_id, message, state, created_at
          from circuit_join_requests
         where user_id = $1 and id > $2
         order by id
         limit $3 offset $4";
    COUNT_REQUESTS_BY = "circuit_join_requests.count_by_user", "
        select count(*) as n from circuit_join_requests where user_id = $1";
    DECIDE_REQUEST = "circuit_join_requests.decide", "
        update circuit_join_requests set state = $3, decided_by = $4, decided_at = $5
         where circuit_id = $1 and id = $2 and state = 'pending'";
    END_REQUESTS = "circuit_join_requests.end", "
        update circuit_join_requests set state = 'withdrawn', decided_at = $3
         where circuit_id = $1 and user_id = $2 and state = 'pending'";
    END_REQUESTS_FOR = "circuit_join_requests.end_for_workspace", "
        update circuit_join_requests set state = 'withdrawn', decided_at = $3
         where workspace_id = $1 and user_id = $2 and state = 'pending'";
}

fn read_invitation(row: &db::Row) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        circuit_id: row.id("circuit_id")?,
        id: row.id("id")?,
        invited_user_id: row.id("invited_user_id")?,
        invited_workspace_id: row.id("invited_workspace_id")?,
        role: row.text("role")?,
        message: row.text("message")?,
        state: row.word("state")?,
        invited_by: row.id("invited_by")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}

fn read_request(row: &db::Row) -> Result<JoinRequest, StoreError> {
    Ok(JoinRequest {
        circuit_id: row.id("circuit_id")?,
        id: row.id("id")?,
        workspace_id: row.id("workspace_id")?,
        user_id: row.id("user_id")?,
        message: row.text("message")?,
        state: row.word("state")?,
        created_at: row.time("created_at")?,
    })
}

/// The step that adds an invitation; a second open one for the same user is `StoreError::Unique`.
#[must_use]
pub fn insert_invitation(invitation: &Invitation) -> Step {
    let i = invitation;
    let args = bind![
        i.circuit_id,
        i.id,
        i.invited_user_id,
        i.invited_workspace_id,
        &i.role,
        &i.message,
        i.invited_by,
        i.created_at,
        i.expires_at,
    ];
    (INSERT_INVITATION, args)
}

/// An invitation, for the invited or within a circuit.
pub async fn invitation(
    db: &impl Read,
    id: InvitationId,
    invited: UserId,
    circuit: Option<CircuitId>,
) -> Result<Option<Invitation>, StoreError> {
    db.optional(INVITATION, bind![id, invited, circuit])
        .await?
        .as_ref()
        .map(read_invitation)
        .transpose()
}

/// The invitations of a user, oldest first.
pub async fn invitations_for(
    db: &impl Read,
    user: UserId,
    after: InvitationId,
    page: &PageRequest,
) -> Result<Vec<Invitation>, StoreError> {
    db.all(INVITATIONS_FOR, bind![user, after, page.rows(), page.offset])
        .await?
        .iter()
        .map(read_invitation)
        .collect()
}

/// Counts them.
pub async fn count_invitations_for(db: &impl Read, user: UserId) -> Result<u64, StoreError> {
    db.one(COUNT_INVITATIONS_FOR, bind![user]).await?.version("n")
}

/// The invitations to a circuit, oldest first.
pub async fn invitations_of(
    db: &impl Read,
    circuit: CircuitId,
    after: InvitationId,
    page: &PageRequest,
) -> Result<Vec<Invitation>, StoreError> {
    db.all(INVITATIONS_OF, bind![circuit, after, page.rows(), page.offset])
        .await?
        .iter()
        .map(read_invitation)
        .collect()
}

/// Counts them.
pub async fn count_invitations_of(db: &impl Read, circuit: CircuitId) -> Result<u64, StoreError> {
    db.one(COUNT_INVITATIONS_OF, bind![circuit]).await?.version("n")
}

/// The step that decides an open invitation; it affects no row if it was decided before.
#[must_use]
pub fn decide_invitation(invitation: &Invitation, state: InvitationState, now: Timestamp) -> Step {
    (
        DECIDE_INVITATION,
        bind![invitation.circuit_id, invitation.id, state.as_str(), now],
    )
}

/// The step that adds a join request; a second open one by the same user is `StoreError::Unique`.
#[must_use]
pub fn insert_request(request: &JoinRequest) -> Step {
    let r = request;
    (
        INSERT_REQUEST,
        bind![
            r.circuit_id,
            r.id,
            r.workspace_id,
            r.user_id,
            &r.message,
            r.created_at
        ],
    )
}

/// A join request of a circuit.
pub async fn request(
    db: &impl Read,
    circuit: CircuitId,
    id: JoinRequestId,
) -> Result<Option<JoinRequest>, StoreError> {
    db.optional(REQUEST, bind![circuit, id])
        .await?
        .as_ref()
        .map(read_request)
        .transpose()
}

/// The join requests of a circuit, oldest first.
pub async fn requests(
    db: &impl Read,
    circuit: CircuitId,
    after: JoinRequestId,
    page: &PageRequest,
) -> Result<Vec<JoinRequest>, StoreError> {
    db.all(REQUESTS, bind![circuit, after, page.rows(), page.offset])
        .await?
        .iter()
        .map(read_request)
        .collect()
}

/// Counts them.
pub async fn count_requests(db: &impl Read, circuit: CircuitId) -> Result<u64, StoreError> {
    db.one(COUNT_REQUESTS, bind![circuit]).await?.version("n")
}

/// The join requests of a user, oldest first.
pub async fn requests_by(
    db: &impl Read,
    user: UserId,
    after: JoinRequestId,
    page: &PageRequest,
) -> Result<Vec<JoinRequest>, StoreError> {
    db.all(REQUESTS_BY, bind![user, after, page.rows(), page.offset])
        .await?
        .iter()
        .map(read_request)
        .collect()
}

/// Counts them.
pub async fn count_requests_by(db: &impl Read, user: UserId) -> Result<u64, StoreError> {
    db.one(COUNT_REQUESTS_BY, bind![user]).await?.version("n")
}

/// The step that decides an open join request; it affects no row if it was decided before.
#[must_use]
pub fn decide_request(request: &JoinRequest, state: JoinRequestState, by: UserId, now: Timestamp) -> Step {
    (
        DECIDE_REQUEST,
        bind![request.circuit_id, request.id, state.as_str(), by, now],
    )
}

/// The steps that end what is open between a circuit and a user: who has come in or was taken out does not come in once
/// more by an earlier word.
#[must_use]
pub fn end_open(circuit: CircuitId, user: UserId, now: Timestamp) -> [Step; 2] {
    [
        (END_INVITATIONS, bind![circuit, user, now]),
        (END_REQUESTS, bind![circuit, user, now]),
    ]
}

/// The steps that end what is open between any circuit and a user who acts for a workspace no more.
#[must_use]
pub fn end_open_for(workspace: WorkspaceId, user: UserId, now: Timestamp) -> [Step; 2] {
    [
        (END_INVITATIONS_FOR, bind![workspace, user, now]),
        (END_REQUESTS_FOR, bind![workspace, user, now]),
    ]
}
