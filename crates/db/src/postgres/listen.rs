//! The connection that hears the wake-ups of other processes. It is its own: a pooled one serves one unit at a time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::sync::watch;
use tokio_postgres::AsyncMessage;

use super::address::Address;
use super::error::classify;
use crate::DbError;
use crate::signal::{CHANNEL, Signals};

/// How the connection names itself to the server.
const NAME: &str = "farmgate listener";
/// Waits after the connection was lost: the first, doubled by each further failure up to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Hears wake-ups until the database is closed; a lost connection is made again.
pub(super) async fn run(address: Address, signals: Arc<Signals>, mut stop: watch::Receiver<bool>) {
    let (address, mut pause) = (address.named(NAME), PAUSES.0);
    loop {
        let mut heard = false;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            ended = hear(&address, &signals, &mut heard) => {
                let error = ended.err().map(tracing::field::display);
                tracing::warn!(error, "the connection that hears wake-ups was lost; polling goes on");
            }
        }
        pause = if heard {
            PAUSES.0
        } else {
            (pause * 2).min(PAUSES.1)
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Connects and hears until the connection ends.
async fn hear(address: &Address, signals: &Signals, heard: &mut bool) -> Result<(), DbError> {
    let (client, mut connection) = address.open().await?;
    let text = format!("listen {CHANNEL}");
    let mut listen = pin!(client.batch_execute(&text).fuse());
    loop {
        tokio::select! {
            listening = &mut listen => {
                listening.map_err(|e| classify("db.listen", e))?;
                *heard = true;
                // Whatever was said before has not been heard.
                signals.wake_all();
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(told))) => signals.wake(told.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(classify("db.listen", error)),
                None => return Ok(()),
            }
        }
    }
}
