//! One generator thread: a single-threaded runtime, its users, and the queue of turns that found no free user.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::task::LocalSet;

use super::crew::{Crew, Turn, VirtualUser};
use super::generator::ThreadTimes;
use super::plan::Plan;
use crate::measure::{Answer, Reason, Sample, Sink};

/// A turn on its way from the pacer to a generator thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub due: Instant,
    pub phase: u16,
    pub journey: u16,
}

/// Turns taken from the pacer in one go.
const BATCH: usize = 64;
/// Turns of one thread that may wait for a free user, as a multiple of its users.
const QUEUE_FACTOR: usize = 4;

/// Pause of a closed model's user that could not connect: else a dead server would be called as fast as it refuses.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(50);

/// Journeys under way on one thread, apart from those of others: two cores that count in one place wait for each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct UnderWay(pub AtomicUsize);

/// What all tasks of one thread share.
pub(super) struct Shard<C: Crew> {
    pub index: usize,
    pub crew: C,
    pub plan: Arc<Plan>,
    pub sink: Sink,
    pub start: Instant,
    /// Set when the run is to end before its plan does.
    pub stop: Arc<AtomicBool>,
    /// For the live view.
    pub under_way: Arc<UnderWay>,
}

/// What a thread tells when it is done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShardEnd {
    pub times: Option<ThreadTimes>,
    pub peak_queue: usize,
}

impl<C: Crew> Shard<C> {
    /// Runs the thread's share of an open model until the pacer closes `jobs` and all turns are done or drained.
    pub fn run_open(self, jobs: Receiver<Job>) -> std::io::Result<ShardEnd> {
        let shard = Rc::new(self);
        let open = Rc::new(Open::new(shard.clone()));
        on_this_thread(async move {
            open.clone().dispatch(jobs).await;
            open.drain().await;
            ShardEnd {
                times: ThreadTimes::of_this_thread(),
                peak_queue: open.peak_queue.get(),
            }
        })
    }

    /// Runs the thread's share of the users of a closed model to the end of the plan.
    pub fn run_closed(self) -> std::io::Result<ShardEnd> {
        let shard = Rc::new(self);
        on_this_thread(async move {
            let users = shard.plan.most_users();
            let mine = (0..users).filter(|number| number % shard.plan.threads == shard.index);
            let mut tasks = tokio::task::JoinSet::new();
            for number in mine {
                tasks.spawn_local(closed_user(shard.clone(), number));
            }
            let end = shard.start + shard.plan.duration();
            while !tasks.is_empty() {
                let limit = shard.closing_time(end);
                if tokio::time::timeout_at(limit.into(), tasks.join_next())
                    .await
                    .is_err()
                    && shard.over(end)
                {
                    break;
                }
            }
            tasks.abort_all();
            while tasks.join_next().await.is_some() {}
            ShardEnd {
                times: ThreadTimes::of_this_thread(),
                peak_queue: 0,
            }
        })
    }

    /// When to look again whether the time for draining is over: a stop may come at any time.
    fn closing_time(&self, end: Instant) -> Instant {
        (Instant::now() + Duration::from_millis(100)).min(end + self.plan.drain)
    }

    fn over(&self, end: Instant) -> bool {
        Instant::now() >= end + self.plan.drain || self.stop.load(Ordering::Relaxed)
    }

    /// Runs one turn and counts it as unfinished if it is cut short.
    async fn turn(&self, user: &mut C::User, job: Job) -> bool {
        let mut guard = Unfinished {
            shard: self,
            job,
            armed: true,
        };
        self.under_way.0.fetch_add(1, Ordering::Relaxed);
        let (journey, phase) = (usize::from(job.journey), job.phase);
        let reached = user
            .turn(Turn {
                due: job.due,
                journey,
                phase,
                sink: &self.sink,
            })
            .await;
        guard.armed = false;
        reached
    }

    fn count_unanswered(&self, job: Job, reason: Reason) {
        self.sink.record(&Sample {
            phase: job.phase,
            tag: self.crew.first_tag(usize::from(job.journey)),
            latency: job.due.elapsed(),
            answer: Answer::None(reason),
            status: 0,
            bytes: 0,
        });
    }
}

/// Counts a turn that was dropped half-way, so that what was asked and what was counted agree.
struct Unfinished<'a, C: Crew> {
    shard: &'a Shard<C>,
    job: Job,
    armed: bool,
}

