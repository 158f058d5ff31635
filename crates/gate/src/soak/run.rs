//! Carries out a soak plan stretch by stretch, saving its state at every sample.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Drift;
use super::drift::{block_medians, judge_drift};
use super::state::{SoakSample, State, StateError};
use crate::load::plan::{Model, Phase, Plan, Think};
use crate::load::{Control, Crew, Progress, run as run_load};
use crate::measure::{Cell, Latency, Selection};
use crate::server::LiveFigures;

/// What a soak does.
#[derive(Clone, Debug)]
pub struct SoakPlan {
    /// Whole length.
    pub length: Duration,
    /// A load step begins each time this has passed.
    pub every: Duration,
    /// Users of the load steps, one after the other.
    pub ladder: Vec<usize>,
    /// Length of each step.
    pub step: Duration,
    /// Users between the steps.
    pub light_users: usize,
    /// Pause between journeys.
    pub think: Think,
    /// Time between samples.
    pub sample: Duration,
    /// How many times faster than planned; 1 is real time. Think times are not shortened.
    pub speed: f64,
    /// Seed.
    pub seed: u64,
    /// Weight of each journey.
    pub weights: Vec<f64>,
    /// Generator threads.
    pub threads: usize,
    /// Time for answers under way at the end of a stretch.
    pub drain: Duration,
    /// Largest growth of memory over the run, relative to its warm level.
    pub memory_limit: f64,
    /// Largest growth of the median latency.
    pub latency_limit: f64,
}

/// A stretch of a soak with a fixed number of users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// When it begins, in time of the plan.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
    /// Users.
    pub users: usize,
    /// True between load steps.
    pub light: bool,
}

impl Segment {
    /// What is left of it when the plan has been carried out up to there.
    fn after(self, done: Duration) -> Option<Self> {
        (self.to > done).then(|| Self {
            from: self.from.max(done),
            ..self
        })
    }
}

impl SoakPlan {
    /// All stretches in order.
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut now = Duration::ZERO;
        let mut add = |now: &mut Duration, length: Duration, users, light| {
            let to = (*now + length).min(self.length);
            if to > *now {
                segments.push(Segment {
                    from: *now,
                    to,
                    users,
                    light,
                });
                *now = to;
            }
        };
        while now < self.length {
            add(&mut now, self.every, self.light_users, true);
            for users in &self.ladder {
                add(&mut now, self.step, *users, false);
            }
        }
        segments
    }

    /// A text that tells plans apart, for the state file.
    pub fn fingerprint(&self, target: &str) -> String {
        format!(
            "{target} for {:?} every {:?} ladder {:?} step {:?} light {} sample {:?} speed {} seed {}",
            self.length,
            self.every,
            self.ladder,
            self.step,
            self.light_users,
            self.sample,
            self.speed,
            self.seed
        )
    }

    fn real(&self, planned: Duration) -> Duration {
        planned.div_f64(self.speed)
    }
}

/// What a soak found.
#[derive(Clone, Debug)]
pub struct Soaked {
    /// Everything measured.
    pub state: State,
    /// True if the plan was carried out to its end.
    pub complete: bool,
}

impl Soaked {
    /// All latencies.
    pub fn latency(&self) -> Latency {
        Latency::decode(&self.state.histogram).unwrap_or_default()
    }

    /// Drift of memory, descriptors and latency, from the light stretches after the first tenth of the plan.
    ///
    /// Memory is always judged: if the server did not tell it, its drift is inconclusive.
    pub fn drifts(&self, plan: &SoakPlan) -> Vec<Drift> {
        let warm = plan.length.as_secs_f64() * 0.1;
        let samples = || self.state.samples.iter().filter(move |s| s.light && s.at >= warm);
        let server = |name: &str| -> Vec<(f64, f64)> {
            samples()
                .filter_map(|s| Some((s.at, *s.server.get(name)?)))
                .collect()
        };
        let p50: Vec<(f64, f64)> = samples().filter_map(|s| Some((s.at, s.p50?))).collect();
        let mut drifts = vec![
            judge_drift("memory", &server("server.resident_bytes"), plan.memory_limit),
            judge_drift("p50", &p50, plan.latency_limit),
        ];
        for (figure, name) in [
            ("open files", "server.open_files"),
            ("connections", "server.connections"),
        ] {
            let values = server(name);
            if !values.is_empty() {
                drifts.push(judge_drift(figure, &values, plan.memory_limit));
            }
        }
        drifts
    }

    /// Hours at which the median latency changed its level.
    pub fn latency_changes(&self, seed: u64) -> Vec<f64> {
        let light = self.state.samples.iter().filter(|s| s.light);
        let points: Vec<(f64, f64)> = light.filter_map(|s| Some((s.at, s.p50?))).collect();
        let blocks = block_medians(&points);
        let values: Vec<f64> = blocks.iter().map(|b| b.1).collect();
        crate::compare::change_points(&values, seed)
            .into_iter()
            .map(|i| blocks[i].0 / 3600.0)
            .collect()
    }
}

