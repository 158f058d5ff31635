//! Widening a unit of work to a second workspace, where a rule of the domain lets one workspace change another's item.

use db::{Tx, statements};
use domain::ids::WorkspaceId;

use crate::StoreError;

statements! {
    WIDEN = "tenancy.widen",
        sqlite: "select $1 as workspaces",
        postgres: "select set_config('app.workspaces', $1, true) as workspaces";
}

/// Lets the rest of this unit of work see and change the rows of all these workspaces.
///
/// Only where members of one circuit meet: a push that adds to an item another member owns, the approval of what
/// another member asked for, and the end of it when that member is taken out. Every statement still names the workspace
/// whose rows it means.
pub async fn widen(tx: &Tx, workspaces: &[WorkspaceId]) -> Result<(), StoreError> {
    let list: Vec<_> = workspaces.iter().map(ToString::to_string).collect();
    tx.all(WIDEN, bind![format!("{{{}}}", list.join(","))])
        .await
        .map(drop)
}
