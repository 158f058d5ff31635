//! Circuits: their settings, roles, members, invitations and join requests.

use app::circuits::CircuitSettings;
use axum::extract::State;
use domain::{
    circuit::{
        ApprovalSwitches, CircuitStatus, IdentifierRules, InvitationState, JoinRequestState, Permissions,
        PublicSettings,
    },
    identity::ApiScope,
    ids::{CircuitId, InvitationId, JoinRequestId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use store::{
    circuit_entry::{Invitation, JoinRequest},
    circuits::{Circuit, Member, Role},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Created, Ctx, IfMatch, Json, List, Listing, NoContent, Operation, Path, Path2, Policy, Routes,
    Tagged,
    platform::{Platform, context},
    routes::schema::{
        ApprovalsSchema, CircuitStatusWord, InvitationStateWord, JoinRequestStateWord, PermissionWord,
        PublicSchema, RulesSchema,
    },
};

const TAG: &str = "circuits";
const REFUSALS: &[ErrorCode] = &[
    ErrorCode::NotFound,
    ErrorCode::Forbidden,
    ErrorCode::Conflict,
    ErrorCode::ValidationFailed,
];

fn read() -> Policy {
    Policy::viewer(ApiScope::CircuitsRead)
}

fn write() -> Policy {
    Policy::member(ApiScope::CircuitsWrite)
}

/// The routes of circuits and of what makes their members.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits",
            write(),
            Operation::new(TAG, "Creates a circuit; the caller becomes its owner")
                .body::<CreateCircuit>()
                .returns::<CircuitView>(201)
                .problems(&[
                    ErrorCode::LimitExceeded,
                    ErrorCode::ValidationFailed,
                    ErrorCode::Conflict,
                ]),
            create,
        )
        .get(
            "/api/circuits",
            read(),
            Operation::new(TAG, "Lists the circuits the caller is a member of")
                .query::<CircuitFilter>()
                .returns_page::<CircuitView>(),
            list,
        )
        .get(
            "/api/circuits/{circuit_id}",
            read(),
            Operation::new(TAG, "Reads a circuit the caller is a member of")
                .returns::<CircuitView>(200)
                .problems(&[ErrorCode::NotFound]),
            get,
        )
        .patch(
            "/api/circuits/{circuit_id}",
            write(),
            Operation::new(
                TAG,
                "Changes a circuit's settings; archiving needs the permission `delete`",
            )
            .body::<UpdateCircuit>()
            .returns::<CircuitView>(200)
            .problems(REFUSALS)
            .if_match(),
            update,
        )
        .merge(roles())
        .merge(members())
        .merge(invitations())
        .merge(join_requests())
}

fn roles() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/circuits/{circuit_id}/roles",
            read(),
            Operation::new(TAG, "Lists a circuit's roles")
                .returns::<RolesView>(200)
                .problems(&[ErrorCode::NotFound]),
            list_roles,
        )
        .post(
            "/api/circuits/{circuit_id}/roles",
            write(),
            Operation::new(TAG, "Adds a custom role; nobody grants what they don't hold")
                .body::<RoleBody>()
                .returns::<RoleView>(201)
                .problems(REFUSALS),
            create_role,
        )
        .put(
            "/api/circuits/{circuit_id}/roles/{role}",
            write(),
            Operation::new(TAG, "Changes a custom role, for all who have it")
                .body::<PermissionsBody>()
                .returns::<RoleView>(200)
                .problems(REFUSALS),
            update_role,
        )
        .delete(
            "/api/circuits/{circuit_id}/roles/{role}",
            write(),
            Operation::new(TAG, "Removes a custom role that nobody has")
                .returns_nothing(204)
                .problems(REFUSALS),
            delete_role,
        )
}

fn members() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/circuits/{circuit_id}/members",
            read(),
            Operation::new(TAG, "Lists a circuit's members")
                .returns_page::<MemberView>()
                .problems(&[ErrorCode::NotFound]),
            list_members,
        )
        .put(
            "/api/circuits/{circuit_id}/members/{user_id}",
            write(),
            Operation::new(TAG, "Gives a member another role")
                .body::<MemberRoleBody>()
                .returns::<MemberView>(200)
                .problems(REFUSALS),
            set_member_role,
        )
        .delete(
            "/api/circuits/{circuit_id}/members/{user_id}",
            read(),
            Operation::new(TAG, "Removes a member; one's own membership can always be ended")
                .returns_nothing(204)
                .problems(REFUSALS),
            remove_member,
        )
}

