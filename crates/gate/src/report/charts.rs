//! Which charts a stage of the report has. How a chart is drawn is in `svg`.

use super::evidence::{CellReport, LoadReport, SoakReport};
use super::svg::{Chart, Line, Unit, time_ticks};
use crate::measure::{Latency, Point, Series};
use crate::server::ServerSeries;
use crate::soak::SoakSample;

pub(super) fn load_charts(load: &LoadReport) -> Vec<String> {
    let mut charts = series_charts(&load.series);
    charts.insert(1, percentile_chart(load));
    charts.extend(load.server.as_ref().map(memory_chart));
    charts
}

fn line(label: &'static str, series: &Series, pick: impl Fn(&Point) -> Option<f64>) -> Line {
    Line {
        label,
        points: series
            .points
            .iter()
            .filter_map(|p| Some((p.at + p.length / 2.0, pick(p)?)))
            .collect(),
    }
}

fn series_charts(series: &Series) -> Vec<String> {
    let seconds = series.points.last().map_or(0.0, |p| p.at + p.length);
    let chart = |title, unit, lines| {
        Chart {
            title,
            unit,
            ticks: time_ticks(seconds),
            lines,
        }
        .draw()
    };
    vec![
        chart(
            "Latency over time",
            Unit::Seconds,
            vec![
                line("p50", series, |p| p.p50),
                line("p95", series, |p| p.p95),
                line("p99", series, |p| p.p99),
            ],
        ),
        chart(
            "Requests per second",
            Unit::Plain,
            vec![line("requests", series, |p| Some(p.rate()))],
        ),
        chart(
            "Errors per interval",
            Unit::Plain,
            vec![
                line("not ok", series, |p| Some(p.not_ok as f64)),
                line("no answer", series, |p| Some(p.no_answer as f64)),
            ],
        ),
    ]
}

/// Latency against percentile, on the scale of nines.
fn percentile_chart(load: &LoadReport) -> String {
    let mut all = Latency::default();
    let counted = |cell: &&CellReport| {
        !load.phases[cell.phase].1 && load.tags[cell.tag].kind == crate::measure::TagKind::Request
    };
    for cell in load.cells.iter().filter(counted) {
        // A histogram that cannot be read is left out of the picture; the tables carry their own figures.
        all.merge(&Latency::decode(&cell.histogram).unwrap_or_default());
    }
    let nines = (all.count() as f64).log10().clamp(1.0, 5.0);
    let at = |position: f64| 1.0 - 10f64.powf(-position);
    let points = (0..=100).map(|i| nines * f64::from(i) / 100.0);
    let points = points.filter_map(|p| Some((p, all.quantile(at(p))?))).collect();
    let ticks = [
        (0.0, "0%"),
        (0.301, "50%"),
        (1.0, "90%"),
        (2.0, "99%"),
        (3.0, "99.9%"),
        (4.0, "99.99%"),
        (5.0, "99.999%"),
    ];
    let ticks = ticks.map(|(at, text)| (at, text.to_owned())).to_vec();
    let lines = vec![Line {
        label: "latency",
        points,
    }];
    Chart {
        title: "Latency by percentile",
        unit: Unit::Seconds,
        ticks,
        lines,
    }
    .draw()
}

fn memory_chart(server: &ServerSeries) -> String {
    let pick = |s: &crate::server::ServerSample| Some((s.at, *s.figures.get("server.resident_bytes")?));
    let points: Vec<_> = server.samples.iter().filter_map(pick).collect();
    let ticks = time_ticks(points.last().map_or(0.0, |p| p.0));
    let lines = vec![Line {
        label: "resident",
        points,
    }];
    Chart {
        title: "Memory of the server",
        unit: Unit::Bytes,
        ticks,
        lines,
    }
    .draw()
}

fn sample_line(label: &'static str, soak: &SoakReport, pick: impl Fn(&SoakSample) -> Option<f64>) -> Line {
    Line {
        label,
        points: soak
            .samples
            .iter()
            .filter_map(|s| Some((s.at, pick(s)?)))
            .collect(),
    }
}

pub(super) fn soak_charts(soak: &SoakReport) -> Vec<String> {
    let ticks = || time_ticks(soak.samples.last().map_or(0.0, |s| s.at));
    let draw = |title, unit, lines| {
        Chart {
            title,
            unit,
            ticks: ticks(),
            lines,
        }
        .draw()
    };
    vec![
        draw(
            "Latency",
            Unit::Seconds,
            vec![
                sample_line("p50", soak, |s| s.p50),
                sample_line("p99", soak, |s| s.p99),
            ],
        ),
        draw(
            "Memory of the server",
            Unit::Bytes,
            vec![sample_line("resident", soak, |s| {
                s.server.get("server.resident_bytes").copied()
            })],
        ),
        draw(
            "Requests per second",
            Unit::Plain,
            vec![sample_line("requests", soak, |s| Some(s.rate))],
        ),
        draw(
            "Users",
            Unit::Plain,
            vec![sample_line("users", soak, |s| Some(s.users as f64))],
        ),
    ]
}
