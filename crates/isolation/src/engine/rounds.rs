//! The rounds of a run, and the confirmation of what they saw with fresh identities.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::{Engine, Progress, Suspicion};
use crate::check::{Action, Cast, Check, Seen, Violation};
use crate::config::Role;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::sight::done;

/// Most checks that are confirmed for one rule.
const PER_RULE: usize = 2;
/// Longest time spent on confirmation.
const CONFIRMATION: Duration = Duration::from_secs(45);

impl Engine<'_> {
    pub(super) async fn rounds(&mut self, checks: &[Check], workers: &[Who], progress: &mut dyn Progress) {
        let rounds = self.run.config.effort.rounds;
        let begun = Instant::now();
        for round in 0..rounds {
            let short = || {
                let numbered = checks.iter().enumerate();
                numbered.filter(|(_, check)| !check.action.is_long())
            };
            progress.say(&format!(
                "round {} of {rounds}: {} checks, one after the other",
                round + 1,
                short().count()
            ));
            for (at, check) in short() {
                let cast = self.cast(workers, round + at);
                self.once(check, cast).await;
                self.tell_waits(progress);
            }
        }
        self.rounds_took = begun.elapsed();
        let long = checks
            .iter()
            .filter_map(|check| Some((check, check.action.doing()?)));
        for (check, doing) in long {
            progress.say(&format!("checking {} ({doing})", check.id));
            let cast = self.cast(workers, 0);
            self.once(check, cast).await;
            self.tell_waits(progress);
        }
    }

    /// Says what was waited for in vain, so that a long silence has its reason.
    fn tell_waits(&mut self, progress: &mut dyn Progress) {
        for wait in self.run.waits.drain(..) {
            progress.say(&wait);
        }
    }

    fn cast(&self, workers: &[Who], turn: usize) -> Cast {
        let worker = |at: usize| workers[(turn + at) % workers.len()];
        let role = |role: Role| self.run.people.iter().position(|person| person.role == role);
        Cast {
            owner: worker(0),
            other: worker(1),
            third: worker(2),
            observer: role(Role::Observer),
            admin: role(Role::Admin),
        }
    }

    /// Does a check and notes what was seen.
    async fn once(&mut self, check: &Check, cast: Cast) {
        let seen = done(&mut self.run, check.action, cast).await;
        match seen.missing {
            Some(reason) => drop(self.uncovered.insert(check.id.clone(), reason)),
            None => self.covered.push(check.id.clone()),
        }
        for note in seen.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        for violation in seen.violations {
            self.suspect(check, violation);
        }
    }

    fn suspect(&mut self, check: &Check, violation: Violation) {
        if self.run.config.policy.waived.contains_key(violation.rule.id()) {
            return;
        }
        let pair: Vec<Option<Who>> = violation.proof.iter().map(|exchange| exchange.who).collect();
        let known = self
            .suspicions
            .iter_mut()
            .find(|known| known.check.id == check.id && known.rule == violation.rule);
        match known {
            Some(known) => {
                known.seen += 1;
                if !known.pairs.contains(&pair) {
                    known.pairs.push(pair);
                }
            }
            None => self.suspicions.push(Suspicion {
                check: check.clone(),
                rule: violation.rule,
                violation,
                seen: 1,
                pairs: vec![pair],
                confirmed: 0,
            }),
        }
    }

    /// Tries to see everything again with fresh identities.
    pub(super) async fn confirm(&mut self, workers: &[Who], progress: &mut dyn Progress) {
        let begun = Instant::now();
        let mut per_rule: BTreeMap<Rule, usize> = BTreeMap::new();
        for at in 0..self.suspicions.len() {
            let (check, rule) = (self.suspicions[at].check.clone(), self.suspicions[at].rule);
            if self.suspicions[at].confirmed > 0 {
                continue;
            }
            let tried = per_rule.entry(rule).or_default();
            *tried += 1;
            if *tried > PER_RULE || begun.elapsed() > CONFIRMATION {
                continue;
            }
            progress.say(&format!("confirming {} (seen, no finding yet)", check.id));
            let tries = if check.action.is_long() { 3 } else { 12 };
            for _ in 0..tries {
                let cast = self.fresh_cast(workers).await;
                if check.action == Action::Recovered {
                    done(&mut self.run, Action::Storm, cast).await;
                }
                let seen = done(&mut self.run, check.action, cast).await;
                self.credit(&check, &seen);
                if self.suspicions[at].confirmed > 0 || begun.elapsed() > CONFIRMATION {
                    break;
                }
            }
        }
    }

    /// Counts every suspicion of the check that was seen again.
    fn credit(&mut self, check: &Check, seen: &Seen) {
        for suspicion in self
            .suspicions
            .iter_mut()
            .filter(|suspicion| suspicion.check.id == check.id)
        {
            if seen
                .violations
                .iter()
                .any(|violation| violation.rule == suspicion.rule)
            {
                suspicion.confirmed += 1;
            }
        }
    }

    /// Three people nobody has seen before; where nobody can be registered, those there are in other parts.
    async fn fresh_cast(&mut self, workers: &[Who]) -> Cast {
        let turn = self.run.rng.random_range(0..workers.len());
        let mut cast = self.cast(workers, turn);
        if self.run.can_enrol() {
            for part in [&mut cast.owner, &mut cast.other, &mut cast.third] {
                // A service that registers nobody any more will not register the next one either.
                let Ok(fresh) = self.run.enrol(Role::Worker).await else {
                    break;
                };
                *part = fresh;
            }
        }
        cast
    }
}
