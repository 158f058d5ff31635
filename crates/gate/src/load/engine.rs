//! Runs a plan with a crew: starts threads and pacer, collects figures every tick, ends cleanly however it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::arrivals::{Arrival, Arrivals};
use super::crew::Crew;
use super::generator::{GeneratorReport, ThreadTimes};
use super::pacer;
use super::plan::{Model, Plan};
use super::shard::{Job, Shard, ShardEnd, UnderWay, pick};
use crate::measure::{Latency, Measured, Point, Recorder, Selection, Series, Sink};

/// Turns that may be on their way from the pacer to one thread; more means the thread is not keeping up.
const HANDOVER: usize = 65_536;
/// Time between the creation of the threads and the first request, so that all of them are ready.
const HEAD_START: Duration = Duration::from_millis(20);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The plan was carried out.
    Completed,
    /// Somebody stopped it.
    Stopped,
    /// A threshold with early abort did not hold.
    Aborted(String),
}

/// Whether a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// It does.
    Continue,
    /// It ends now, for this reason.
    Abort(String),
}

/// What the watcher sees at every tick.
pub struct Progress<'a> {
    /// Since the start.
    pub elapsed: Duration,
    /// Planned length.
    pub total: Duration,
    /// Name of the running phase.
    pub phase: &'a str,
    /// The last interval.
    pub last: &'a Point,
    /// Everything so far.
    pub measured: &'a Measured,
}

/// Everything a run found out.
#[derive(Clone, Debug)]
pub struct Run {
    /// Counts and latencies.
    pub measured: Measured,
    /// Figures over time.
    pub series: Series,
    /// The generator about itself.
    pub generator: GeneratorReport,
    /// The generator's own delay, for exact merging.
    pub lag: Latency,
    /// How it ended.
    pub ended: Ended,
    /// Wall time from the first planned request to the last answer.
    pub elapsed: Duration,
}

