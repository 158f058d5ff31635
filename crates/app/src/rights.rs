//! What the outgoing guard asks: which of these things is none of this caller's business.

use domain::caller::Caller;
pub use store::rights::Entity;
use store::rights::readable;

use crate::{App, Result};

impl App {
    /// Those of the ids that the caller has no right to.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn foreign(&self, caller: &Caller, entity: Entity, ids: &[String]) -> Result<Vec<String>> {
        // Every tenant's rows: the guard decides by the rights themselves, not by what this tenant's scope shows.
        let scope = db::Scope::system();
        let db = self.db().scoped(&scope);
        let known = readable(&db, caller.workspace_id, caller.user_id, entity, ids).await?;
        Ok(ids.iter().filter(|id| !known.contains(*id)).cloned().collect())
    }
}
