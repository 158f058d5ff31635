//! Line charts as SVG, drawn with classes so that the page's style sheet gives them the colours of the reader's theme.

use crate::units::{show_bytes, show_number, show_seconds};

/// Width and height of a chart, and the room for its axes.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// More points than this are thinned by keeping the highest of each group.
const MOST_POINTS: usize = 360;

/// What the values of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Plain,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => show_seconds(value),
            Self::Bytes => show_bytes(value),
            Self::Plain => show_number(value),
        }
    }
}

/// One line of a chart.
pub(super) struct Line {
    /// Shown in the legend.
    pub label: &'static str,
    /// Points in order of x.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
pub(super) struct Chart {
    /// Heading.
    pub title: &'static str,
    /// Unit of the y axis, which begins at zero.
    pub unit: Unit,
    /// Ticks of the x axis: position and text.
    pub ticks: Vec<(f64, String)>,
    /// The lines; colours follow their order.
    pub lines: Vec<Line>,
}

/// Where values are in a chart.
struct Scale {
    first: f64,
    last: f64,
    top: f64,
    /// From one level of the y axis to the next.
    step: f64,
}

impl Scale {
    /// The scale that shows all points; none if there is nothing to show.
    fn of(lines: &[Line]) -> Option<Self> {
        let all = || lines.iter().flat_map(|line| &line.points);
        let highest = all().map(|p| p.1).fold(0.0, f64::max);
        let (first, last) = all().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(p.0), b.max(p.0)));
        if !(highest > 0.0 && last > first) {
            return None;
        }
        let step = nice(highest / 4.0);
        Some(Self {
            first,
            last,
            top: (highest / step).ceil() * step,
            step,
        })
    }

    fn covers(&self, x: f64) -> bool {
        x >= self.first && x <= self.last
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)
    }
}

impl Chart {
    /// The chart as an SVG figure; empty if there is nothing to draw.
    pub fn draw(&self) -> String {
        let Some(scale) = Scale::of(&self.lines) else {
            return String::new();
        };
        let mut svg = format!(
            "<figure><figcaption>{}{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title,
            self.legend(),
            self.title
        );
        svg += &self.grid(&scale);
        for (position, text) in self.ticks.iter().filter(|t| scale.covers(t.0)) {
            svg += &format!(
                "<text class=\"x\" x=\"{:.1}\" y=\"{}\">{text}</text>",
                scale.x(*position),
                HEIGHT - 8.0
            );
        }
        for (index, line) in self.lines.iter().enumerate() {
            let points: Vec<String> = thin(&line.points)
                .iter()
                .map(|p| format!("{:.1},{:.1}", scale.x(p.0), scale.y(p.1)))
                .collect();
            svg += &format!(
                "<polyline class=\"line c{index}\" points=\"{}\"/>",
                points.join(" ")
            );
        }
        svg + "</svg></figure>"
    }

    /// The levels of the y axis, each with what it stands for.
    fn grid(&self, scale: &Scale) -> String {
        let mut svg = String::new();
        let mut level = 0.0;
        while level <= scale.top * 1.0001 {
            let (at, text) = (scale.y(level), self.unit.show(level));
            svg += &format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
                WIDTH - RIGHT
            );
            svg += &format!(
                "<text class=\"y\" x=\"{}\" y=\"{:.1}\">{text}</text>",
                LEFT - 6.0,
                at + 4.0
            );
            level += scale.step;
        }
        svg
    }

    fn legend(&self) -> String {
        let entry =
            |(index, line): (usize, &Line)| format!("<span class=\"key k{index}\">{}</span>", line.label);
        self.lines.iter().enumerate().map(entry).collect()
    }
}

/// Ticks of a time axis in seconds.
pub(super) fn time_ticks(seconds: f64) -> Vec<(f64, String)> {
    let step = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10_800.0, 21_600.0,
        86_400.0,
    ]
    .into_iter()
    .find(|step| seconds / step <= 8.0)
    .unwrap_or(604_800.0);
    let count = (seconds / step).floor().max(0.0) as u32;
    (0..=count)
        .map(|i| f64::from(i) * step)
        .map(|at| (at, show_seconds(at)))
        .collect()
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn nice(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|f| f * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(power * 10.0)
}

fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let highest = |chunk: &[(f64, f64)]| chunk.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(group).filter_map(highest).collect()
}
