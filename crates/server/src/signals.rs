//! Leaving in good order: the first SIGTERM or SIGINT drains, the second ends everything.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::served::Latches;

/// The signals that end the process; from [`Signals::register`] on they no longer end it by themselves.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on. Do this before anybody is told that the server runs.
    ///
    /// # Errors
    /// If the process may not listen to signals.
    pub fn register() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
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
