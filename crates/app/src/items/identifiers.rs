//! What an item is known by in the circuits where it lies, when its owner changes its identifiers. What a push takes in its
//! circuit stands in `push`.

use std::collections::BTreeMap;

use domain::{dfid::Dfid, identifier::Identifier, ids::CircuitId};
use store::{
    circuit_items::{self, Reached},
    items,
};

use crate::{App, AppError, Ctx, Result};

/// A circuit, and the keys of identifiers there, each with the value it stands for.
type Keys = BTreeMap<CircuitId, BTreeMap<String, String>>;

impl App {
    /// The steps by which an item takes canonical identifiers in the circuits where it lies, or where others lie that are
    /// merged into it. Where it waits for approval it takes none: they would give it away.
    ///
    /// # Errors
    /// Conflict if a further item carries one of them, in the workspace or in one of these circuits.
    pub(super) async fn take_identifiers(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        (dfid, merged): (Dfid, &[Dfid]),
        identifiers: &[Identifier],
    ) -> Result<Vec<db::Step>> {
        let canonical: Vec<_> = identifiers
            .iter()
            .filter(|one| one.is_canonical())
            .cloned()
            .collect();
        if canonical.is_empty() {
            return Ok(Vec::new());
        }
        let group: Vec<Dfid> = merged.iter().copied().chain([dfid]).collect();
        refuse_carried(tx, ctx, &canonical, &group).await?;
        let places = circuit_items::reached(tx, ctx.workspace(), &group).await?;
        let keys = keys_in(&places, dfid, &canonical);
        refuse_held(tx, &keys, &group).await?;
        let take = |(circuit, keys): (CircuitId, BTreeMap<String, String>)| {
            let keys = keys.into_keys().collect();
            circuit_items::insert_identifiers(circuit, dfid, ctx.workspace(), keys)
        };
        Ok(keys.into_iter().map(take).collect())
    }
}

/// The identifiers as each circuit reads them.
fn keys_in(places: &[Reached], dfid: Dfid, identifiers: &[Identifier]) -> Keys {
    let waits = |circuit| {
        let own = |place: &&Reached| place.circuit == circuit && place.dfid == dfid;
        places.iter().find(own).is_some_and(|place| place.waits)
    };
    let shown = places
        .iter()
        .filter(|place| !place.waits && !waits(place.circuit));
    shown
        .map(|place| {
            let namespace = place.default_namespace.as_deref();
            let read = place.rules.apply_namespace(namespace, identifiers.to_vec());
            let keys = read.into_iter().map(|one| (one.canonical_key(), one.value));
            (place.circuit, keys.collect())
        })
        .collect()
}

async fn refuse_carried(tx: &db::Tx, ctx: &Ctx, identifiers: &[Identifier], group: &[Dfid]) -> Result<()> {
    let keys = identifiers.iter().map(Identifier::canonical_key).collect();
    let rows = tx
        .rows(vec![items::by_canonical_step(ctx.workspace(), keys)])
        .await?;
    let rows = rows.first().map_or(&[][..], Vec::as_slice);
    for (key, carrier) in circuit_items::holders(rows)? {
        if !group.contains(&carrier) {
            let one = identifiers.iter().find(|one| one.canonical_key() == key);
            return Err(carried(one.map_or(&key, |one| &one.value), carrier));
        }
    }
    Ok(())
}

async fn refuse_held(tx: &db::Tx, keys: &Keys, group: &[Dfid]) -> Result<()> {
    let asked = keys
        .iter()
        .map(|(circuit, keys)| circuit_items::holders_step(*circuit, keys.keys().cloned().collect()));
    let rows = tx.rows(asked.collect()).await?;
    for (keys, rows) in keys.values().zip(&rows) {
        for (key, holder) in circuit_items::holders(rows)? {
            if !group.contains(&holder) {
                return Err(held(keys.get(&key).unwrap_or(&key)));
            }
        }
    }
    Ok(())
}

fn carried(value: &str, by: Dfid) -> AppError {
    AppError::conflict(format!(
        "the identifier {value} is carried by {by} of this workspace: merge the two if they are one item, else leave it out"
    ))
}

/// Whose item it is and in which circuit it lies, not every user of the workspace may know.
fn held(value: &str) -> AppError {
    AppError::conflict(format!(
        "the identifier {value} belongs to another item in a circuit where this item lies: leave it out, or take this item \
         out of that circuit first"
    ))
}
