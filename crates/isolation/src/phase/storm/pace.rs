//! How far the storm has come, counted by all workers together, and the restart in its middle, which that count decides.
//!
//! The restart begins when half of the storm's requests are done. The last quarter is held until it is over, so that
//! the service is always asked again afterwards; until then workers go on slowly, so that it is asked all the while.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;

/// Pause before each request of a worker beyond those that are counted, while the last quarter is held.
const SLOW: Duration = Duration::from_millis(250);
/// Longest time a restart command may take.
const LONGEST: Duration = Duration::from_secs(300);

/// Gives workers their turns. Those who hold it are the storm: when the last one lets go, it is over.
pub(super) struct Pace {
    planned: usize,
    begun: AtomicUsize,
    done: watch::Sender<usize>,
    restarted: watch::Receiver<bool>,
    met: Arc<Met>,
}

/// What met the restart.
#[derive(Default)]
struct Met {
    requests: AtomicU64,
    trouble: AtomicU64,
}

/// What a restart came to.
pub(super) struct Restarted {
    /// Requests that began while it went on.
    pub requests: u64,
    /// Requests that met trouble while it went on: what a restart is expected to make.
    pub trouble: u64,
    /// What went wrong with the command.
    pub failed: Option<String>,
}

impl Restarted {
    /// What is worth knowing of a restart that went well.
    pub fn note(self) -> Option<String> {
        let Self {
            requests,
            trouble,
            failed,
        } = self;
        failed.is_none().then(|| {
            format!("the restart in the storm met {requests} requests and made trouble for {trouble}")
        })
    }
}

/// The pace of so many requests, and the restart in their middle; an empty command is none.
pub(super) fn pace(
    planned: usize,
    command: &[String],
) -> (Arc<Pace>, impl Future<Output = Option<Restarted>> + use<>) {
    let (done, half) = watch::channel(0);
    let (over, restarted) = watch::channel(command.is_empty());
    let met = Arc::new(Met::default());
    let command = command.to_vec();
    let restarting = restart(planned / 2, half, over, command, met.clone());
    let pace = Pace {
        planned,
        begun: AtomicUsize::new(0),
        done,
        restarted,
        met,
    };
    (Arc::new(pace), restarting)
}

impl Pace {
    /// Waits for a worker's next turn; `false` when there is none any more.
    pub async fn turn(&self) -> bool {
        let mut restarted = self.restarted.clone();
        loop {
            let over = *restarted.borrow_and_update();
            if self.take(over) {
                return true;
            }
            if over {
                return false;
            }
            tokio::select! {
                changed = restarted.changed() => if changed.is_err() {
                    return false;
                },
                () = tokio::time::sleep(SLOW) => {
                    self.met.requests.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
            }
        }
    }

    /// Takes one of the counted turns, if there is one now.
    fn take(&self, restarted: bool) -> bool {
        let held = if restarted { 0 } else { self.planned.div_ceil(4) };
        let next = |begun: usize| (begun + held < self.planned).then_some(begun + 1);
        let taken = self.begun.try_update(Ordering::Relaxed, Ordering::Relaxed, next);
        if taken.is_ok() && self.restarting() {
            self.met.requests.fetch_add(1, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    /// A request is done, however it went.
    pub fn done(&self) {
        self.done.send_modify(|done| *done += 1);
    }

    /// Says whether the storm is between its middle and the end of the restart.
    pub fn restarting(&self) -> bool {
        *self.done.borrow() >= self.planned / 2 && !*self.restarted.borrow()
    }

    /// Notes a request that met 5xx, 429 or nothing; `met`: the restart was going on when it began.
    pub fn trouble(&self, met: bool) {
        if met || self.restarting() {
            self.met.trouble.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs the command when half of the requests are done, and tells in every case that it is over.
async fn restart(
    half: usize,
    mut done: watch::Receiver<usize>,
    over: watch::Sender<bool>,
    command: Vec<String>,
    met: Arc<Met>,
) -> Option<Restarted> {
    let (program, arguments) = command.split_first()?;
    let failed = if done.wait_for(|done| *done >= half).await.is_ok() {
        run(program, arguments).await.err()
    } else {
        Some("the storm was over before the restart".to_owned())
    };
    // Nobody may be left who listens.
    over.send_replace(true);
    Some(Restarted {
        requests: met.requests.load(Ordering::Relaxed),
        trouble: met.trouble.load(Ordering::Relaxed),
        failed,
    })
}

async fn run(program: &str, arguments: &[String]) -> Result<(), String> {
    let mut command = Command::new(program);
    let running = command.args(arguments).kill_on_drop(true).status();
    match tokio::time::timeout(LONGEST, running).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("the restart command ended with {status}")),
        Ok(Err(error)) => Err(format!("the restart command could not be run: {error}")),
        Err(_) => Err(format!(
            "the restart command did not end within {} s",
            LONGEST.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(planned: usize) -> (Pace, watch::Receiver<usize>, watch::Sender<bool>) {
        let (done, half) = watch::channel(0);
        let (over, restarted) = watch::channel(false);
        let pace = Pace {
            planned,
            begun: AtomicUsize::new(0),
            done,
            restarted,
            met: Arc::default(),
        };
        (pace, half, over)
    }

    #[tokio::test]
    async fn the_last_quarter_is_held_until_the_restart_is_over() {
        let (pace, _half, over) = parts(8);
        for _ in 0..8 {
            assert!(pace.turn().await);
        }
        let begun = pace.begun.load(Ordering::Relaxed);
        assert_eq!(begun, 6, "two turns were beyond the counted ones");
        over.send_replace(true);
        assert!(pace.turn().await && pace.turn().await);
        assert!(!pace.turn().await, "all eight have begun");
    }

    #[tokio::test]
    async fn without_a_restart_nothing_is_held() {
        let (pace, restarting) = pace(5, &[]);
        for _ in 0..5 {
            assert!(pace.turn().await);
        }
        assert!(!pace.turn().await);
        assert!(restarting.await.is_none());
    }

    #[tokio::test]
    async fn a_restart_begins_at_half_and_counts_what_meets_it() {
        let (pace, half, over) = parts(8);
        let restarting = restart(4, half, over, vec!["true".to_owned()], pace.met.clone());
        let mut restarting = std::pin::pin!(restarting);
        for _ in 0..4 {
            assert!(pace.turn().await);
            pace.trouble(false);
            let waits = futures_util::poll!(restarting.as_mut()).is_pending();
            assert!(waits && !pace.restarting(), "half is not done yet");
            pace.done();
        }
        assert!(pace.turn().await && pace.turn().await);
        pace.trouble(false);
        let restarted = restarting.await.unwrap();
        pace.trouble(false);
        assert_eq!(restarted.failed, None);
        assert_eq!((restarted.requests, restarted.trouble), (2, 1));
        assert_eq!(pace.met.trouble.load(Ordering::Relaxed), 1, "it is over");
    }

    #[tokio::test]
    async fn a_storm_that_breaks_off_leaves_no_restart_waiting() {
        let (pace, restarting) = pace(100, &["true".to_owned()]);
        assert!(pace.turn().await);
        drop(pace);
        let failed = restarting.await.unwrap().failed.unwrap();
        assert!(failed.contains("over before"), "{failed}");
    }
}