impl<C: Crew> Drop for Unfinished<'_, C> {
    fn drop(&mut self) {
        self.shard.under_way.0.fetch_sub(1, Ordering::Relaxed);
        // A run that was told to stop did not wait for answers: their absence says nothing about the server.
        if self.armed && !self.shard.stop.load(Ordering::Relaxed) {
            self.shard.count_unanswered(self.job, Reason::Unfinished);
        }
    }
}

/// Waits out what is left until `due`: some microseconds, for which no timer is good enough, so it looks at the clock
/// again and again, between the work of the thread's other tasks.
async fn until(due: Instant) {
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

fn on_this_thread<F: Future<Output = ShardEnd> + 'static>(work: F) -> std::io::Result<ShardEnd> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(LocalSet::new().block_on(&runtime, work))
}

/// The open model on one thread: idle users, waiting turns, and how many are under way.
struct Open<C: Crew> {
    shard: Rc<Shard<C>>,
    idle: RefCell<Vec<C::User>>,
    waiting: RefCell<VecDeque<Job>>,
    recruited: Cell<usize>,
    busy: Cell<usize>,
    most_users: usize,
    peak_queue: Cell<usize>,
    done: Notify,
    tasks: RefCell<tokio::task::JoinSet<()>>,
}

impl<C: Crew> Open<C> {
    fn new(shard: Rc<Shard<C>>) -> Self {
        let most_users = (shard.plan.max_in_flight / shard.plan.threads).max(1);
        Self {
            shard,
            idle: RefCell::default(),
            waiting: RefCell::default(),
            recruited: Cell::new(0),
            busy: Cell::new(0),
            most_users,
            peak_queue: Cell::new(0),
            done: Notify::new(),
            tasks: RefCell::default(),
        }
    }

    async fn dispatch(self: Rc<Self>, mut jobs: Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH);
        while jobs.recv_many(&mut batch, BATCH).await > 0 {
            for job in batch.drain(..) {
                until(job.due).await;
                self.shard.sink.lag(job.due.elapsed());
                self.clone().start(job);
            }
        }
    }

    /// Gives the turn to a free user, or to a new one, or lets it wait; its latency counts from when it was due.
    fn start(self: Rc<Self>, job: Job) {
        let user = self.idle.borrow_mut().pop().or_else(|| self.recruit());
        match user {
            Some(user) => {
                self.busy.set(self.busy.get() + 1);
                let open = self.clone();
                let mut tasks = self.tasks.borrow_mut();
                tasks.spawn_local(open.work(user, job));
                while tasks.try_join_next().is_some() {}
            }
            None => self.wait(job),
        }
    }

    fn recruit(&self) -> Option<C::User> {
        let number = self.recruited.get();
        (number < self.most_users).then(|| {
            self.recruited.set(number + 1);
            self.shard
                .crew
                .recruit(number * self.shard.plan.threads + self.shard.index)
        })
    }

    fn wait(&self, job: Job) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.most_users * QUEUE_FACTOR {
            self.shard.count_unanswered(job, Reason::Overload);
            return;
        }
        waiting.push_back(job);
        self.peak_queue.set(self.peak_queue.get().max(waiting.len()));
    }

    async fn work(self: Rc<Self>, mut user: C::User, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            self.shard.turn(&mut user, job).await;
            next = self.waiting.borrow_mut().pop_front();
        }
        self.idle.borrow_mut().push(user);
        self.busy.set(self.busy.get() - 1);
        self.done.notify_one();
    }

    /// Waits for what is under way, then gives up on it; turns that never started are counted as overload.
    async fn drain(&self) {
        let limit = Instant::now() + self.shard.plan.drain;
        while self.busy.get() > 0 && Instant::now() < limit && !self.shard.stop.load(Ordering::Relaxed) {
            let nap = (Instant::now() + Duration::from_millis(100)).min(limit);
            let _ = tokio::time::timeout_at(nap.into(), self.done.notified()).await;
        }
        let stopped = self.shard.stop.load(Ordering::Relaxed);
        for job in self.waiting.borrow_mut().drain(..).filter(|_| !stopped) {
            self.shard.count_unanswered(job, Reason::Overload);
        }
        let mut tasks = self.tasks.take();
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
    }
}

