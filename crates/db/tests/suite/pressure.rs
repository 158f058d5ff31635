//! Batches of writes give way to reads that wait, and not for ever.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use db::{Coalescer, DbError, Gather, GiveWay, Pressure};
use tokio::{sync::Semaphore, time::timeout};

/// Reads that nobody answers before the gate opens, and writes that give way to two of them.
struct Crowd {
    pressure: Pressure,
    gate: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
}

impl Crowd {
    fn new() -> Self {
        Self {
            pressure: Pressure::from(2),
            gate: Arc::new(Semaphore::new(0)),
            begun: Arc::default(),
        }
    }

    /// Two reads that wait.
    async fn read(&self) {
        let gate = self.gate.clone();
        let reads = Coalescer::new(1, 8, move |keys: Vec<u32>| {
            let gate = gate.clone();
            async move {
                gate.acquire().await.map_err(|_| DbError::NotFound)?.forget();
                Ok(keys.into_iter().map(|key| (key, ())).collect())
            }
        })
        .counted_in(&self.pressure);
        for key in 0..2 {
            let reads = reads.clone();
            tokio::spawn(async move { reads.get(key).await });
        }
        settle().await;
    }

    fn writes(&self, longest: Duration) -> Gather<(), ()> {
        let begun = self.begun.clone();
        let give_way = GiveWay {
            to: self.pressure.clone(),
            longest,
        };
        Gather::after_reads(give_way, 1, 8, move |jobs: Vec<()>| {
            begun.fetch_add(1, Ordering::SeqCst);
            async move { jobs }
        })
    }
}

async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_batch_gives_way_to_reads_that_wait_and_begins_when_they_are_answered() {
    let crowd = Crowd::new();
    let writes = crowd.writes(Duration::from_secs(3_600));
    crowd.read().await;
    writes.submit(()).await.unwrap();
    // The first follows no other. The second does.
    let second = tokio::spawn({
        let writes = writes.clone();
        async move { writes.submit(()).await }
    });
    settle().await;
    assert_eq!(crowd.begun.load(Ordering::SeqCst), 1);
    crowd.gate.add_permits(8);
    second.await.unwrap().unwrap();
    writes.submit(()).await.unwrap();
    assert_eq!(crowd.begun.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_batch_does_not_wait_for_ever_for_reads() {
    let crowd = Crowd::new();
    let writes = crowd.writes(Duration::from_millis(5));
    crowd.read().await;
    for _ in 0..3 {
        writes.submit(()).await.unwrap();
    }
}

#[tokio::test]
async fn reads_whose_callers_left_press_no_more() {
    let crowd = Crowd::new();
    let writes = crowd.writes(Duration::from_secs(3_600));
    let never = Coalescer::<u32, ()>::new(1, 8, |_| std::future::pending()).counted_in(&crowd.pressure);
    let (a, b) = tokio::join!(
        timeout(Duration::from_millis(1), never.get(1)),
        timeout(Duration::from_millis(1), never.get(2))
    );
    assert!(a.is_err() && b.is_err());
    for _ in 0..2 {
        writes.submit(()).await.unwrap();
    }
}
