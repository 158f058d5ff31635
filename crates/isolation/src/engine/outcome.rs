//! What a run came to: findings, suspicions, what was left uncovered, and the verdict.

use std::collections::BTreeMap;

use super::{Engine, Suspicion};
use crate::check::Check;
use crate::ledger::Who;
use crate::report::{Finding, Report, Verdict, evidence, power};
use crate::rule::Rule;

impl Engine<'_> {
    pub(super) fn report(self, checks: &[Check], left: BTreeMap<String, u64>) -> Report {
        let counts = self.run.counts.clone();
        let config = self.run.config.clone();
        let (findings, suspicions) = self.findings();
        let uncovered = self.uncovered(checks);
        let verdict = match () {
            () if !findings.is_empty() => Verdict::Breached,
            () if !suspicions.is_empty() || !uncovered.is_empty() => Verdict::Inconclusive,
            () => Verdict::Isolated,
        };
        Report {
            verdict,
            target: self.run.net.place().base().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            seed: self.options.seed,
            findings,
            suspicions,
            uncovered,
            waived: config.policy.waived.clone(),
            notes: self.notes,
            left,
            principals: self.run.people.len(),
            ids: counts.objects,
            replays: counts.probes.values().sum(),
            requests: counts.requests,
            trouble: counts.trouble,
            bytes_scanned: counts.bytes,
            power: power(&counts.probes),
            seconds: 0.0,
            self_test_seconds: 0.0,
            rounds_seconds: self.rounds_took.as_secs_f64(),
        }
    }

    /// What is known to be broken, and what was seen and not again.
    fn findings(&self) -> (Vec<Finding>, Vec<Finding>) {
        let confirmed: Vec<Rule> = self
            .suspicions
            .iter()
            .filter(|one| one.confirmed > 0)
            .map(|one| one.rule)
            .collect();
        let (known, others): (Vec<_>, Vec<_>) = self.suspicions.iter().partition(|suspicion| {
            // Beyond the first two of a rule nothing is confirmed anew; the rule is known to be broken.
            suspicion.confirmed > 0 || suspicion.pairs.len() > 1 || confirmed.contains(&suspicion.rule)
        });
        let shown = |list: Vec<&Suspicion>| list.into_iter().map(|one| self.finding(one)).collect();
        (shown(known), shown(others))
    }

    /// What never had its control, and need have.
    fn uncovered(&self, checks: &[Check]) -> BTreeMap<String, String> {
        let optional = &self.run.config.policy.uncovered;
        let mut uncovered = self.uncovered.clone();
        uncovered.retain(|check, _| {
            !self.covered.contains(check) && !optional.iter().any(|name| check.contains(name))
        });
        if self.stopped {
            let tried = checks.iter().filter(|check| self.covered.contains(&check.id));
            let reason = format!(
                "stopped before its end: {} of {} checks were done",
                tried.count(),
                checks.len()
            );
            uncovered.insert("the rest".to_owned(), reason);
        } else if checks.is_empty() || self.run.counts.probes.is_empty() {
            let reason = "nothing was probed: declare resources and views, or an OpenAPI document";
            uncovered.insert("everything".to_owned(), reason.to_owned());
        }
        uncovered
    }

    fn finding(&self, suspicion: &Suspicion) -> Finding {
        let (rule, violation) = (suspicion.rule, &suspicion.violation);
        let id = if suspicion.check.rule == rule {
            suspicion.check.id.clone()
        } else {
            format!("{}#{rule}", suspicion.check.id)
        };
        let name =
            |who: &Option<Who>| who.map_or("nobody".to_owned(), |who| self.run.people[who].name.clone());
        let mut principals: Vec<String> = violation
            .proof
            .iter()
            .map(|exchange| name(&exchange.who))
            .collect();
        principals.sort();
        principals.dedup();
        Finding {
            replay: format!(
                "{} --replay '{id}' --seed {}",
                self.options.command, self.options.seed
            ),
            id,
            rule: rule.id(),
            meaning: rule.what(),
            what: violation.what.clone(),
            principals,
            proof: violation
                .proof
                .iter()
                .map(|exchange| evidence(&self.run.people, self.run.net.place(), exchange))
                .collect(),
            bytes: violation.bytes.clone(),
            seen: suspicion.seen,
            confirmed: suspicion.confirmed,
        }
    }
}
