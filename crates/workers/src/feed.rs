//! The live channel's feed: hands out new messages as soon as some process says that there are any.

use std::time::Duration;

use app::App;
use tokio_util::sync::CancellationToken;

/// Hands out messages until the stop: whenever there is news, and every `poll` in case that news was lost.
pub async fn run(app: App, poll: Duration, stop: CancellationToken) {
    let mut news = app.live().news();
    loop {
        while !stop.is_cancelled() {
            match app.live().pump().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not hand out live messages; the next look will");
                    break;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = news.woken() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}
