//! Leaving in good order: the first SIGTERM or SIGINT drains, the second ends everything.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::served::Latches;

/// Waits for signals. The first one makes the process not ready and cancels `stop`; the second cancels `abort`.
///
/// # Errors
/// If the process may not listen to signals.
pub async fn watch(
    latches: Latches,
    stop: CancellationToken,
    abort: CancellationToken,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for (token, what) in [
        (stop, "draining: a second signal ends at once"),
        (abort, "ending at once"),
    ] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("{what}");
        latches.hold("serving");
        token.cancel();
    }
    Ok(())
}
