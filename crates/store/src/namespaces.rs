//! Namespaces: the kinds of goods that identifiers belong to. Known to all workspaces.

use db::{Read, statements};

use crate::{StoreError, bind::Columns};

statements! {
    LIST = "namespaces.list", "
        select name, description from namespaces order by name limit 1000";
}

/// A kind of goods.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name, as identifiers carry it.
    pub name: String,
    /// What it is for.
    pub description: String,
}

/// The namespaces that are known, by name.
pub async fn list(db: &impl Read) -> Result<Vec<Namespace>, StoreError> {
    let rows = db.all(LIST, bind![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Namespace {
                name: row.text("name")?,
                description: row.text("description")?,
            })
        })
        .collect()
}
