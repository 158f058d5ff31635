//! The roles of a circuit: the built-in ones, and those its members make. Who has which is `circuit_members`' subject.

use domain::{
    circuit::{BuiltInRole, Permission, Permissions},
    ids::CircuitId,
    problem::FieldError,
};
use serde_json::json;
use store::{
    circuit_members::Member,
    circuit_roles::{self, Role},
};

use crate::{
    App, AppError, Ctx, Record, Result,
    circuits::{grants, needs},
};

impl App {
    /// The roles of a circuit.
    pub async fn circuit_roles(&self, ctx: &Ctx, id: CircuitId) -> Result<Vec<Role>> {
        self.circuit(ctx, id).await?;
        let scope = ctx.scope();
        Ok(circuit_roles::list(&self.db().scoped(&scope), id).await?)
    }

    /// Adds a custom role. Nobody grants what they don't hold.
    pub async fn create_circuit_role(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        name: &str,
        permissions: Permissions,
    ) -> Result<Role> {
        let (_, member) = self.circuit(ctx, id).await?;
        needs(&member, Permission::ManageRoles)?;
        grants(&member, permissions)?;
        let role = Role {
            name: check_role_name(name)?,
            permissions,
            built_in: false,
        };
        let mut record = Record::new(self, ctx);
        record.steps.push(circuit_roles::insert(id, &role, record.now));
        record.audit(
            "circuit.role_created",
            &id.to_string(),
            &json!({"role": name, "permissions": permissions}),
        )?;
        match self.db().run(&ctx.scope(), record.steps).await {
            Err(db::DbError::Unique { .. }) => Err(AppError::conflict(format!("a role `{name}` exists"))),
            other => other.map(|_| role).map_err(AppError::from),
        }
    }

    /// Changes a custom role, for all who have it.
    pub async fn update_circuit_role(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        name: &str,
        permissions: Permissions,
    ) -> Result<Role> {
        let (role, member) = self.custom_role(ctx, id, name).await?;
        grants(&member, permissions)?;
        grants(&member, role.permissions)?;
        let mut record = Record::new(self, ctx);
        record.steps.extend(circuit_roles::update(id, name, permissions));
        record.audit(
            "circuit.role_changed",
            &id.to_string(),
            &json!({"role": name, "permissions": permissions}),
        )?;
        self.db().run(&ctx.scope(), record.steps).await?;
        Ok(Role { permissions, ..role })
    }

    /// Removes a custom role that nobody has.
    pub async fn delete_circuit_role(&self, ctx: &Ctx, id: CircuitId, name: &str) -> Result<()> {
        self.custom_role(ctx, id, name).await?;
        let mut record = Record::new(self, ctx);
        record.audit("circuit.role_removed", &id.to_string(), &json!({"role": name}))?;
        record.steps.insert(0, circuit_roles::delete(id, name));
        let held = AppError::conflict(format!(
            "members have the role `{name}`: give them another one first"
        ));
        self.run_if_first(&ctx.scope(), record.steps, held).await
    }

    async fn custom_role(&self, ctx: &Ctx, id: CircuitId, name: &str) -> Result<(Role, Member)> {
        let (_, member) = self.circuit(ctx, id).await?;
        needs(&member, Permission::ManageRoles)?;
        let scope = ctx.scope();
        let found = circuit_roles::find(&self.db().scoped(&scope), id, name).await?;
        let role = found.ok_or_else(|| AppError::not_found("role"))?;
        if role.built_in {
            return Err(AppError::conflict(format!(
                "`{name}` is a built-in role and cannot be changed"
            )));
        }
        Ok((role, member))
    }

    /// The role with this name, if the caller may give it to somebody.
    pub(crate) async fn role_to_grant(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        caller: &Member,
        name: &str,
    ) -> Result<Role> {
        let scope = ctx.scope();
        let found = circuit_roles::find(&self.db().scoped(&scope), id, name).await?;
        let unknown = || {
            FieldError::new(
                "role",
                "unknown_value",
                format!("this circuit has no role `{name}`"),
            )
        };
        let role = found.ok_or_else(unknown)?;
        if role.name == BuiltInRole::Owner.as_str() {
            return Err(AppError::forbidden(
                "a circuit has one owner; the role `owner` is not given to others",
            ));
        }
        grants(caller, role.permissions)?;
        Ok(role)
    }
}

fn check_role_name(name: &str) -> Result<String> {
    let fits = (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
    if fits {
        return Ok(name.to_owned());
    }
    Err(FieldError::new(
        "name",
        "malformed",
        "must have 1 to 64 of the characters a-z, 0-9, `_` and `-`",
    )
    .into())
}
