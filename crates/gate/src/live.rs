//! The live view of a run on standard error: a block that redraws itself on a terminal, a line every ten seconds
//! elsewhere. Never wider than 80 columns. Results go to standard output and are not written here.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use crate::load::Progress;
use crate::measure::Selection;
use crate::threshold::Held;
use crate::units::{Span, WIDTH, show_number, show_seconds, show_share};
use crate::verdict::Verdict;

/// Time between lines when standard error is no terminal.
const QUIET_EVERY: Duration = Duration::from_secs(10);

/// Where progress is shown.
pub struct Live {
    out: Box<dyn Write + Send>,
    redraw: bool,
    lines: usize,
    last: Option<Duration>,
}

impl Live {
    /// Progress on standard error.
    pub fn stderr() -> Self {
        let out = std::io::stderr();
        let redraw = out.is_terminal();
        Self::new(out, redraw)
    }

    /// Progress into `out`; `redraw` moves the cursor back, as only a terminal can.
    pub fn new(out: impl Write + Send + 'static, redraw: bool) -> Self {
        Self {
            out: Box::new(out),
            redraw,
            lines: 0,
            last: None,
        }
    }

    /// A line that stays.
    pub fn say(&mut self, text: &str) {
        self.lines = 0;
        let wrapped = crate::units::wrap(text, "", "  ");
        let lines: Vec<String> = wrapped.lines().map(str::to_owned).collect();
        self.put(&lines);
        self.lines = 0;
    }

    /// A line of progress: it replaces the one before it on a terminal; elsewhere one comes every ten seconds.
    pub fn step(&mut self, elapsed: Duration, text: &str) {
        let due = self.last.is_none_or(|last| elapsed >= last + QUIET_EVERY);
        if self.redraw || due {
            self.last = Some(elapsed);
            self.put(&[text.to_owned()]);
        }
    }

    /// Shows how a load run goes.
    pub fn load(&mut self, progress: &Progress<'_>, held: &[Held]) {
        let due = self
            .last
            .is_none_or(|last| progress.elapsed >= last + QUIET_EVERY);
        if self.redraw {
            self.put(&block(progress, held));
        } else if due {
            self.last = Some(progress.elapsed);
            self.put(&[line(progress, held)]);
        }
    }

    /// Ends the redrawing: what comes next stands below.
    pub fn end(&mut self) {
        self.lines = 0;
        self.last = None;
    }

    /// A progress display that cannot be written must not end a run: errors are dropped.
    fn put(&mut self, lines: &[String]) {
        let mut text = String::new();
        if self.redraw && self.lines > 0 {
            text += &format!("\x1b[{}A\x1b[J", self.lines);
        }
        for line in lines {
            text.extend(
                line.chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .take(if self.redraw { WIDTH } else { 400 }),
            );
            text.push('\n');
        }
        self.lines = lines.len();
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), show_seconds)
}

fn left(progress: &Progress<'_>) -> String {
    let left = progress.total.saturating_sub(progress.elapsed);
    match left.is_zero() {
        true => "draining".to_owned(),
        false => format!(
            "{} left",
            Span(Duration::from_secs(left.as_secs_f64().ceil() as u64))
        ),
    }
}

fn line(progress: &Progress<'_>, held: &[Held]) -> String {
    let point = progress.last;
    let broken = held.iter().filter(|h| h.verdict == Verdict::Fail).count();
    format!(
        "{} {} | {}/s | p50 {} p95 {} p99 {} | not ok {} no answer {} | {broken} of {} thresholds broken | {}",
        Span(Duration::from_secs(progress.elapsed.as_secs())),
        progress.phase,
        show_number(point.rate()),
        seconds(point.p50),
        seconds(point.p95),
        seconds(point.p99),
        point.not_ok,
        point.no_answer,
        held.len(),
        left(progress)
    )
}

fn block(progress: &Progress<'_>, held: &[Held]) -> Vec<String> {
    let point = progress.last;
    let share = (progress.elapsed.as_secs_f64() / progress.total.as_secs_f64().max(1e-9)).min(1.0);
    let filled = (share * 30.0) as usize;
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(30 - filled));
    let total = progress.measured.select(&Selection::default()).tally;
    let mut lines = vec![
        format!(
            "{bar} {:>4.0}%  {}  {}",
            share * 100.0,
            left(progress),
            progress.phase
        ),
        format!(
            "  rate {:>8}/s   under way {:<6} requests that count {}",
            show_number(point.rate()),
            point.in_flight,
            total.total()
        ),
        format!(
            "  p50 {:<8} p95 {:<8} p99 {:<8} max {:<8} own delay {}",
            seconds(point.p50),
            seconds(point.p95),
            seconds(point.p99),
            seconds(point.max),
            seconds(point.lag_p99)
        ),
        format!(
            "  ok {}   not ok {}   no answer {}   errors {}",
            total.ok,
            total.not_ok,
            total.unanswered(),
            total.error_rate().map_or_else(|| "–".to_owned(), show_share)
        ),
    ];
    lines.extend(held.iter().take(8).map(promise_line));
    lines
}

fn promise_line(held: &Held) -> String {
    let mark = match held.verdict {
        Verdict::Pass => "+",
        Verdict::Fail => "!",
        Verdict::Inconclusive => "?",
    };
    format!("  {mark} {:<38} {}", held.threshold, held.shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Measured, Point};

    fn shown(redraw: bool, times: u64) -> String {
        let (out, into) = std::io::pipe().unwrap();
        let mut live = Live::new(into, redraw);
        let measured = Measured::new(Vec::new(), Vec::new());
        let held = Held {
            threshold: "p95(a request with a very long name indeed, longer than any line) < 500ms".to_owned(),
            verdict: Verdict::Pass,
            value: Some(0.1),
            shown: "100ms".to_owned(),
        };
        for second in 0..times {
            let last = Point {
                length: 1.0,
                ok: 10,
                p50: Some(0.01),
                ..Point::default()
            };
            let (elapsed, total) = (Duration::from_secs(second), Duration::from_secs(60));
            live.load(
                &Progress {
                    elapsed,
                    total,
                    phase: "steady",
                    last: &last,
                    measured: &measured,
                },
                std::slice::from_ref(&held),
            );
        }
        drop(live);
        std::io::read_to_string(out).unwrap()
    }

    #[test]
    fn a_terminal_gets_a_block_of_at_most_eighty_columns_that_redraws_itself() {
        let text = shown(true, 2);
        let clean = text.replace("\x1b[5A\x1b[J", "");
        assert_ne!(clean, text);
        assert!(clean.lines().all(|line| line.chars().count() <= 80), "{clean}");
    }

    #[test]
    fn elsewhere_a_line_comes_every_ten_seconds_without_control_codes() {
        let text = shown(false, 25);
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains('\x1b'));
    }
}
