//! The outbox runner: leases due work, hands it to the handlers of its topic, notes what came of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use app::App;
use db::{DbError, Scope};
use domain::ids::Timestamp;
use futures_util::{FutureExt, future::BoxFuture};
use store::outbox::{self, Lane, Work};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Does what a topic asks for. The same work may come again: its id tells.
pub trait Handler: Send + Sync + 'static {
    /// Whether this handler wants work of the topic.
    fn accepts(&self, topic: &str) -> bool;
    /// Does a batch of work of accepted topics; one outcome for each, in the same order.
    fn handle<'a>(&'a self, work: &'a [Work]) -> BoxFuture<'a, Vec<Outcome>>;
}

/// What came of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; repeating it would change nothing.
    Done,
    /// Not done; try again later. The text is kept for people and must hold no secret.
    Retry(String),
    /// Not done, and trying again would not help.
    Fail(String),
}

/// The pace of the outbox.
#[derive(Clone, Debug)]
pub struct OutboxConfig {
    /// Which work is taken. Default: everything but mail.
    pub lane: Lane,
    /// Pieces of work leased at a time. Default: 100.
    pub batch: u32,
    /// How long a lease lasts; a batch that takes longer is given to somebody else. Default: 60 s.
    pub lease: Duration,
    /// Longest time between two looks without a signal: for tries that are due again, and what a crash left. Default: 1 s.
    pub poll: Duration,
    /// Least time between two looks, unless the last one was full: under load, work gathers meanwhile and is done
    /// together. Default: 25 ms.
    pub gather: Duration,
    /// Tries before work is given up. Default: 12, about two hours.
    pub attempts: u64,
    /// Wait after the first failure; doubled by each further one, up to an hour. Default: 2 s.
    pub backoff: Duration,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            lane: Lane::Own,
            batch: 100,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            gather: Duration::from_millis(25),
            attempts: 12,
            backoff: Duration::from_secs(2),
        }
    }
}

impl OutboxConfig {
    /// Mail: fewer at a time, since each is a conversation with a server.
    #[must_use]
    pub fn mail() -> Self {
        Self {
            lane: Lane::Mail,
            batch: 50,
            ..Self::default()
        }
    }
}

/// Longest wait between two tries.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);
/// Longest error text kept with work, in characters.
const ERROR_LENGTH: usize = 500;

/// Takes work from the outbox. Several may run at once, in one process or many.
pub struct OutboxRunner {
    app: App,
    config: OutboxConfig,
    handlers: Vec<Arc<dyn Handler>>,
}

impl OutboxRunner {
    /// A runner with these handlers; work may be wanted by several of them.
    #[must_use]
    pub fn new(app: &App, config: OutboxConfig, handlers: Vec<Arc<dyn Handler>>) -> Self {
        Self {
            app: app.clone(),
            config,
            handlers,
        }
    }

    /// Works until the stop; what has been leased by then is finished.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.run_once().await {
                Ok(0) => {}
                Ok(done) => {
                    if done < self.config.batch as usize {
                        crate::pause(&stop, self.config.gather).await;
                    }
                    continue;
                }
                Err(error) => warn!(%error, "could not work on the outbox; leases will expire"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.woken() => {}
                () = tokio::time::sleep(self.config.poll) => {}
            }
        }
    }

    /// Waits for news of own work. A signal wakes one task alone, and it must not be the one that only looks for mail.
    async fn woken(&self) {
        match self.config.lane {
            Lane::Own => self.app.outbox_signal().notified().await,
            Lane::Mail => std::future::pending().await,
        }
    }

    /// Leases one batch and works on it; tells how many pieces it held.
    ///
    /// # Errors
    /// If the database refuses. What was leased comes again after its lease.
    pub async fn run_once(&self) -> Result<usize, DbError> {
        let owner = self.app.id_source().uuid().to_string();
        let now = self.app.clock().now();
        let until = now.plus(self.config.lease);
        let work = outbox::lease(
            self.app.db(),
            self.config.lane,
            &owner,
            until,
            now,
            self.config.batch,
        )
        .await?;
        if work.is_empty() {
            return Ok(0);
        }
        let outcomes = self.work_on(&work).await;
        let now = self.app.clock().now();
        let settled = work.iter().zip(&outcomes);
        let done: Vec<_> = settled
            .clone()
            .filter(|(_, outcome)| **outcome == Outcome::Done)
            .map(|(work, _)| work)
            .collect();
        let mut steps: Vec<_> = settled
            .filter_map(|(work, outcome)| self.unfinished(work, &owner, outcome, now))
            .collect();
        if !done.is_empty() {
            steps.push(outbox::done(&done, &owner));
        }
        // Work of every tenant: the outbox is the workers' own business.
        self.app.db().run(&Scope::system(), steps).await?;
        Ok(work.len())
    }

    /// Hands the work to its handlers. Where several want it, the worst outcome counts.
    async fn work_on(&self, work: &[Work]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; work.len()];
        for handler in &self.handlers {
            let wanted: Vec<usize> = (0..work.len())
                .filter(|index| handler.accepts(&work[*index].topic))
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let batch: Vec<Work> = wanted.iter().map(|index| work[*index].clone()).collect();
            let results = self.guarded(&**handler, &batch).await;
            for (index, result) in wanted.into_iter().zip(results) {
                let worst = match (outcomes[index].take(), result) {
                    (None | Some(Outcome::Done), result) => result,
                    (Some(Outcome::Fail(why)), _) => Outcome::Fail(why),
                    (Some(retry), Outcome::Done) => retry,
                    (Some(_), worse) => worse,
                };
                outcomes[index] = Some(worst);
            }
        }
        let unknown = || Outcome::Retry("this release has no handler for the topic".to_owned());
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(unknown))
            .collect()
    }

    /// A handler that panics or takes longer than the lease fails its batch, nothing else.
    async fn guarded(&self, handler: &dyn Handler, batch: &[Work]) -> Vec<Outcome> {
        let all = |why: &str| vec![Outcome::Retry(why.to_owned()); batch.len()];
        let call = AssertUnwindSafe(handler.handle(batch)).catch_unwind();
        match tokio::time::timeout(self.config.lease / 2, call).await {
            Ok(Ok(outcomes)) if outcomes.len() == batch.len() => outcomes,
            Ok(Ok(_)) => all("the handler did not answer for each piece of work"),
            Ok(Err(_)) => all("the handler panicked"),
            Err(_) => all("the handler took too long"),
        }
    }

    /// The step that puts work back or gives it up; none if it is done.
    fn unfinished(&self, work: &Work, owner: &str, outcome: &Outcome, now: Timestamp) -> Option<db::Step> {
        match outcome {
            Outcome::Done => None,
            Outcome::Retry(why) if work.attempts < self.config.attempts => {
                let at = now.plus(self.backoff(work.attempts));
                Some(outbox::retry(work, owner, at, &shortened(why)))
            }
            Outcome::Retry(why) | Outcome::Fail(why) => {
                warn!(topic = work.topic, id = %work.id, attempts = work.attempts, why, "gave up a piece of work");
                Some(outbox::fail(work, owner, now, &shortened(why)))
            }
        }
    }

    fn backoff(&self, attempts: u64) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(20);
        self.config
            .backoff
            .saturating_mul(1 << doublings)
            .min(LONGEST_BACKOFF)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(ERROR_LENGTH).collect()
}
