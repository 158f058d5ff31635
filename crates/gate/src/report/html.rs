//! `report.html`: one self-contained page, verdict and reasons first. The page itself is `templates/report.html`.

use askama::Template;

use super::charts::{load_charts, soak_charts};
use super::evidence::{CellReport, CompareReport, LoadReport, SoakReport};
use super::model::{Detail, Report, StageResult};
use crate::compare::{Answer, FigureAnswer};
use crate::measure::Summary;
use crate::units::{show_number, show_seconds, show_share};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    stages: Vec<StageView<'a>>,
}

struct StageView<'a> {
    result: &'a StageResult,
    took: String,
    /// Charts as SVG made here from numbers and constant words, hence safe to insert as they are.
    charts: Vec<String>,
    tables: Vec<Table>,
}

struct Table {
    title: String,
    head: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    /// `pass`, `fail`, `inconclusive` or nothing; the class of the row.
    state: &'static str,
    cells: Vec<String>,
}

/// The report as a page.
pub(super) fn html(report: &Report) -> Result<String, askama::Error> {
    Page {
        report,
        stages: report.stages.iter().map(view).collect(),
    }
    .render()
}

fn view(result: &StageResult) -> StageView<'_> {
    let (charts, tables) = match &result.detail {
        Detail::None => (Vec::new(), Vec::new()),
        Detail::Smoke(smoke) => (Vec::new(), vec![smoke_table(smoke)]),
        Detail::Load(load) => (load_charts(load), load_tables(load)),
        Detail::Soak(soak) => (soak_charts(soak), soak_tables(soak)),
        Detail::Compare(compare) => (Vec::new(), vec![before_after(compare), compare_table(compare)]),
        Detail::Findings { facts, findings } => {
            let fact = |(name, value): &(String, String)| Row {
                state: "",
                cells: vec![name.clone(), value.clone()],
            };
            let finding = |f: &super::Finding| Row {
                state: "fail",
                cells: vec![f.rule.clone(), f.title.clone(), f.place.clone(), f.detail.clone()],
            };
            let mut tables = vec![table("Facts", vec!["fact", "value"], facts.iter().map(fact))];
            if !findings.is_empty() {
                let head = vec!["rule", "finding", "place", "evidence"];
                tables.push(table("Findings", head, findings.iter().map(finding)));
            }
            (Vec::new(), tables)
        }
    };
    let charts = charts.into_iter().filter(|svg| !svg.is_empty()).collect();
    StageView {
        result,
        took: show_seconds(result.seconds),
        charts,
        tables,
    }
}

fn table(title: &str, head: Vec<&'static str>, rows: impl Iterator<Item = Row>) -> Table {
    Table {
        title: title.to_owned(),
        head,
        rows: rows.collect(),
    }
}

fn smoke_table(smoke: &super::SmokeReport) -> Table {
    let row = |row: &super::SmokeRow| Row {
        state: if row.ok { "pass" } else { "fail" },
        cells: vec![
            format!("{}:{}", row.file, row.line),
            row.request.clone(),
            row.text.clone(),
            row.expected.clone(),
            row.actual.clone(),
        ],
    };
    let title = format!(
        "{} files, {} requests, {} asserts",
        smoke.files,
        smoke.calls,
        smoke.rows.len()
    );
    table(
        &title,
        vec!["place", "request", "assert", "expected", "came"],
        smoke.rows.iter().map(row),
    )
}

fn held_table(held: &[crate::threshold::Held]) -> Table {
    let row = |held: &crate::threshold::Held| Row {
        state: held.verdict.word(),
        cells: vec![
            held.threshold.clone(),
            held.shown.clone(),
            held.verdict.to_string(),
        ],
    };
    table(
        "Thresholds",
        vec!["promise", "measured", "verdict"],
        held.iter().map(row),
    )
}

fn load_tables(load: &LoadReport) -> Vec<Table> {
    let head = vec![
        "request",
        "phase",
        "ok",
        "not ok",
        "no answer",
        "min",
        "mean",
        "p50",
        "p95",
        "p99",
        "p99.9",
        "max",
    ];
    vec![
        held_table(&load.held()),
        table(
            "Requests and journeys",
            head,
            load.cells.iter().map(|cell| cell_row(load, cell)),
        ),
        failures_table(load),
        generator_table(load),
    ]
}

fn cell_row(load: &LoadReport, cell: &CellReport) -> Row {
    let show = |pick: fn(&Summary) -> f64| {
        cell.latency
            .as_ref()
            .map_or_else(|| "–".to_owned(), |latency| show_seconds(pick(latency)))
    };
    let (name, warmup, _) = &load.phases[cell.phase];
    let good = cell.tally.ok == cell.tally.total();
    let mut cells = vec![load.tags[cell.tag].name.clone(), name.clone()];
    cells.extend([cell.tally.ok, cell.tally.not_ok, cell.tally.unanswered()].map(|count| count.to_string()));
    cells.extend([
        show(|l| l.min),
        show(|l| l.mean),
        show(|l| l.p50),
        show(|l| l.p95),
        show(|l| l.p99),
    ]);
    cells.extend([show(|l| l.p999), show(|l| l.max)]);
    Row {
        state: if *warmup {
            "warmup"
        } else if good {
            ""
        } else {
            "fail"
        },
        cells,
    }
}

