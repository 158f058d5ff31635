//! From the figures of a load run to its verdict; the rules are explained in `docs/load-model.md`.

use super::evidence::LoadReport;
use crate::load::Ended;
use crate::threshold::{Held, Threshold};
use crate::verdict::{Verdict, proves_nothing};

/// Requests of which a wrong answer is shown among the reasons; the report has all.
const MOST_EXAMPLES: usize = 3;

impl LoadReport {
    /// The verdict and its reasons; see `docs/load-model.md` for the rules.
    pub fn judge(&self, thresholds: &[Threshold]) -> (Verdict, Vec<String>) {
        let mut verdict = Verdict::Pass;
        let mut reasons = Vec::new();
        let mut doubt = |reason: String| {
            verdict = verdict.and(Verdict::Inconclusive);
            reasons.push(reason);
        };
        if self.total.total() == 0 {
            doubt("no request was counted".to_owned());
        }
        if self.thresholds.is_empty() {
            doubt("no threshold was given, so nothing was promised".to_owned());
        }
        self.unasserted
            .iter()
            .for_each(|name| doubt(proves_nothing(name)));
        match &self.ended {
            Ended::Stopped => doubt("the run was stopped before its plan was carried out".to_owned()),
            // What broke may have mended while the last answers came in, but the rest of the plan was never tried.
            Ended::Aborted(why) => doubt(format!("ended early: {why}")),
            Ended::Completed => {}
        }
        let slow = self.generator.limited.as_ref();
        if let Some(why) = slow {
            doubt(format!("the generator limited the run: {why}"));
        }
        for (held, threshold) in self.thresholds.iter().zip(thresholds) {
            let counts = self.counts(held.verdict, threshold);
            verdict = verdict.and(counts);
            reasons.push(format!("{} {}: {}", held.threshold, word(counts), held.shown));
        }
        if verdict == Verdict::Fail {
            reasons.extend(self.what_was_wrong());
        }
        if let Some(why) = self.generator.disturbed.as_ref().filter(|_| slow.is_none()) {
            reasons.push(format!("latencies look worse than they were: {why}"));
        }
        (verdict, reasons)
    }

    /// What went wrong with requests: how often in which way, and the first time of each.
    fn what_was_wrong(&self) -> Vec<String> {
        let statuses = self.total.status.iter().filter(|(status, _)| **status >= 400);
        let ways: Vec<String> = statuses
            .map(|(status, count)| format!("status {status}: {count}"))
            .chain(
                self.total
                    .no_answer
                    .iter()
                    .map(|(why, count)| format!("{}: {count}", why.words())),
            )
            .collect();
        let seen = (!ways.is_empty()).then(|| format!("seen: {}", ways.join(", ")));
        let first = self
            .examples
            .iter()
            .take(MOST_EXAMPLES)
            .filter_map(|(tag, what)| {
                let tag = self.tags.get(*tag)?;
                Some(format!(
                    "first wrong answer of {}/{}: {what}",
                    tag.scenario, tag.name
                ))
            });
        seen.into_iter().chain(first).collect()
    }

    /// The thresholds with the verdicts that count; one that cannot be read any more counts as it was written.
    pub(super) fn held(&self) -> Vec<Held> {
        let settle = |held: &Held| match held.threshold.parse::<Threshold>() {
            Ok(threshold) => Held {
                verdict: self.counts(held.verdict, &threshold),
                ..held.clone()
            },
            Err(_) => held.clone(),
        };
        self.thresholds.iter().map(settle).collect()
    }

    /// What a threshold's verdict is worth beside what the generator says of itself: see `docs/load-model.md`.
    fn counts(&self, verdict: Verdict, threshold: &Threshold) -> Verdict {
        let limited = self.generator.limited.is_some();
        let doubtful = limited || (verdict == Verdict::Fail && self.generator.disturbed.is_some());
        if doubtful && !threshold.survives_a_slow_generator() {
            Verdict::Inconclusive
        } else {
            verdict
        }
    }
}

fn word(held: Verdict) -> &'static str {
    match held {
        Verdict::Pass => "holds",
        Verdict::Fail => "does not hold",
        Verdict::Inconclusive => "cannot be told",
    }
}