/// Carries out `plan`; `watch` is called at every tick and may end it, `cancel` ends it from outside.
///
/// # Errors
/// If a thread cannot be started.
pub async fn run<C: Crew>(
    plan: Plan,
    crew: C,
    cancel: CancellationToken,
    mut watch: impl FnMut(&Progress<'_>) -> Control,
) -> std::io::Result<Run> {
    let mut engine = Engine::start(Arc::new(plan), crew)?;
    let ended = engine.collect(&cancel, &mut watch).await;
    engine.finish(ended)
}

struct Engine {
    plan: Arc<Plan>,
    start: Instant,
    stop: Arc<AtomicBool>,
    /// One for each thread, as the sinks.
    under_way: Vec<Arc<UnderWay>>,
    sinks: Vec<Sink>,
    shards: Vec<JoinHandle<std::io::Result<ShardEnd>>>,
    finished: Vec<oneshot::Receiver<()>>,
    pacer: Option<JoinHandle<PacerEnd>>,
    spare: Recorder,
    measured: Measured,
    series: Series,
    lag: Latency,
    last_tick: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct PacerEnd {
    planned: u64,
    handed_out: u64,
    times: Option<ThreadTimes>,
}

impl Engine {
    fn start<C: Crew>(plan: Arc<Plan>, crew: C) -> std::io::Result<Self> {
        let start = Instant::now() + HEAD_START;
        let tags = crew.tags();
        let phases = plan.phases.iter().map(|p| (p.name.clone(), p.warmup)).collect();
        let new_sink = || Sink::new(plan.phases.len(), tags.len());
        let mut engine = Self {
            start,
            stop: Arc::default(),
            under_way: (0..plan.threads).map(|_| Arc::default()).collect(),
            sinks: (0..plan.threads).map(|_| new_sink()).collect(),
            shards: Vec::new(),
            finished: Vec::new(),
            pacer: None,
            spare: Recorder::new(plan.phases.len(), tags.len()),
            measured: Measured::new(tags, phases),
            series: Series::default(),
            lag: Latency::default(),
            last_tick: start,
            plan,
        };
        let mut queues = Vec::new();
        for index in 0..engine.plan.threads {
            queues.extend(engine.start_shard(index, crew.clone())?);
        }
        if engine.plan.model == Model::Open {
            engine.start_pacer(queues)?;
        }
        Ok(engine)
    }

    fn start_shard<C: Crew>(&mut self, index: usize, crew: C) -> std::io::Result<Option<mpsc::Sender<Job>>> {
        let shard = Shard {
            index,
            crew,
            plan: self.plan.clone(),
            sink: self.sinks[index].clone(),
            start: self.start,
            stop: self.stop.clone(),
            under_way: self.under_way[index].clone(),
        };
        let (finished, done) = oneshot::channel();
        let (queue, jobs) = match self.plan.model {
            Model::Open => {
                let (queue, jobs) = mpsc::channel(HANDOVER);
                (Some(queue), Some(jobs))
            }
            Model::Closed => (None, None),
        };
        let work = move || {
            let end = match jobs {
                Some(jobs) => shard.run_open(jobs),
                None => shard.run_closed(),
            };
            // The collector may have gone already; the end itself travels through the join handle.
            let _ = finished.send(());
            end
        };
        self.shards.push(
            std::thread::Builder::new()
                .name(format!("load-{index}"))
                .spawn(work)?,
        );
        self.finished.push(done);
        Ok(queue)
    }

    fn start_pacer(&mut self, queues: Vec<mpsc::Sender<Job>>) -> std::io::Result<()> {
        let (plan, start, stop) = (self.plan.clone(), self.start, self.stop.clone());
        let work = move || pace(&plan, start, &stop, &queues);
        self.pacer = Some(
            std::thread::Builder::new()
                .name("load-pacer".to_owned())
                .spawn(work)?,
        );
        Ok(())
    }

    async fn collect(
        &mut self,
        cancel: &CancellationToken,
        watch: &mut dyn FnMut(&Progress<'_>) -> Control,
    ) -> Ended {
        let mut ended = Ended::Completed;
        let mut tick = tokio::time::interval_at((self.start + self.plan.tick).into(), self.plan.tick);
        let mut finished = std::mem::take(&mut self.finished);
        let all_done = async {
            for done in &mut finished {
                // An error means that the thread ended without a word: `finish` learns why when it joins it.
                let _ = done.await;
            }
        };
        tokio::pin!(all_done);
        loop {
            tokio::select! {
                () = &mut all_done => break,
                () = cancel.cancelled(), if !self.stop.load(Ordering::Relaxed) => {
                    ended = Ended::Stopped;
                    self.count_seconds(Instant::now());
                    self.stop.store(true, Ordering::Relaxed);
                }
                _ = tick.tick() => {
                    if let Control::Abort(reason) = self.tick(watch)
                        && !self.stop.swap(true, Ordering::Relaxed)
                    {
                        ended = Ended::Aborted(reason);
                    }
                }
            }
        }
        self.tick(watch);
        ended
    }

    /// Takes in what was recorded since the last tick.
    fn tick(&mut self, watch: &mut dyn FnMut(&Progress<'_>) -> Control) -> Control {
        let now = Instant::now();
        let mut interval = crate::measure::Cell::default();
        let mut lag = Latency::default();
        for sink in &self.sinks {
            sink.swap(&mut self.spare);
            for (_, tag, cell) in self.spare.cells() {
                if self.measured.tags[tag].kind == crate::measure::TagKind::Request {
                    interval.merge(cell);
                }
            }
            self.measured.absorb(&self.spare);
            lag.merge(&self.spare.lag);
            self.spare.clear();
        }
        self.lag.merge(&lag);
        self.count_seconds(now);
        let point = self.point(now, &interval, &lag);
        self.last_tick = now;
        let elapsed = now.saturating_duration_since(self.start);
        let phase = &self.plan.phases[self.plan.phase_at(elapsed)].name;
        let control = watch(&Progress {
            elapsed,
            total: self.plan.duration(),
            phase,
            last: &point,
            measured: &self.measured,
        });
        if point.length >= self.plan.tick.as_secs_f64() / 2.0 {
            self.series.push(point);
        } else if point.length > 0.0 {
            self.series.extend(&point);
        }
        control
    }

    fn point(&self, now: Instant, interval: &crate::measure::Cell, lag: &Latency) -> Point {
        Point {
            at: self.last_tick.saturating_duration_since(self.start).as_secs_f64(),
            length: now.saturating_duration_since(self.last_tick).as_secs_f64(),
            ok: interval.tally.ok,
            not_ok: interval.tally.not_ok,
            no_answer: interval.tally.unanswered(),
            p50: interval.latency.quantile(0.5),
            p95: interval.latency.quantile(0.95),
            p99: interval.latency.quantile(0.99),
            max: interval.latency.max(),
            lag_p99: lag.quantile(0.99),
            in_flight: self
                .under_way
                .iter()
                .map(|u| u.0.load(Ordering::Relaxed) as u64)
                .sum(),
        }
    }

    /// Seconds each phase has run: the time after the plan's end is draining and belongs to no phase.
    fn count_seconds(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start);
        let mut begin = Duration::ZERO;
        for (index, phase) in self.plan.phases.iter().enumerate() {
            let ran = elapsed.saturating_sub(begin).min(phase.duration);
            if !self.stop.load(Ordering::Relaxed) {
                self.measured.seconds[index] = ran.as_secs_f64();
            }
            begin += phase.duration;
        }
    }

    fn finish(mut self, ended: Ended) -> std::io::Result<Run> {
        self.stop.store(true, Ordering::Relaxed);
        let elapsed = self.start.elapsed();
        let pacer = match self.pacer.take() {
            Some(pacer) => join(pacer)?,
            None => PacerEnd::default(),
        };
        let mut ends = Vec::new();
        for shard in std::mem::take(&mut self.shards) {
            ends.push(join(shard)??);
        }
        let mut generator = GeneratorReport {
            threads: ends.len(),
            planned: pacer.planned,
            handed_out: pacer.handed_out,
            lag: self.lag.summary(),
            peak_queue: ends.iter().map(|e| e.peak_queue).max().unwrap_or(0),
            ..GeneratorReport::default()
        };
        add_times(&mut generator, &ends, pacer.times, elapsed);
        let all = self.measured.select(&Selection::default()).latency;
        generator.judge(self.plan.model, &all, &self.lag, ended != Ended::Completed);
        let Self {
            measured,
            series,
            lag,
            ..
        } = self;
        Ok(Run {
            measured,
            series,
            generator,
            lag,
            ended,
            elapsed,
        })
    }
}

fn join<T>(handle: JoinHandle<T>) -> std::io::Result<T> {
    handle
        .join()
        .map_err(|_| std::io::Error::other("a generator thread panicked"))
}

fn add_times(report: &mut GeneratorReport, ends: &[ShardEnd], pacer: Option<ThreadTimes>, elapsed: Duration) {
    let times: Option<Vec<_>> = ends.iter().map(|end| end.times).collect();
    let Some(times) = times else { return };
    let wall = elapsed.as_secs_f64() * times.len() as f64;
    let busy: f64 = times.iter().map(|t| t.busy).sum();
    let waiting: f64 = times.iter().map(|t| t.waiting).sum();
    report.processor_seconds = Some(busy + pacer.map_or(0.0, |t| t.busy));
    report.busy = Some(busy / wall);
    report.starved = Some(waiting / wall);
}

/// The pacer's thread: picks a journey for each arrival and hands it to the threads in turn.
fn pace(plan: &Plan, start: Instant, stop: &AtomicBool, queues: &[mpsc::Sender<Job>]) -> PacerEnd {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed.rotate_left(32));
    let mut refused = 0;
    let mut turn = 0;
    let arrivals = Arrivals::new(&plan.phases, plan.poisson, plan.seed);
    let emit = |arrival: Arrival, due: Instant| {
        let journey = if plan.weights.len() > 1 {
            pick(&plan.weights, random.random())
        } else {
            0
        };
        let job = Job {
            due,
            phase: arrival.phase,
            journey,
        };
        refused += u64::from(queues[turn].try_send(job).is_err());
        turn = (turn + 1) % queues.len();
    };
    let planned = pacer::run(arrivals, start, stop, emit);
    PacerEnd {
        planned,
        handed_out: planned - refused,
        times: ThreadTimes::of_this_thread(),
    }
}
