//! The roles of circuits. Who has which one is `circuit_members`' subject.

use db::{Read, statements};
use domain::{
    circuit::Permissions,
    ids::{CircuitId, Timestamp},
};

use crate::{Step, StoreError, bind::Columns};

/// A role of a circuit.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name, unique in the circuit.
    pub name: String,
    /// What it permits.
    pub permissions: Permissions,
    /// Whether it came with the circuit and cannot be changed.
    pub built_in: bool,
}

statements! {
    INSERT = "circuit_roles.insert", "
        insert into circuit_roles (circuit_id, name, permissions, built_in, created_at)
        values ($1, $2, $3, $4, $5)";
    UPDATE = "circuit_roles.update", "
        update circuit_roles set permissions = $3 where circuit_id = $1 and name = $2 and not built_in";
    UPDATE_MEMBERS = "circuit_members.update_role_permissions", "
        update circuit_members set permissions = $3 where circuit_id = $1 and role = $2";
    DELETE = "circuit_roles.delete", "
        delete from circuit_roles
         where circuit_id = $1 and name = $2 and not built_in
           and not exists (select 1 from circuit_members m where m.circuit_id = $1 and m.role = $2)";
    LIST = "circuit_roles.list", "
        select name, permissions, built_in from circuit_roles where circuit_id = $1 order by built_in desc, name";
    FIND = "circuit_roles.find", "
        select name, permissions, built_in from circuit_roles where circuit_id = $1 and name = $2";
}

pub(crate) fn read_permissions(row: &db::Row) -> Result<Permissions, StoreError> {
    let bits = row.get::<i64>("permissions")?;
    u16::try_from(bits)
        .ok()
        .and_then(Permissions::from_bits)
        .ok_or_else(|| StoreError::Corrupt {
            column: "permissions".to_owned(),
            reason: format!("{bits} is not a set of permissions"),
        })
}

fn read(row: &db::Row) -> Result<Role, StoreError> {
    Ok(Role {
        name: row.text("name")?,
        permissions: read_permissions(row)?,
        built_in: row.get("built_in")?,
    })
}

/// The step that adds a role.
#[must_use]
pub fn insert(circuit: CircuitId, role: &Role, now: Timestamp) -> Step {
    (
        INSERT,
        bind![
            circuit,
            &role.name,
            i64::from(role.permissions.bits()),
            role.built_in,
            now
        ],
    )
}

/// The steps that change a custom role and all who have it.
#[must_use]
pub fn update(circuit: CircuitId, name: &str, permissions: Permissions) -> Vec<Step> {
    let bits = i64::from(permissions.bits());
    vec![
        (UPDATE, bind![circuit, name, bits]),
        (UPDATE_MEMBERS, bind![circuit, name, bits]),
    ]
}

/// The step that removes a custom role nobody has.
#[must_use]
pub fn delete(circuit: CircuitId, name: &str) -> Step {
    (DELETE, bind![circuit, name])
}

/// The roles of a circuit, built-in ones first.
pub async fn list(db: &impl Read, circuit: CircuitId) -> Result<Vec<Role>, StoreError> {
    db.all(LIST, bind![circuit]).await?.iter().map(read).collect()
}

/// One role.
pub async fn find(db: &impl Read, circuit: CircuitId, name: &str) -> Result<Option<Role>, StoreError> {
    db.optional(FIND, bind![circuit, name])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}
