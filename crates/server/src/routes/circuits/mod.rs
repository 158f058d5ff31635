//! Circuits: their settings. Their roles, members and ways in stand beside.

mod entry;
mod members;
mod roles;

use app::circuits::CircuitSettings;
use axum::extract::State;
use domain::{
    circuit::{
        ApprovalChange, ApprovalSwitches, CircuitStatus, IdentifierRules, PublicChange, PublicSettings,
        RuleChange,
    },
    identity::ApiScope,
    ids::{CircuitId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
    unique,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use store::circuits::Circuit;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, REFUSALS};
use crate::{
    ApiError, Created, Ctx, IfMatch, Json, List, Listing, Operation, Path, Policy, Routes, Tagged,
    platform::{Platform, context},
    routes::schema::{ApprovalsSchema, CircuitStatusWord, PublicSchema, RulesSchema},
};

const TAG: &str = "circuits";

/// Reading.
pub(super) fn read() -> Policy {
    Policy::viewer(ApiScope::CircuitsRead)
}

/// Changing what belongs to the circuit.
pub(super) fn write() -> Policy {
    Policy::member(ApiScope::CircuitsWrite)
}

/// Acting in it for oneself: joining, leaving, pulling. A viewer of the workspace may, a key for reading may not.
pub(super) fn act() -> Policy {
    Policy::viewer(ApiScope::CircuitsWrite)
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
        .merge(of_one_circuit())
        .merge(roles::roles())
        .merge(members::members())
        .merge(entry::invitations())
        .merge(entry::join_requests())
}

/// The routes of one circuit and its settings.
fn of_one_circuit() -> Routes<Platform> {
    Routes::new()
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
            .description(
                "What is left out stays, also within `rules`, `approvals`, `public`, `adapter` and `post_actions` (RFC 7396): \
                 a null within them puts the default back, or takes the member away. Lists are replaced as a whole.",
            )
            .body::<UpdateCircuit>()
            .returns::<CircuitView>(200)
            .problems(REFUSALS)
            .if_match(),
            update,
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
    rules: Option<RuleChange>,
    #[schema(value_type = Option<ApprovalsSchema>)]
    approvals: Option<ApprovalChange>,
    #[schema(value_type = Option<PublicSchema>)]
    public: Option<PublicChange>,
    /// Guards the public view.
    public_password: Option<String>,
    #[serde(default, deserialize_with = "unique::object")]
    #[schema(value_type = Option<Object>)]
    adapter: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "unique::object")]
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
    rules: Option<RuleChange>,
    #[schema(value_type = Option<ApprovalsSchema>)]
    approvals: Option<ApprovalChange>,
    #[schema(value_type = Option<PublicSchema>)]
    public: Option<PublicChange>,
    /// Guards the public view; an empty text takes the guard away.
    public_password: Option<String>,
    #[serde(default, deserialize_with = "unique::object")]
    #[schema(value_type = Option<Object>)]
    adapter: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "unique::object")]
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