fn invitations() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits/{circuit_id}/invitations",
            write(),
            Operation::new(TAG, "Invites a user by name; the invited decides")
                .body::<InviteBody>()
                .returns::<InvitationView>(201)
                .problems(REFUSALS),
            invite,
        )
        .get(
            "/api/circuits/{circuit_id}/invitations",
            read(),
            Operation::new(TAG, "Lists the invitations to a circuit")
                .returns_page::<InvitationView>()
                .problems(&[ErrorCode::NotFound, ErrorCode::Forbidden]),
            list_invitations,
        )
        .delete(
            "/api/circuits/{circuit_id}/invitations/{invitation_id}",
            write(),
            Operation::new(TAG, "Takes an open invitation back")
                .returns_nothing(204)
                .problems(REFUSALS)
                .problems(&[ErrorCode::InvalidTransition]),
            revoke,
        )
        .get(
            "/api/invitations",
            read(),
            Operation::new(TAG, "Lists the caller's own invitations").returns_page::<InvitationView>(),
            my_invitations,
        )
        .post(
            "/api/invitations/{invitation_id}/accept",
            read(),
            Operation::new(TAG, "Accepts an invitation, as the invited")
                .returns::<InvitationView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            accept,
        )
        .post(
            "/api/invitations/{invitation_id}/decline",
            read(),
            Operation::new(TAG, "Declines an invitation, as the invited")
                .returns::<InvitationView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            decline,
        )
}