/// A user of the closed model: runs journeys one after the other while its phase asks for that many users.
async fn closed_user<C: Crew>(shard: Rc<Shard<C>>, number: usize) {
    let plan = &shard.plan;
    let end = shard.start + plan.duration();
    let mut random =
        ChaCha8Rng::seed_from_u64(plan.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut user: Option<C::User> = None;
    while Instant::now() < end && !shard.stop.load(Ordering::Relaxed) {
        let (phase, wanted) = users_now(plan, shard.start.elapsed());
        if number >= wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let journey = pick(&plan.weights, random.random());
        let user = user.get_or_insert_with(|| shard.crew.recruit(number));
        let job = Job {
            due: Instant::now(),
            phase: phase as u16,
            journey,
        };
        if !shard.turn(user, job).await {
            tokio::time::sleep(UNREACHABLE_PAUSE).await;
        }
        think(plan, &mut random, end).await;
    }
}

async fn think(plan: &Plan, random: &mut ChaCha8Rng, end: Instant) {
    if !plan.think.most.is_zero() {
        let range = plan.think.most.saturating_sub(plan.think.least);
        let pause = plan.think.least + range.mul_f64(random.random::<f64>());
        tokio::time::sleep_until((Instant::now() + pause).min(end).into()).await;
    }
}

/// The running phase and how many users it wants at this moment; a ramp adds or removes them evenly.
fn users_now(plan: &Plan, elapsed: Duration) -> (usize, usize) {
    let index = plan.phase_at(elapsed);
    let before: Duration = plan.phases[..index].iter().map(|p| p.duration).sum();
    let phase = &plan.phases[index];
    let share = elapsed.saturating_sub(before).as_secs_f64() / phase.duration.as_secs_f64().max(1e-9);
    let wanted = phase.from + (phase.to - phase.from) * share.min(1.0);
    (index, wanted.round() as usize)
}

/// The journey that `at`, a random number between 0 and 1, falls on.
pub(super) fn pick(weights: &[f64], at: f64) -> u16 {
    let mut left = at * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index as u16;
        }
    }
    weights.len().saturating_sub(1) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::{Model, Think};
    use crate::measure::Tag;

    /// Users that send nothing and count the turns they got, and those of them that were not due yet.
    #[derive(Clone, Default)]
    struct Punctual(Arc<(AtomicUsize, AtomicUsize)>);

    impl Crew for Punctual {
        type User = Self;

        fn tags(&self) -> Vec<Tag> {
            Vec::new()
        }

        fn first_tag(&self, _: usize) -> u16 {
            0
        }

        fn recruit(&self, _: usize) -> Self {
            self.clone()
        }
    }

    impl VirtualUser for Punctual {
        async fn turn(&mut self, turn: Turn<'_>) -> bool {
            let early = Instant::now() < turn.due;
            self.0.0.fetch_add(1, Ordering::Relaxed);
            self.0.1.fetch_add(usize::from(early), Ordering::Relaxed);
            true
        }
    }

    fn plan() -> Plan {
        Plan {
            model: Model::Open,
            phases: Vec::new(),
            poisson: false,
            think: Think::default(),
            weights: vec![1.0],
            seed: 1,
            drain: Duration::from_secs(1),
            max_in_flight: 10,
            threads: 1,
            tick: Duration::from_millis(100),
        }
    }

    /// A turn that starts early would be measured as quicker than it was.
    #[test]
    fn a_turn_that_comes_early_starts_when_it_is_due() {
        let crew = Punctual::default();
        let start = Instant::now();
        let shard = Shard {
            index: 0,
            crew: crew.clone(),
            plan: Arc::new(plan()),
            sink: Sink::new(1, 1),
            start,
            stop: Arc::default(),
            under_way: Arc::default(),
        };
        let (sender, jobs) = tokio::sync::mpsc::channel(3);
        for wait in [0, 5, 10] {
            let due = start + Duration::from_millis(wait);
            sender
                .try_send(Job {
                    due,
                    phase: 0,
                    journey: 0,
                })
                .unwrap();
        }
        drop(sender);
        shard.run_open(jobs).unwrap();
        let counted = [&crew.0.0, &crew.0.1].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counted, [3, 0]);
    }

    #[test]
    fn journeys_are_picked_by_weight() {
        let weights = [1.0, 0.0, 3.0];
        let picks: Vec<u16> = (0..100).map(|i| pick(&weights, f64::from(i) / 100.0)).collect();
        assert_eq!(picks.iter().filter(|p| **p == 0).count(), 25);
        assert_eq!(picks.iter().filter(|p| **p == 1).count(), 0);
        assert_eq!(picks.iter().filter(|p| **p == 2).count(), 75);
    }
}
