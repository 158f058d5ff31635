//! What an operation costs, as a value of a key: one number for every tier, or numbers by tier. The table that the use
//! cases read is made from it where identity is set up.

use std::collections::BTreeMap;

use domain::{credits::MAX_AMOUNT, tier::Tier};

use crate::value::Setting;

/// Credits for one operation, by tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs(BTreeMap<Tier, u64>);

impl Costs {
    /// What the operation costs in each tier.
    pub fn by_tier(&self) -> impl Iterator<Item = (Tier, u64)> {
        Tier::ALL.iter().map(|tier| (*tier, self.of(*tier)))
    }

    fn of(&self, tier: Tier) -> u64 {
        self.0.get(&tier).copied().unwrap_or(0)
    }
}

/// `3`, or `basic=3, enterprise=1`: tiers that are not named pay the number that stands alone, or nothing.
impl Setting for Costs {
    fn read(text: &str) -> Result<Self, String> {
        let (mut rest, mut named) = (None, BTreeMap::new());
        for part in text.split(',').map(str::trim) {
            let twice = match part.split_once('=') {
                Some((tier, cost)) => named
                    .insert(Tier::read(tier.trim())?, credits(cost.trim())?)
                    .is_some(),
                None => rest.replace(credits(part)?).is_some(),
            };
            if twice {
                return Err("names a tier twice, or two numbers without a tier: keep one of them".to_owned());
            }
        }
        let cost = |tier: &Tier| named.get(tier).copied().or(rest).unwrap_or(0);
        Ok(Self(Tier::ALL.iter().map(|tier| (*tier, cost(tier))).collect()))
    }

    fn show(&self) -> String {
        let costs: Vec<_> = self.by_tier().collect();
        match costs.first() {
            Some((_, first)) if costs.iter().all(|(_, cost)| cost == first) => first.to_string(),
            _ => {
                let cell = |(tier, cost): &(Tier, u64)| format!("{tier}={cost}");
                costs.iter().map(cell).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn credits(text: &str) -> Result<u64, String> {
    let cost = text.parse().ok().filter(|cost| *cost <= MAX_AMOUNT);
    cost.ok_or_else(|| {
        format!(
            "expected credits, a whole number from 0 to {MAX_AMOUNT}, or such numbers by tier: `basic=3, enterprise=1`"
        )
    })
}
