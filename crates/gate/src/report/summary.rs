//! The summary on standard output: what a person at a terminal needs, in lines of at most 80 columns (words may be longer).

use super::evidence::LoadReport;
use super::model::{Detail, Report, StageResult};
use crate::compare::table;
use crate::measure::TagKind;
use crate::units::{show_number, show_seconds, show_share, wrap};

/// Most failed asserts shown; the report has them all.
const MOST_ROWS: usize = 20;

/// The report as text.
pub fn summary(report: &Report) -> String {
    let mut out = String::new();
    for stage in &report.stages {
        out += &format!(
            "{}: {} in {}\n",
            stage.name,
            stage.verdict,
            show_seconds(stage.seconds)
        );
        out += &detail(stage);
        for reason in &stage.reasons {
            out += &wrap(reason, "  - ", "    ");
        }
    }
    if report.stages.is_empty() {
        out += "nothing was run\n";
    }
    out += &format!("verdict: {}\n", report.verdict);
    out
}

fn detail(stage: &StageResult) -> String {
    match &stage.detail {
        Detail::Load(load) => load_text(load),
        Detail::Compare(compare) => table(&compare.table),
        Detail::Smoke(smoke) => {
            let failed: Vec<_> = smoke.rows.iter().filter(|row| !row.ok).collect();
            let line = |row: &&super::SmokeRow| {
                let (expected, came) = (&row.expected, &row.actual);
                let place = format!("{}:{} {}", row.file, row.line, row.text);
                let value = " ".repeat(15);
                wrap(&place, "  ", "      ")
                    + &wrap(expected, "      expected ", &value)
                    + &wrap(came, "      came     ", &value)
            };
            let mut text: String = failed.iter().take(MOST_ROWS).map(line).collect();
            if failed.len() > MOST_ROWS {
                text += &format!("  and {} more\n", failed.len() - MOST_ROWS);
            }
            text
        }
        Detail::Findings { findings, .. } => findings
            .iter()
            .map(|f| wrap(&format!("{} {}: {}", f.rule, f.place, f.title), "  ", "    "))
            .collect(),
        Detail::None | Detail::Soak(_) => String::new(),
    }
}

fn load_text(load: &LoadReport) -> String {
    let errors = load.total.error_rate().map_or_else(|| "–".to_owned(), show_share);
    let mut out = format!(
        "  {} requests in {}, {}/s: ok {}, not ok {}, no answer {} (errors {errors})\n",
        load.total.total(),
        show_seconds(load.measured_seconds),
        show_number(load.rate),
        load.total.ok,
        load.total.not_ok,
        load.total.unanswered()
    );
    for (reason, count) in &load.total.no_answer {
        out += &format!("    {}: {count}\n", reason.words());
    }
    out += &format!(
        "  {:<23} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
        "request (phase)", "count", "p50", "p95", "p99", "p99.9", "max"
    );
    for cell in load.cells.iter().filter(|cell| !load.phases[cell.phase].1) {
        let show = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), show_seconds);
        let latency = cell.latency.as_ref();
        let label = match load.phases.iter().filter(|p| !p.1).count() {
            1 => load.tags[cell.tag].name.clone(),
            _ => format!("{} ({})", load.tags[cell.tag].name, load.phases[cell.phase].0),
        };
        out += &format!(
            "  {:<23} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
            fit(&label, 23),
            cell.tally.total(),
            show(latency.map(|l| l.p50)),
            show(latency.map(|l| l.p95)),
            show(latency.map(|l| l.p99)),
            show(latency.map(|l| l.p999)),
            show(latency.map(|l| l.max)),
        );
    }
    out + &generator_text(load)
}

/// A name in a column: of a long one the end is kept, which tells requests of one path apart.
fn fit(name: &str, width: usize) -> String {
    let length = name.chars().count();
    match length <= width {
        true => name.to_owned(),
        false => format!("…{}", name.chars().skip(length + 1 - width).collect::<String>()),
    }
}

fn generator_text(load: &LoadReport) -> String {
    let generator = &load.generator;
    let mut facts = Vec::new();
    if let Some(lag) = &generator.lag {
        facts.push(format!(
            "own delay p50 {} p99 {}",
            show_seconds(lag.p50),
            show_seconds(lag.p99)
        ));
    }
    if let Some(seconds) = generator.processor_seconds {
        let is_request = |tag: usize| load.tags[tag].kind == TagKind::Request;
        let requests = load.cells.iter().filter(|cell| is_request(cell.tag));
        let total = requests.map(|cell| cell.tally.total()).sum::<u64>().max(1);
        let each = seconds / total as f64 * 100_000.0;
        facts.push(format!(
            "{} s of processor ({} s per 100,000)",
            show_number(seconds),
            show_number(each)
        ));
    }
    facts.extend(
        generator
            .busy
            .map(|busy| format!("threads busy {}", show_share(busy))),
    );
    wrap(&facts.join(", "), "  generator: ", "             ")
}

#[cfg(test)]
mod tests {
    use super::super::evidence::CellReport;
    use super::*;
    use crate::load::{Ended, GeneratorReport, Model};
    use crate::measure::{Series, Tag, Tally};

    fn tag(kind: TagKind) -> Tag {
        Tag {
            kind,
            scenario: "s".to_owned(),
            name: "n".to_owned(),
        }
    }

    #[test]
    fn processor_time_is_told_by_request_and_journeys_are_none() {
        let tally = Tally {
            ok: 1000,
            ..Tally::default()
        };
        let cell = |tag| CellReport {
            phase: 0,
            tag,
            tally: tally.clone(),
            latency: None,
            histogram: String::new(),
        };
        let load = LoadReport {
            model: Model::Closed,
            ended: Ended::Completed,
            measured_seconds: 1.0,
            rate: 2000.0,
            total: tally.clone(),
            latency: None,
            thresholds: Vec::new(),
            tags: vec![
                tag(TagKind::Journey),
                tag(TagKind::Request),
                tag(TagKind::Request),
            ],
            phases: Vec::new(),
            cells: (0..3).map(cell).collect(),
            series: Series::default(),
            generator: GeneratorReport {
                processor_seconds: Some(0.02),
                ..GeneratorReport::default()
            },
            lag_histogram: String::new(),
            server: None,
            examples: Vec::new(),
            unasserted: Vec::new(),
        };
        let text = generator_text(&load);
        assert!(text.contains("(1 s per 100,000)"), "{text}");
    }
}
