//! What writing an event needs to know of its workspace: the default visibility and the data key. Kept for seconds, so
//! that recording an event takes one round trip.

use std::{sync::Arc, time::Duration};

use domain::{event::Visibility, ids::WorkspaceId};

use crate::{App, Ctx, Result};

/// Most workspaces remembered.
const MOST: u64 = 10_000;
/// How long a changed default visibility may go unnoticed. The key never changes.
const LIFE: Duration = Duration::from_secs(10);

/// The facts of a workspace.
pub(crate) struct WorkspaceFacts {
    pub(crate) default_visibility: Visibility,
    pub(crate) data_key: [u8; 32],
}

/// The facts by workspace.
pub(crate) type Cache = moka::future::Cache<WorkspaceId, Arc<WorkspaceFacts>>;

pub(crate) fn cache() -> Cache {
    moka::future::Cache::builder()
        .max_capacity(MOST)
        .time_to_live(LIFE)
        .build()
}

impl App {
    /// The facts of the caller's workspace.
    pub(crate) async fn workspace_facts(&self, ctx: &Ctx) -> Result<Arc<WorkspaceFacts>> {
        if let Some(known) = self.workspaces.get(&ctx.workspace()).await {
            return Ok(known);
        }
        let workspace = self.identity().workspace(ctx).await?;
        let data_key = self.identity().data_key(ctx).await?;
        let facts = Arc::new(WorkspaceFacts {
            default_visibility: workspace.settings.default_visibility,
            data_key,
        });
        self.workspaces.insert(ctx.workspace(), Arc::clone(&facts)).await;
        Ok(facts)
    }
}
