//! Several generators, one report: parts of the same run are joined exactly, histograms bucket by bucket.

use super::evidence::{CellReport, LoadReport};
use super::model::{Detail, Report, StageResult};
use crate::load::{Ended, GeneratorReport, Run};
use crate::measure::{BadHistogram, Latency, Measured, Series};
use crate::threshold::{ServerFigures, Threshold};
use std::collections::BTreeSet;
use std::time::Duration;

/// Why reports cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum BadMerge {
    /// There is nothing to join.
    #[error("name at least one report to merge")]
    Nothing,
    /// They are not parts of one run.
    #[error("part {0} does not fit the first one: it has other stages, scenarios or phases")]
    Differs(usize),
    /// It is given twice.
    #[error(
        "part {0} is the same as part {1}: its requests would count twice; name each generator's report once"
    )]
    Twice(usize, usize),
    /// It is about another service.
    #[error("part {0} is about {1}, the first one about {2}: parts of one run have one target")]
    Target(usize, String, String),
    /// Its hash does not fit.
    #[error("part {0} was changed after it was written: its evidence hash does not fit")]
    Changed(usize),
    /// A histogram cannot be read.
    #[error("part {0}: a histogram cannot be read")]
    Histogram(usize, #[source] BadHistogram),
    /// A threshold cannot be read.
    #[error("the threshold `{0}` of the first part cannot be read")]
    Threshold(String),
}

/// Joins the load stages of several parts and decides their thresholds anew; stages of other kinds are kept from each
/// part, because they cannot be added up.
///
/// # Errors
/// If the parts do not fit together, or one was changed.
pub fn merge(parts: &[Report]) -> Result<Report, BadMerge> {
    let first = parts.first().ok_or(BadMerge::Nothing)?;
    if let Some(changed) = parts.iter().position(|part| !part.is_intact()) {
        return Err(BadMerge::Changed(changed + 1));
    }
    for (index, part) in parts.iter().enumerate() {
        if let Some(same) = parts[..index]
            .iter()
            .position(|p| p.evidence_sha256 == part.evidence_sha256)
        {
            return Err(BadMerge::Twice(index + 1, same + 1));
        }
        if part.target != first.target {
            let (target, of_first) = (part.target.clone(), first.target.clone());
            return Err(BadMerge::Target(index + 1, target, of_first));
        }
    }
    let mut stages = Vec::new();
    for (index, stage) in first.stages.iter().enumerate() {
        match &stage.detail {
            Detail::Load(_) => stages.push(merge_stage(parts, index)?),
            _ => stages.extend(parts.iter().filter_map(|part| part.stages.get(index)).cloned()),
        }
    }
    let report = Report::new(
        &first.name,
        &first.target,
        first.seed,
        first.environment.clone(),
        stages,
    );
    let began = parts.iter().map(|p| p.started.clone()).min().unwrap_or_default();
    let ended = parts.iter().map(|p| p.finished.clone()).max().unwrap_or_default();
    Ok(report.seal(began, ended))
}

fn merge_stage(parts: &[Report], stage: usize) -> Result<StageResult, BadMerge> {
    let mut loads: Vec<&LoadReport> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        match part.stages.get(stage).map(|s| &s.detail) {
            Some(Detail::Load(load)) if loads.first().is_none_or(|first| fits(first, load)) => {
                loads.push(load)
            }
            _ => return Err(BadMerge::Differs(number + 1)),
        }
    }
    let run = join(&loads)?;
    let thresholds: Vec<Threshold> = loads[0]
        .thresholds
        .iter()
        .map(|held| {
            held.threshold
                .parse()
                .map_err(|_| BadMerge::Threshold(held.threshold.clone()))
        })
        .collect::<Result<_, _>>()?;
    let server = loads.iter().find_map(|load| load.server.clone());
    let highest = highest(&loads);
    let held = thresholds
        .iter()
        .map(|t| t.check(&run.measured, &highest))
        .collect();
    let mut load = LoadReport::new(loads[0].model, &run, held, server);
    let unasserted: BTreeSet<&String> = loads.iter().flat_map(|part| &part.unasserted).collect();
    load.unasserted = unasserted.into_iter().cloned().collect();
    let (verdict, reasons) = load.judge(&thresholds);
    let seconds = run.elapsed.as_secs_f64();
    let name = parts[0].stages[stage].name.clone();
    Ok(StageResult {
        name,
        verdict,
        reasons,
        seconds,
        detail: Detail::Load(Box::new(load)),
    })
}

fn fits(left: &LoadReport, right: &LoadReport) -> bool {
    let names = |load: &LoadReport| load.phases.iter().map(|p| (p.0.clone(), p.1)).collect::<Vec<_>>();
    left.model == right.model && left.tags == right.tags && names(left) == names(right)
}

fn highest(loads: &[&LoadReport]) -> ServerFigures {
    let mut highest = ServerFigures::new();
    for (name, value) in loads
        .iter()
        .filter_map(|l| l.server.as_ref())
        .flat_map(|s| &s.highest)
    {
        let known = highest.entry(name.clone()).or_insert(*value);
        *known = known.max(*value);
    }
    highest
}

fn join(loads: &[&LoadReport]) -> Result<Run, BadMerge> {
    let first = loads[0];
    let phases = first.phases.iter().map(|p| (p.0.clone(), p.1)).collect();
    let mut measured = Measured::new(first.tags.clone(), phases);
    for (tag, what) in loads.iter().flat_map(|load| load.examples.iter()) {
        measured.examples.entry(*tag).or_insert_with(|| what.clone());
    }
    let mut lag = Latency::default();
    let mut generator = GeneratorReport::default();
    let mut series = Series::default();
    let mut ended = Ended::Completed;
    for (number, load) in loads.iter().enumerate() {
        let bad = |error| BadMerge::Histogram(number + 1, error);
        for part in &load.cells {
            let CellReport { phase, tag, .. } = part;
            if *phase >= first.phases.len() || *tag >= first.tags.len() {
                return Err(BadMerge::Differs(number + 1));
            }
            measured.add(*phase, *tag, &part.cell().map_err(bad)?);
        }
        for (index, phase) in load.phases.iter().enumerate() {
            measured.seconds[index] = measured.seconds[index].max(phase.2);
        }
        lag.merge(&Latency::decode(&load.lag_histogram).map_err(bad)?);
        series.overlay(&load.series);
        add_generator(&mut generator, &load.generator);
        if load.ended != Ended::Completed {
            ended = load.ended.clone();
        }
    }
    generator.lag = lag.summary();
    let elapsed = Duration::from_secs_f64(first.series.points.last().map_or(0.0, |p| p.at + p.length));
    Ok(Run {
        measured,
        series,
        generator,
        lag,
        ended,
        elapsed,
    })
}

fn add_generator(sum: &mut GeneratorReport, part: &GeneratorReport) {
    sum.threads += part.threads;
    sum.planned += part.planned;
    sum.handed_out += part.handed_out;
    sum.processor_seconds =
        Some(sum.processor_seconds.unwrap_or(0.0) + part.processor_seconds.unwrap_or(0.0));
    sum.busy = sum.busy.into_iter().chain(part.busy).reduce(f64::max);
    sum.starved = sum.starved.into_iter().chain(part.starved).reduce(f64::max);
    sum.peak_queue = sum.peak_queue.max(part.peak_queue);
    sum.disturbed = sum.disturbed.take().or_else(|| part.disturbed.clone());
    sum.limited = sum.limited.take().or_else(|| part.limited.clone());
}