/// Carries the plan out, or what is left of it after a restart.
///
/// # Errors
/// If the state file cannot be used, or a thread cannot be started (as an I/O error of the state file's path).
pub async fn run<C: Crew>(
    plan: &SoakPlan,
    target: &str,
    crew: C,
    state_path: &Path,
    server: watch::Receiver<LiveFigures>,
    cancel: CancellationToken,
    show: &mut dyn FnMut(&SoakSample, f64),
) -> Result<Soaked, StateError> {
    let mut state = State::load(state_path, &plan.fingerprint(target))?;
    for segment in plan.segments() {
        let done = Duration::from_secs_f64(state.done);
        let Some(segment) = segment.after(done) else {
            continue;
        };
        let mut stretch = Stretch {
            plan,
            segment,
            path: state_path,
            before: state.clone(),
            state: &mut state,
            unsaved: None,
        };
        let watch = |progress: &Progress<'_>| stretch.tick(progress, &server.borrow(), show);
        let run = run_load(load_plan(plan, &segment), crew.clone(), cancel.clone(), watch)
            .await
            .map_err(|source| StateError::Io {
                path: state_path.to_owned(),
                source,
            })?;
        stretch.end(&run.measured.select(&Selection::default()))?;
        if cancel.is_cancelled() {
            return Ok(Soaked {
                state,
                complete: false,
            });
        }
        state.done = segment.to.as_secs_f64();
        state.save(state_path)?;
    }
    Ok(Soaked {
        state,
        complete: true,
    })
}

/// A stretch under way: what was known before it, and what is known now.
struct Stretch<'a> {
    plan: &'a SoakPlan,
    segment: Segment,
    path: &'a Path,
    before: State,
    state: &'a mut State,
    unsaved: Option<StateError>,
}

impl Stretch<'_> {
    fn tick(
        &mut self,
        progress: &Progress<'_>,
        server: &LiveFigures,
        show: &mut dyn FnMut(&SoakSample, f64),
    ) -> Control {
        let Some(sample) = sample_of(self.plan, &self.segment, progress, server) else {
            return Control::Continue;
        };
        if sample.at <= self.state.done {
            return Control::Continue;
        }
        self.state.done = sample.at;
        show(&sample, self.state.done / self.plan.length.as_secs_f64());
        self.state.samples.push(sample);
        match self.save(&progress.measured.select(&Selection::default())) {
            Ok(()) => Control::Continue,
            Err(error) => {
                self.unsaved = Some(error);
                Control::Abort("the state could not be saved".to_owned())
            }
        }
    }

    /// What a stretch measured is cumulative, so it is added to what was known before the stretch.
    fn save(&mut self, so_far: &Cell) -> Result<(), StateError> {
        let (tally, histogram) = (self.before.tally.clone(), self.before.histogram.clone());
        let mut sum = State {
            tally,
            histogram,
            ..State::default()
        };
        sum.add(so_far).map_err(|e| StateError::Damaged {
            path: self.path.to_owned(),
            reason: e.to_string(),
        })?;
        self.state.tally = sum.tally;
        self.state.histogram = sum.histogram;
        self.state.save(self.path)
    }

    fn end(mut self, measured: &Cell) -> Result<(), StateError> {
        match self.unsaved.take() {
            Some(error) => Err(error),
            None => self.save(measured),
        }
    }
}

fn load_plan(plan: &SoakPlan, segment: &Segment) -> Plan {
    let users = segment.users as f64;
    let duration = plan.real(segment.to - segment.from);
    Plan {
        model: Model::Closed,
        phases: vec![Phase {
            name: "soak".to_owned(),
            warmup: false,
            duration,
            from: users,
            to: users,
        }],
        poisson: false,
        think: plan.think,
        weights: plan.weights.clone(),
        seed: plan.seed ^ segment.from.as_secs(),
        drain: plan.drain,
        max_in_flight: segment.users,
        threads: plan.threads.min(segment.users).max(1),
        tick: plan.real(plan.sample).max(Duration::from_millis(50)),
    }
}

/// The sample of the last interval; `None` for the sliver at the very end of a stretch.
fn sample_of(
    plan: &SoakPlan,
    segment: &Segment,
    progress: &Progress<'_>,
    server: &LiveFigures,
) -> Option<SoakSample> {
    let point = progress.last;
    let wanted = plan.real(plan.sample).as_secs_f64();
    (point.length >= wanted * 0.5).then(|| SoakSample {
        at: (segment.from.as_secs_f64() + progress.elapsed.as_secs_f64() * plan.speed)
            .min(segment.to.as_secs_f64()),
        users: segment.users,
        light: segment.light,
        p50: point.p50,
        p99: point.p99,
        rate: point.rate(),
        errors: point.not_ok + point.no_answer,
        server: server.latest.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_on_schedule_and_the_plan_ends_on_time() {
        let hour = Duration::from_secs(3600);
        let plan = SoakPlan {
            length: hour * 24,
            every: hour * 6,
            ladder: vec![10, 150],
            step: hour / 2,
            light_users: 5,
            think: Think::default(),
            sample: Duration::from_secs(60),
            speed: 60.0,
            seed: 1,
            weights: vec![1.0],
            threads: 1,
            drain: Duration::ZERO,
            memory_limit: 0.05,
            latency_limit: 0.1,
        };
        let segments = plan.segments();
        assert_eq!(segments.last().unwrap().to, plan.length);
        assert!(segments.windows(2).all(|w| w[0].to == w[1].from));
        let steps: Vec<_> = segments
            .iter()
            .filter(|s| !s.light)
            .map(|s| (s.from.as_secs() / 1800, s.users))
            .collect();
        assert_eq!(
            steps,
            [(12, 10), (13, 150), (26, 10), (27, 150), (40, 10), (41, 150)]
        );
        assert_eq!(load_plan(&plan, &segments[0]).duration(), hour * 6 / 60);
    }
}
