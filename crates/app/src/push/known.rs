//! What is known before a push is decided: an earlier push that waits, the item a local item stands for, items with the
//! same identifiers or fingerprint.

use domain::{dfid::Dfid, item::ItemContent, push::PushStatus};
use store::{
    circuit_items::{self, CircuitItem},
    circuits::Circuit,
    items::{self, Known},
    local_items::LocalItem,
    operations::Operation,
    tenancy,
};

use super::{
    Job, Mapped, Outcome, Pushed,
    content::{canonical_keys, combine, enriched},
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

    /// The item that an earlier push gave the local item; none if that is out of use: the next push makes another.
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
        let (own, place) = (ctx.workspace(), circuit_items::find(tx, circuit.id, dfid).await?);
        if let Some(place) = place.filter(|place| place.owner_id != own) {
            return mapped_to_anothers(tx, ctx, place).await;
        }
        let Some(item) = self.current_item(tx, own, dfid).await? else {
            let known_here = items::lock(tx, own, dfid).await?.is_some()
                || carried_here(tx, circuit, &local.content).await?;
            return if known_here { Ok(None) } else { Err(anothers(dfid)) };
        };
        Ok(Some(Mapped {
            dfid: item.dfid,
            owner: own,
            place: circuit_items::find(tx, circuit.id, item.dfid).await?,
            content: Some(item.content()?),
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

/// What a local item stands for that stands for another workspace's item in the circuit.
async fn mapped_to_anothers(tx: &db::Tx, ctx: &Ctx, place: CircuitItem) -> Result<Option<Mapped>> {
    let owner = place.owner_id;
    tenancy::widen(tx, &[ctx.workspace(), owner]).await?;
    let item = items::find(tx, owner, place.dfid).await?;
    let in_use = item.is_some_and(|item| item.status.is_changeable());
    Ok(in_use.then_some(Mapped {
        dfid: place.dfid,
        owner,
        place: Some(place),
        content: None,
    }))
}

/// Whether the circuit knows what the local item carries, under whatever DFID by now.
async fn carried_here(tx: &db::Tx, circuit: &Circuit, content: &ItemContent) -> Result<bool> {
    let content = combine(circuit, content, &ItemContent::default());
    let keys = canonical_keys(&content.identifiers);
    Ok(!keys.is_empty() && !circuit_items::known(tx, circuit.id, keys).await?.is_empty())
}

fn anothers(dfid: Dfid) -> AppError {
    AppError::conflict(format!(
        "this local item stands for {dfid}, another workspace's item: only its owner brings it into further circuits. To \
         push what you know of it as an item of your own, create another local item"
    ))
}
