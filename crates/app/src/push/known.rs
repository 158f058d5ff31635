//! What is known before a push is decided: an earlier push that waits, the item a local item stands for, items with the
//! same identifiers or fingerprint.

use domain::{dfid::Dfid, item::ItemContent, push::PushStatus};
use store::{
    circuit_items,
    circuits::Circuit,
    items::{self, Known},
    local_items::LocalItem,
    operations::Operation,
};

use super::{
    Job, Mapped, Outcome, Pushed,
    content::{combine, enriched},
};
use crate::{App, AppError, Ctx, Result};

impl App {
    /// A push of this local item waits already. The same again is answered as it stands; more would pass by unseen.
    pub(super) async fn waits_already(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        circuit: &Circuit,
        waiting: &Operation,
        local: &LocalItem,
        asked: &ItemContent,
    ) -> Result<Outcome> {
        let said = match &waiting.content {
            Some(content) => content.clone(),
            None => match self.current_item(tx, ctx.workspace(), waiting.dfid).await? {
                Some(item) => item.content()?,
                None => ItemContent::default(),
            },
        };
        let asked = combine(circuit, &ItemContent::default(), asked);
        if enriched(true, &said, &asked)? != said {
            return Err(AppError::conflict(format!(
                "a push of this local item waits for approval with other content: cancel the operation {} first",
                waiting.id
            )));
        }
        Ok(Outcome::Done(Pushed {
            dfid: waiting.dfid,
            status: PushStatus::ExistingItemEnriched,
            operation_id: waiting.id,
            operation_state: waiting.state,
            local_id: Some(local.local_id.clone()),
            created: false,
        }))
    }

    /// The item that an earlier push gave the local item.
    pub(super) async fn mapped(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        circuit: &Circuit,
        local: &LocalItem,
    ) -> Result<Option<Mapped>> {
        let Some(dfid) = local.dfid else {
            return Ok(None);
        };
        if let Some(place) = circuit_items::find(tx, circuit.id, dfid).await? {
            let owner = place.owner_id;
            let place = Some(place);
            return Ok(Some(Mapped { dfid, owner, place }));
        }
        let Some(item) = self.current_item(tx, ctx.workspace(), dfid).await? else {
            return Err(AppError::conflict(format!(
                "this local item stands for {dfid}, which is another workspace's or no longer in use: only its owner \
                 brings it into further circuits"
            )));
        };
        let place = match item.dfid == dfid {
            true => None,
            false => circuit_items::find(tx, circuit.id, item.dfid).await?,
        };
        Ok(Some(Mapped {
            dfid: item.dfid,
            owner: ctx.workspace(),
            place,
        }))
    }

    /// What is known within the circuit's reach: in the circuit, and in the caller's own workspace.
    pub(super) async fn known(&self, tx: &db::Tx, ctx: &Ctx, job: &Job<'_>) -> Result<Vec<Known>> {
        if job.keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut known = circuit_items::known(tx, job.circuit.id, job.keys.clone()).await?;
        known.extend(items::by_canonical(tx, ctx.workspace(), job.keys.clone()).await?);
        Ok(known)
    }

    /// The item in use that an equal push of this workspace made, followed through merges. One that was deprecated is
    /// not brought back: an equal push then makes a new item.
    pub(super) async fn same_push(&self, tx: &db::Tx, ctx: &Ctx, job: &Job<'_>) -> Result<Option<Dfid>> {
        let Some(fingerprint) = job.fingerprint else {
            return Ok(None);
        };
        let Some(dfid) = items::by_fingerprint(tx, ctx.workspace(), fingerprint).await? else {
            return Ok(None);
        };
        let item = self.current_item(tx, ctx.workspace(), dfid).await?;
        Ok(item.map(|item| item.dfid))
    }
}