fn join_requests() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits/{circuit_id}/join-requests",
            read(),
            Operation::new(TAG, "Asks to join a circuit that shows itself to the public")
                .body::<MessageBody>()
                .returns::<JoinRequestView>(201)
                .problems(&[
                    ErrorCode::NotFound,
                    ErrorCode::Conflict,
                    ErrorCode::ValidationFailed,
                ]),
            ask_to_join,
        )
        .get(
            "/api/circuits/{circuit_id}/join-requests",
            read(),
            Operation::new(TAG, "Lists the join requests of a circuit")
                .returns_page::<JoinRequestView>()
                .problems(&[ErrorCode::NotFound, ErrorCode::Forbidden]),
            list_requests,
        )
        .post(
            "/api/circuits/{circuit_id}/join-requests/{request_id}/approve",
            write(),
            Operation::new(TAG, "Approves a join request with a role")
                .body::<ApproveBody>()
                .returns::<JoinRequestView>(200)
                .problems(REFUSALS),
            approve_request,
        )
        .post(
            "/api/circuits/{circuit_id}/join-requests/{request_id}/reject",
            write(),
            Operation::new(TAG, "Rejects a join request")
                .returns::<JoinRequestView>(200)
                .problems(REFUSALS),
            reject_request,
        )
        .get(
            "/api/join-requests",
            read(),
            Operation::new(TAG, "Lists the caller's own join requests").returns_page::<JoinRequestView>(),
            my_requests,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateCircuit {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    #[schema(max_length = 4096)]
    description: Option<String>,
    #[schema(max_length = 64)]
    default_namespace: Option<String>,
    #[schema(value_type = Option<RulesSchema>)]
    rules: Option<IdentifierRules>,
    #[schema(value_type = Option<ApprovalsSchema>)]
    approvals: Option<ApprovalSwitches>,
    #[schema(value_type = Option<PublicSchema>)]
    public: Option<PublicSettings>,
    /// Guards the public view.
    public_password: Option<String>,
    #[schema(value_type = Option<Object>)]
    adapter: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    post_actions: Option<Map<String, Value>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateCircuit {
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    #[schema(max_length = 4096)]
    description: Option<String>,
    #[schema(value_type = Option<CircuitStatusWord>)]
    status: Option<CircuitStatus>,
    #[schema(max_length = 64)]
    default_namespace: Option<String>,
    #[schema(value_type = Option<RulesSchema>)]
    rules: Option<IdentifierRules>,
    #[schema(value_type = Option<ApprovalsSchema>)]
    approvals: Option<ApprovalSwitches>,
    #[schema(value_type = Option<PublicSchema>)]
    public: Option<PublicSettings>,
    /// Guards the public view; an empty text takes the guard away.
    public_password: Option<String>,
    #[schema(value_type = Option<Object>)]
    adapter: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    post_actions: Option<Map<String, Value>>,
}

impl From<CreateCircuit> for CircuitSettings {
    fn from(body: CreateCircuit) -> Self {
        Self {
            name: Some(body.name),
            description: body.description,
            status: None,
            default_namespace: body.default_namespace,
            rules: body.rules,
            approvals: body.approvals,
            public: body.public,
            public_password: body.public_password,
            adapter: body.adapter,
            post_actions: body.post_actions,
        }
    }
}

impl From<UpdateCircuit> for CircuitSettings {
    fn from(body: UpdateCircuit) -> Self {
        Self {
            name: body.name,
            description: body.description,
            status: body.status,
            default_namespace: body.default_namespace,
            rules: body.rules,
            approvals: body.approvals,
            public: body.public,
            public_password: body.public_password,
            adapter: body.adapter,
            post_actions: body.post_actions,
        }
    }
}

#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields, default)]
struct CircuitFilter {
    /// Only circuits in this state.
    #[param(value_type = Option<CircuitStatusWord>)]
    status: Option<CircuitStatus>,
}

#[derive(Serialize, ToSchema)]
struct CircuitView {
    #[schema(value_type = String, format = "uuid")]
    id: CircuitId,
    name: String,
    description: String,
    #[schema(value_type = CircuitStatusWord)]
    status: CircuitStatus,
    #[schema(value_type = String, format = "uuid")]
    owner_id: UserId,
    #[schema(value_type = String, format = "uuid")]
    owner_workspace_id: WorkspaceId,
    default_namespace: Option<String>,
    #[schema(value_type = RulesSchema)]
    rules: IdentifierRules,
    #[schema(value_type = ApprovalsSchema)]
    approvals: ApprovalSwitches,
    #[schema(value_type = PublicSchema)]
    public: PublicSettings,
    /// Under `/api/public/circuits/`, once the circuit shows itself.
    public_slug: Option<String>,
    public_password_set: bool,
    #[schema(value_type = Object)]
    adapter: Box<RawValue>,
    #[schema(value_type = Object)]
    post_actions: Box<RawValue>,
    version: u64,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl TryFrom<Circuit> for CircuitView {
    type Error = ApiError;

    fn try_from(circuit: Circuit) -> Result<Self, ApiError> {
        let raw = |text: String| RawValue::from_string(text).map_err(ApiError::internal);
        Ok(Self {
            id: circuit.id,
            name: circuit.name,
            description: circuit.description,
            status: circuit.status,
            owner_id: circuit.owner_id,
            owner_workspace_id: circuit.workspace_id,
            default_namespace: circuit.default_namespace,
            rules: circuit.rules,
            approvals: circuit.approvals,
            public: circuit.public,
            public_slug: circuit.public_slug,
            public_password_set: circuit.public_password_hash.is_some(),
            adapter: raw(circuit.adapter.0)?,
            post_actions: raw(circuit.post_actions.0)?,
            version: circuit.version,
            created_at: circuit.created_at,
            updated_at: circuit.updated_at,
        })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CircuitRoleBody)]
struct RoleBody {
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9_-]+$")]
    name: String,
    #[schema(value_type = Vec<PermissionWord>)]
    permissions: Permissions,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PermissionsBody {
    #[schema(value_type = Vec<PermissionWord>)]
    permissions: Permissions,
}

#[derive(Serialize, ToSchema)]
struct RolesView {
    data: Vec<RoleView>,
}

#[derive(Serialize, ToSchema)]
struct RoleView {
    name: String,
    #[schema(value_type = Vec<PermissionWord>)]
    permissions: Permissions,
    built_in: bool,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            name: role.name,
            permissions: role.permissions,
            built_in: role.built_in,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberRoleBody {
    role: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CircuitMember)]
struct MemberView {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    role: String,
    #[schema(value_type = Vec<PermissionWord>)]
    permissions: Permissions,
    #[schema(value_type = String, format = "date-time")]
    joined_at: Timestamp,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            workspace_id: member.workspace_id,
            role: member.role,
            permissions: member.permissions,
            joined_at: member.joined_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    /// Who is invited.
    username: String,
    /// The role offered.
    role: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    message: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    #[serde(default)]
    #[schema(max_length = 1000)]
    message: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    /// The role the new member gets.
    role: String,
}

#[derive(Serialize, ToSchema)]
struct InvitationView {
    #[schema(value_type = String, format = "uuid")]
    id: InvitationId,
    #[schema(value_type = String, format = "uuid")]
    circuit_id: CircuitId,
    #[schema(value_type = String, format = "uuid")]
    invited_user_id: UserId,
    role: String,
    message: String,
    #[schema(value_type = InvitationStateWord)]
    state: InvitationState,
    #[schema(value_type = String, format = "uuid")]
    invited_by: UserId,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            circuit_id: invitation.circuit_id,
            invited_user_id: invitation.invited_user_id,
            role: invitation.role,
            message: invitation.message,
            state: invitation.state,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct JoinRequestView {
    #[schema(value_type = String, format = "uuid")]
    id: JoinRequestId,
    #[schema(value_type = String, format = "uuid")]
    circuit_id: CircuitId,
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    message: String,
    #[schema(value_type = JoinRequestStateWord)]
    state: JoinRequestState,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<JoinRequest> for JoinRequestView {
    fn from(request: JoinRequest) -> Self {
        Self {
            id: request.id,
            circuit_id: request.circuit_id,
            user_id: request.user_id,
            message: request.message,
            state: request.state,
            created_at: request.created_at,
        }
    }
}

type Answer<T> = Result<T, ApiError>;

async fn create(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<CreateCircuit>,
) -> Answer<Created<CircuitView>> {
    let circuit = platform.app.create_circuit(&context(&ctx)?, body.into()).await?;
    let (location, version) = (format!("/api/circuits/{}", circuit.id), Some(circuit.version));
    Ok(Created {
        location,
        version,
        body: circuit.try_into()?,
    })
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<CircuitFilter>,
) -> Answer<Listing<CircuitView>> {
    let context = context(&ctx)?;
    let page = platform
        .app
        .circuits(&context, list.filter.status, &list.page)
        .await?;
    let count = platform.app.count_circuits(&context, list.filter.status);
    let total = list.total(count).await?;
    Listing::try_new(page, list.page.limit, total, CircuitView::try_from)
}

async fn get(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
) -> Answer<Tagged<CircuitView>> {
    let (circuit, _) = platform.app.circuit(&context(&ctx)?, id).await?;
    Ok(Tagged::new(circuit.version, circuit.try_into()?))
}

async fn update(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    if_match: IfMatch,
    Json(body): Json<UpdateCircuit>,
) -> Answer<Tagged<CircuitView>> {
    let circuit = platform
        .app
        .update_circuit(&context(&ctx)?, id, body.into(), if_match.0)
        .await?;
    Ok(Tagged::new(circuit.version, circuit.try_into()?))
}

async fn list_roles(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
) -> Answer<Json<RolesView>> {
    let roles = platform.app.circuit_roles(&context(&ctx)?, id).await?;
    Ok(Json(RolesView {
        data: roles.into_iter().map(RoleView::from).collect(),
    }))
}

async fn create_role(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    Json(body): Json<RoleBody>,
) -> Answer<Created<RoleView>> {
    let role = platform
        .app
        .create_circuit_role(&context(&ctx)?, id, &body.name, body.permissions)
        .await?;
    Ok(Created {
        location: format!("/api/circuits/{id}/roles/{}", role.name),
        version: None,
        body: role.into(),
    })
}

async fn update_role(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, role): Path2<CircuitId, String>,
    Json(body): Json<PermissionsBody>,
) -> Answer<Json<RoleView>> {
    let role = platform
        .app
        .update_circuit_role(&context(&ctx)?, id, &role, body.permissions)
        .await?;
    Ok(Json(role.into()))
}

async fn delete_role(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, role): Path2<CircuitId, String>,
) -> Answer<NoContent> {
    platform
        .app
        .delete_circuit_role(&context(&ctx)?, id, &role)
        .await?;
    Ok(NoContent)
}

async fn list_members(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    list: List,
) -> Answer<Listing<MemberView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.circuit_members(&context, id, &list.page).await?;
    let total = list.total(app.count_circuit_members(&context, id)).await?;
    Ok(Listing::new(page, list.page.limit, total, MemberView::from))
}

async fn set_member_role(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, user): Path2<CircuitId, UserId>,
    Json(body): Json<MemberRoleBody>,
) -> Answer<Json<MemberView>> {
    let member = platform
        .app
        .set_circuit_member_role(&context(&ctx)?, id, user, &body.role)
        .await?;
    Ok(Json(member.into()))
}

async fn remove_member(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, user): Path2<CircuitId, UserId>,
) -> Answer<NoContent> {
    platform
        .app
        .remove_circuit_member(&context(&ctx)?, id, user)
        .await?;
    Ok(NoContent)
}

