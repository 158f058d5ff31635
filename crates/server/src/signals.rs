//! Leaving in good order: the first SIGTERM or SIGINT drains, the second ends everything. So does SIGHUP, which a
//! terminal sends that is closed, unless it asks for a look at the certificate (`tls.rs`) or nobody is to hear it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::served::Latches;

/// The signals that end the process; from [`Signals::register`] on they no longer end it by themselves.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens from now on. Do this before anybody is told that the server runs. `hangup`: whether SIGHUP ends it too;
    /// a process that was started so that it does not hear it (`nohup`) still does not.
    ///
    /// # Errors
    /// If the process may not listen to signals.
    pub fn register(hangup: bool) -> std::io::Result<Self> {
        let hears = hangup && !ignores_hangup();
        Ok(Self {
            hangup: hears.then(|| signal(SignalKind::hangup())).transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }

    /// Waits for signals. The first one makes the process not ready and cancels `stop`; the second cancels `abort`.
    pub async fn watch(mut self, latches: Latches, stop: CancellationToken, abort: CancellationToken) {
        for (token, what) in [
            (stop, "draining: a second signal ends at once"),
            (abort, "ending at once"),
        ] {
            self.next().await;
            tracing::info!("{what}");
            latches.hold("serving");
            token.cancel();
        }
    }
}

/// Whether the process was started with SIGHUP ignored, as far as Linux tells: the first bit of a mask.
fn ignores_hangup() -> bool {
    // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
