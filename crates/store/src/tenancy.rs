//! Widening a unit of work to a second workspace, where a rule of the domain lets one workspace change another's item.

use db::{Tx, statements};
use domain::ids::WorkspaceId;

use crate::StoreError;

statements! {
    WIDEN = "tenancy.widen",
        sqlite: "select $1 as workspaces",
        postgres: "select set_config('app.workspaces', $1, true) as workspaces";
}

/// Lets the rest of this unit of work see and change the rows of both workspaces.
///
/// Only for a push that enriches an item another member of the same circuit owns; every statement still names the
/// workspace whose rows it means.
pub async fn widen(tx: &Tx, own: WorkspaceId, other: WorkspaceId) -> Result<(), StoreError> {
    tx.all(WIDEN, bind![format!("{{{own},{other}}}")]).await.map(drop)
}
