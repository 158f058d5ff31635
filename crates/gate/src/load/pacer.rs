//! The one thread that wakes the generator threads for what is due: it sleeps until shortly before and spins the rest.
//! An operating system's timer alone is late by tens of microseconds, an asynchronous runtime's by half a millisecond.
//!
//! Not here: the last microseconds before the due instant, which the generator thread waits out itself (`shard.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::arrivals::Arrival;

/// How long before an instant the pacer stops sleeping and starts spinning: the usual timer slack of Linux plus 5 us.
const SPIN: Duration = Duration::from_micros(55);
/// The same where the timer slack could be turned off: what waking up takes by itself.
const SPIN_WITHOUT_SLACK: Duration = Duration::from_micros(40);
/// How long before it is due an arrival is handed out: about what it takes until a sleeping generator thread runs.
const AHEAD: Duration = Duration::from_micros(25);
/// Longest single sleep, so that a stop is noticed soon.
const NAP: Duration = Duration::from_millis(50);

/// Hands out each arrival [`AHEAD`] of when it is due, until all are handed out or `stop` is set; returns how many
/// were.
///
/// An arrival that is already late is handed out at once: the schedule is never shifted, so lateness shows as lag.
pub fn run(
    arrivals: impl Iterator<Item = Arrival>,
    start: Instant,
    stop: &AtomicBool,
    mut emit: impl FnMut(Arrival, Instant),
) -> u64 {
    let spin = if turn_off_timer_slack().is_some() {
        SPIN_WITHOUT_SLACK
    } else {
        SPIN
    };
    let mut handed_out = 0;
    for arrival in arrivals {
        let due = start + arrival.due;
        if !wait_until(due - AHEAD, spin, stop) {
            break;
        }
        emit(arrival, due);
        handed_out += 1;
    }
    handed_out
}

/// Asks Linux not to delay this thread's timers for the sake of fewer wake-ups (by default 50 us); `None` if it will
/// not, or if this is not Linux.
fn turn_off_timer_slack() -> Option<()> {
    let thread = std::fs::read_link("/proc/thread-self").ok()?;
    let path = std::path::Path::new("/proc")
        .join(thread.file_name()?)
        .join("timerslack_ns");
    std::fs::write(path, "1").ok()
}

/// Waits until `due`; false if told to stop before.
fn wait_until(due: Instant, spin: Duration, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if left > spin {
            nap((left - spin).min(NAP));
        } else {
            std::hint::spin_loop();
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the pacer is a declared thread of its own; no async worker waits here"
)]
fn nap(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(count: u64, gap: Duration) -> impl Iterator<Item = Arrival> {
        (0..count).map(move |k| Arrival {
            due: gap * k as u32,
            phase: 0,
        })
    }

    #[test]
    fn nothing_is_handed_out_too_early_and_nothing_is_lost() {
        let mut early = 0;
        let count = run(
            arrivals(500, Duration::from_micros(200)),
            Instant::now(),
            &AtomicBool::new(false),
            |_, due| {
                early += u32::from(Instant::now() + AHEAD < due);
            },
        );
        assert_eq!((count, early), (500, 0));
    }

    #[test]
    fn a_late_start_is_caught_up_without_shifting_the_schedule() {
        let start = Instant::now() - Duration::from_secs(10);
        let mut dues = Vec::new();
        run(
            arrivals(3, Duration::from_secs(1)),
            start,
            &AtomicBool::new(false),
            |_, due| dues.push(due - start),
        );
        assert_eq!(dues, [0, 1, 2].map(Duration::from_secs));
    }

    #[test]
    fn a_stop_ends_it() {
        let stop = AtomicBool::new(false);
        let far = arrivals(10, Duration::from_secs(3600));
        let count = run(far, Instant::now(), &stop, |_, _| {
            stop.store(true, Ordering::Relaxed)
        });
        assert_eq!(count, 1);
    }
}