async fn invite(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    Json(body): Json<InviteBody>,
) -> Answer<Created<InvitationView>> {
    let context = context(&ctx)?;
    let invitation = platform
        .app
        .invite_to_circuit(&context, id, &body.username, &body.role, &body.message)
        .await?;
    let location = format!("/api/circuits/{id}/invitations/{}", invitation.id);
    Ok(Created {
        location,
        version: None,
        body: invitation.into(),
    })
}

async fn list_invitations(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    list: List,
) -> Answer<Listing<InvitationView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.circuit_invitations(&context, id, &list.page).await?;
    let total = list.total(app.count_circuit_invitations(&context, id)).await?;
    Ok(Listing::new(page, list.page.limit, total, InvitationView::from))
}

async fn revoke(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, invitation): Path2<CircuitId, InvitationId>,
) -> Answer<NoContent> {
    platform
        .app
        .revoke_invitation(&context(&ctx)?, id, invitation)
        .await?;
    Ok(NoContent)
}

async fn my_invitations(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Answer<Listing<InvitationView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.my_invitations(&context, &list.page).await?;
    let total = list.total(app.count_my_invitations(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, InvitationView::from))
}

async fn accept(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<InvitationId>,
) -> Answer<Json<InvitationView>> {
    Ok(Json(
        platform
            .app
            .answer_invitation(&context(&ctx)?, id, true)
            .await?
            .into(),
    ))
}

