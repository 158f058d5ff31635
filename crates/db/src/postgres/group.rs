//! Units of work of different callers that share a transaction, a round trip and a commit.
//!
//! Only units whose statements are known beforehand. The row guards change within the transaction: each unit's
//! statements see the unit's own workspaces only.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use futures_util::future::join_all;

use super::pool::Pool;
use super::{bulk, guard_text, run};
use crate::connection::Outcome;
use crate::gather::Gather;
use crate::{DbError, GiveWay, Pressure, Scope, Step};

/// Transactions of this kind that are under way at a time.
const IN_FLIGHT: usize = 2;
/// Most units in one.
const MOST: usize = 128;
/// How long after the one before it a transaction waits for reads, at most.
const LONGEST: Duration = Duration::from_millis(40);

/// A unit and whose rows it may touch.
type Unit = (Scope, Vec<Step>);
type Answer = Result<Vec<Outcome>, DbError>;
pub(super) type Groups = Gather<Unit, Answer>;

/// The units that wait for this pool.
pub(super) fn groups(pool: &Pool, pressure: &Pressure) -> Groups {
    let pool = pool.clone();
    let give_way = GiveWay {
        to: pressure.clone(),
        longest: LONGEST,
    };
    Gather::after_reads(give_way, IN_FLIGHT, MOST, move |units: Vec<Unit>| {
        let pool = pool.clone();
        async move { Group::of(units).carry_out(&pool).await }
    })
}

/// Units laid end to end, those of the same workspaces side by side.
struct Group {
    steps: Vec<Step>,
    /// The units as they came: whose rows each may touch, and where its steps are.
    units: Vec<(Scope, Range<usize>)>,
    /// The row guards in the order of the steps, with the lengths of the units under each.
    sections: Vec<(String, Vec<usize>)>,
}

impl Group {
    fn of(units: Vec<Unit>) -> Self {
        let mut group = Self {
            steps: Vec::new(),
            units: Vec::with_capacity(units.len()),
            sections: Vec::new(),
        };
        let mut by_guard: BTreeMap<String, Vec<(usize, Vec<Step>)>> = BTreeMap::new();
        for (place, (scope, steps)) in units.into_iter().enumerate() {
            let guard = guard_text(&scope).unwrap_or_default();
            group.units.push((scope, 0..0));
            by_guard.entry(guard).or_default().push((place, steps));
        }
        for (guard, units) in by_guard {
            let lengths = units.iter().map(|(_, steps)| steps.len()).collect();
            for (place, steps) in units {
                group.units[place].1 = group.steps.len()..group.steps.len() + steps.len();
                group.steps.extend(steps);
            }
            group.sections.push((guard, lengths));
        }
        group
    }

    async fn carry_out(&self, pool: &Pool) -> Vec<Answer> {
        match self.together(pool).await {
            Ok(answers) => answers,
            Err(error) if self.units.len() == 1 => vec![Err(error)],
            // Done or not: nobody may do it again.
            Err(DbError::Unconfirmed) => self.units.iter().map(|_| Err(DbError::Unconfirmed)).collect(),
            Err(_) => self.apart(pool).await,
        }
    }

    /// All units in one transaction, statement by statement where they are of the same shape and under the same guard.
    async fn together(&self, pool: &Pool) -> Result<Vec<Answer>, DbError> {
        let mut lease = pool.lease(&Scope::global()).await?;
        let mut calls = Vec::new();
        let mut first = 0;
        for (guard, lengths) in &self.sections {
            let groups = bulk::merged(&self.steps, first, lengths);
            let start = calls.len();
            calls.extend(lease.prepare(&self.steps, groups).await?);
            if let Some(call) = calls.get_mut(start) {
                call.before = Some(guard.clone());
            }
            first += lengths.iter().sum::<usize>();
        }
        let sent = lease.carry_out(Some("begin"), &self.steps, &calls, true).await;
        let mut outcomes = sent.map_err(DbError::during_commit)?;
        let mut take =
            |range: &Range<usize>| outcomes[range.clone()].iter_mut().map(std::mem::take).collect();
        Ok(self.units.iter().map(|(_, range)| Ok(take(range))).collect())
    }

    /// Each unit in a transaction of its own: one of them made the group fail.
    async fn apart(&self, pool: &Pool) -> Vec<Answer> {
        let units = self.units.iter().map(|(scope, range)| {
            let steps = &self.steps[range.clone()];
            async move { run(pool.lease(scope).await?, scope, steps, bulk::runs(steps)).await }
        });
        join_all(units).await
    }
}
