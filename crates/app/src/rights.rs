//! What the outgoing guard asks: which of these things is none of this workspace's business.

use domain::ids::WorkspaceId;
pub use store::rights::Entity;
use store::rights::readable;

use crate::{App, Result};

impl App {
    /// Those of the ids that the workspace has no right to.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn foreign(
        &self,
        workspace: WorkspaceId,
        entity: Entity,
        ids: &[String],
    ) -> Result<Vec<String>> {
        // Every tenant's rows: the guard decides by the rights themselves, not by what this tenant's scope shows.
        let scope = db::Scope::system();
        let known = readable(&self.db().scoped(&scope), workspace, entity, ids).await?;
        Ok(ids.iter().filter(|id| !known.contains(*id)).cloned().collect())
    }
}
