//! Roles of a circuit.

use axum::extract::State;
use domain::{circuit::Permissions, ids::CircuitId, problem::ErrorCode};
use serde::{Deserialize, Serialize};
use store::circuit_roles::Role;
use utoipa::ToSchema;

use super::{Answer, REFUSALS, TAG, read, write};
use crate::{
    Created, Ctx, Json, NoContent, Operation, Path, Path2, Routes,
    platform::{Platform, context},
    routes::schema::PermissionWord,
};

pub(super) fn roles() -> Routes<Platform> {
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
    Ok(Created::at(
        format!("/api/circuits/{id}/roles/{}", role.name),
        role.into(),
    ))
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