fn failures_table(load: &LoadReport) -> Table {
    let reasons = load
        .total
        .no_answer
        .iter()
        .map(|(reason, count)| (reason.words().to_owned(), *count));
    let statuses = load
        .total
        .status
        .iter()
        .map(|(status, count)| (format!("answered with status {status}"), *count));
    let row = |(what, count): (String, u64)| Row {
        state: "",
        cells: vec![what, count.to_string()],
    };
    table(
        "What came back",
        vec!["what", "count"],
        statuses.chain(reasons).map(row),
    )
}

fn generator_table(load: &LoadReport) -> Table {
    let generator = &load.generator;
    let share = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), show_share);
    let facts = [
        ("Threads", generator.threads.to_string()),
        (
            "Planned and handed out (open model)",
            format!("{} and {}", generator.planned, generator.handed_out),
        ),
        (
            "Its own delay, p50 and p99",
            generator.lag.map_or_else(
                || "closed model: none".to_owned(),
                |lag| format!("{} and {}", show_seconds(lag.p50), show_seconds(lag.p99)),
            ),
        ),
        (
            "Processor time",
            generator
                .processor_seconds
                .map_or_else(|| "not measured".to_owned(), show_seconds),
        ),
        ("Threads busy", share(generator.busy)),
        ("Threads waiting for a processor", share(generator.starved)),
        ("Longest queue for a free user", generator.peak_queue.to_string()),
        (
            "Disturbed",
            generator.disturbed.clone().unwrap_or_else(|| "no".to_owned()),
        ),
        (
            "Limited the run",
            generator.limited.clone().unwrap_or_else(|| "no".to_owned()),
        ),
    ];
    figures_table("The generator about itself", facts)
}

/// Single figures, one below the other.
fn figures_table<const N: usize>(title: &str, figures: [(&str, String); N]) -> Table {
    let row = |(name, value): (&str, String)| Row {
        state: "",
        cells: vec![name.to_owned(), value],
    };
    table(title, vec!["figure", "value"], figures.into_iter().map(row))
}

fn soak_tables(soak: &SoakReport) -> Vec<Table> {
    vec![
        drift_table(&soak.drifts),
        held_table(&soak.thresholds),
        soak_figures(soak),
    ]
}

fn drift_table(drifts: &[crate::soak::Drift]) -> Table {
    let share = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), show_share);
    let drift = |drift: &crate::soak::Drift| Row {
        state: drift.verdict.word(),
        cells: vec![
            drift.figure.clone(),
            show_number(drift.warm_level),
            share(drift.change),
            format!("{} to {}", share(drift.low), share(drift.high)),
            show_share(drift.limit),
            drift.verdict.to_string(),
        ],
    };
    let head = vec![
        "figure",
        "warm level",
        "drift over the run",
        "95 % interval",
        "limit",
        "verdict",
    ];
    table("Drift", head, drifts.iter().map(drift))
}

fn soak_figures(soak: &SoakReport) -> Table {
    let changes: Vec<String> = soak
        .latency_changes
        .iter()
        .map(|hours| format!("{} h", show_number(*hours)))
        .collect();
    let facts = [
        ("Planned", show_seconds(soak.planned_seconds)),
        ("Speed", format!("{} times real time", show_number(soak.speed))),
        ("Taken up again", format!("{} times", soak.resumed)),
        (
            "Latency changed its level",
            if changes.is_empty() {
                "never".to_owned()
            } else {
                changes.join(", ")
            },
        ),
    ];
    figures_table("The run", facts)
}

fn before_after(compare: &CompareReport) -> Table {
    let row = |row: &crate::compare::TableRow| Row {
        state: match row.answer {
            Some(Answer::Better | Answer::Same) => "pass",
            Some(Answer::Worse) => "fail",
            Some(Answer::CannotTell) => "inconclusive",
            None => "",
        },
        cells: row.cells().into(),
    };
    table(
        "Before and after",
        crate::compare::HEAD.into(),
        compare.table.iter().map(row),
    )
}

fn compare_table(compare: &CompareReport) -> Table {
    let row = |answer: &FigureAnswer| {
        let (state, word) = match answer.answer {
            Answer::Better => ("pass", "better"),
            Answer::Same => ("pass", "same"),
            Answer::Worse => ("fail", "worse"),
            Answer::CannotTell => ("inconclusive", "cannot tell"),
        };
        let show = |value| crate::compare::show_figure(&answer.figure, value);
        let word = match answer.rounds_needed {
            Some(rounds) => format!("{word}; about {rounds} rounds would do"),
            None => word.to_owned(),
        };
        let interval = format!("{} to {}", show_share(answer.low), show_share(answer.high));
        let cells = vec![
            answer.figure.clone(),
            show(answer.base),
            show(answer.candidate),
            show_share(answer.change),
            interval,
            show_share(answer.noise),
            word,
        ];
        Row { state, cells }
    };
    let title = format!("{} against {}: {}", compare.candidate, compare.base, compare.plan);
    let head = vec![
        "figure",
        "baseline",
        "candidate",
        "change",
        "interval",
        "baseline against itself",
        "answer",
    ];
    table(&title, head, compare.answers.iter().map(row))
}
