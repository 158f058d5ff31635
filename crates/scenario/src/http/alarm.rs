//! The time-out of one connection's exchanges: one timer for all of them, set again only when it must be.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What stands for "never": as far away as a timer can be set for certain.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Nearly every exchange is over long before its time. A timer of its own would be set and taken back for nothing, so
/// the timer of an earlier exchange stays; when it rings too early, it is set to the time that holds then.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// What the exchange came to; `None` if it was not over in this time.
    pub(super) async fn within<T>(
        &mut self,
        limit: Duration,
        exchange: impl Future<Output = T>,
    ) -> Option<T> {
        let now = Instant::now();
        let deadline = now.checked_add(limit).unwrap_or_else(|| now + NEVER);
        let mut exchange = pin!(exchange);
        poll_fn(|context| match exchange.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            // An exchange that has always more to read pauses only because its turn is over; then no timer answers, and
            // none is looked at while the thread has such work. The clock is.
            Poll::Pending if Instant::now() >= deadline => Poll::Ready(None),
            Poll::Pending => self.poll_ring(context, deadline).map(|()| None),
        })
        .await
    }

    fn poll_ring(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn rings_after(alarm: &mut Alarm, limit: Duration) -> Duration {
        let start = Instant::now();
        assert_eq!(alarm.within(limit, std::future::pending::<()>()).await, None);
        start.elapsed()
    }

    fn block_on(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(test);
    }

    #[test]
    fn a_timer_left_over_rings_neither_early_nor_late() {
        let (short, long) = (Duration::from_millis(30), Duration::from_millis(120));
        block_on(async {
            for (before, limit) in [(short, long), (long, short), (SECOND * 2, short)] {
                let mut alarm = Alarm::default();
                let soon = tokio::time::sleep(Duration::from_millis(2));
                assert_eq!(alarm.within(before, soon).await, Some(()));
                let took = rings_after(&mut alarm, limit).await;
                assert!(
                    took >= limit && took < limit + SECOND,
                    "{before:?}, {limit:?}: {took:?}"
                );
            }
        });
    }

    #[test]
    fn it_rings_for_an_exchange_that_never_waits() {
        block_on(async {
            let start = Instant::now();
            let endless = async {
                while start.elapsed() < 5 * SECOND {
                    tokio::task::consume_budget().await;
                }
            };
            let limit = Duration::from_millis(10);
            assert_eq!(Alarm::default().within(limit, endless).await, None);
            assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
        });
    }

    #[test]
    fn it_can_be_set_again_after_it_rang() {
        block_on(async {
            let mut alarm = Alarm::default();
            for _ in 0..3 {
                let took = rings_after(&mut alarm, Duration::from_millis(10)).await;
                assert!(took >= Duration::from_millis(10) && took < SECOND, "{took:?}");
            }
            let over = async { tokio::time::sleep(Duration::from_millis(20)).await };
            assert_eq!(alarm.within(Duration::MAX, over).await, Some(()));
        });
    }
}