async fn decline(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<InvitationId>,
) -> Answer<Json<InvitationView>> {
    Ok(Json(
        platform
            .app
            .answer_invitation(&context(&ctx)?, id, false)
            .await?
            .into(),
    ))
}

async fn ask_to_join(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    Json(body): Json<MessageBody>,
) -> Answer<Created<JoinRequestView>> {
    let request = platform
        .app
        .request_to_join(&context(&ctx)?, id, &body.message)
        .await?;
    Ok(Created {
        location: "/api/join-requests".to_owned(),
        version: None,
        body: request.into(),
    })
}

async fn list_requests(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    list: List,
) -> Answer<Listing<JoinRequestView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.join_requests(&context, id, &list.page).await?;
    let total = list.total(app.count_join_requests(&context, id)).await?;
    Ok(Listing::new(page, list.page.limit, total, JoinRequestView::from))
}

async fn my_requests(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Answer<Listing<JoinRequestView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.my_join_requests(&context, &list.page).await?;
    let total = list.total(app.count_my_join_requests(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, JoinRequestView::from))
}

async fn approve_request(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, request): Path2<CircuitId, JoinRequestId>,
    Json(body): Json<ApproveBody>,
) -> Answer<Json<JoinRequestView>> {
    let context = context(&ctx)?;
    Ok(Json(
        platform
            .app
            .decide_join_request(&context, id, request, Some(&body.role))
            .await?
            .into(),
    ))
}

async fn reject_request(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, request): Path2<CircuitId, JoinRequestId>,
) -> Answer<Json<JoinRequestView>> {
    Ok(Json(
        platform
            .app
            .decide_join_request(&context(&ctx)?, id, request, None)
            .await?
            .into(),
    ))
}
