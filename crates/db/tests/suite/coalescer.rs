//! Point reads that share a query never see the past, and never each other's trouble.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use db::{Coalescer, DbError};
use tokio::sync::Semaphore;

/// A table of numbers, and a gate that holds queries back after they have read it.
#[derive(Clone, Default)]
struct Table {
    value: Arc<AtomicU64>,
    queries: Arc<AtomicUsize>,
    keys: Arc<Mutex<Vec<usize>>>,
}

fn coalescer(table: &Table, gate: &Arc<Semaphore>) -> Coalescer<u32, u64> {
    let (table, gate) = (table.clone(), gate.clone());
    Coalescer::new(1, 100, move |keys: Vec<u32>| {
        let (table, gate) = (table.clone(), gate.clone());
        async move {
            table.queries.fetch_add(1, Ordering::SeqCst);
            table.keys.lock().unwrap().push(keys.len());
            let seen = table.value.load(Ordering::SeqCst);
            gate.acquire().await.map_err(|_| DbError::NotFound)?.forget();
            Ok(keys
                .into_iter()
                .filter(|key| *key != 404)
                .map(|key| (key, seen))
                .collect::<HashMap<_, _>>())
        }
    })
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the condition never held");
}

#[tokio::test]
async fn a_read_sees_what_was_written_before_it_was_asked() {
    let (table, gate) = (Table::default(), Arc::new(Semaphore::new(0)));
    let reads = coalescer(&table, &gate);
    for round in 1..50 {
        let early = tokio::spawn({
            let reads = reads.clone();
            async move { reads.get(1).await }
        });
        until(|| table.queries.load(Ordering::SeqCst) == round * 2 - 1).await;
        // The first query has read already: this write must be seen by whoever asks from now on.
        table.value.fetch_add(1, Ordering::SeqCst);
        let late = tokio::spawn({
            let reads = reads.clone();
            async move { reads.get(1).await }
        });
        tokio::task::yield_now().await;
        gate.add_permits(2);
        let (early, late) = (early.await.unwrap().unwrap(), late.await.unwrap().unwrap());
        assert_eq!(late.as_deref(), Some(&(round as u64)));
        assert_eq!(early.as_deref(), Some(&(round as u64 - 1)));
        until(|| table.queries.load(Ordering::SeqCst) == round * 2).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn reads_that_wait_share_one_query_and_ask_each_key_once() {
    let (table, gate) = (Table::default(), Arc::new(Semaphore::new(0)));
    let reads = coalescer(&table, &gate);
    let mut tasks = vec![tokio::spawn({
        let reads = reads.clone();
        async move { reads.get(0).await }
    })];
    until(|| table.queries.load(Ordering::SeqCst) == 1).await;
    tasks.extend((0..60).map(|n| {
        let reads = reads.clone();
        tokio::spawn(async move { reads.get(n % 20).await })
    }));
    tokio::task::yield_now().await;
    gate.add_permits(10);
    for task in tasks {
        assert!(task.await.unwrap().unwrap().is_some());
    }
    assert_eq!(*table.keys.lock().unwrap(), [1, 20]);
}

#[tokio::test]
async fn an_absent_key_is_none_and_an_error_reaches_everybody() {
    let (table, gate) = (Table::default(), Arc::new(Semaphore::new(1)));
    let reads = coalescer(&table, &gate);
    assert!(reads.get(404).await.unwrap().is_none());
    gate.close();
    for _ in 0..3 {
        assert!(matches!(reads.get(1).await, Err(DbError::NotFound)));
    }
}

#[tokio::test]
async fn a_caller_that_leaves_disturbs_nobody() {
    let (table, gate) = (Table::default(), Arc::new(Semaphore::new(0)));
    let reads = coalescer(&table, &gate);
    let first = tokio::spawn({
        let reads = reads.clone();
        async move { reads.get(1).await }
    });
    until(|| table.queries.load(Ordering::SeqCst) == 1).await;
    let second = tokio::spawn({
        let reads = reads.clone();
        async move { reads.get(2).await }
    });
    let third = tokio::spawn({
        let reads = reads.clone();
        async move { reads.get(3).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    second.abort();
    assert!(second.await.is_err());
    gate.add_permits(10);
    assert!(third.await.unwrap().unwrap().is_some());
    assert_eq!(
        *table.keys.lock().unwrap(),
        [1, 1],
        "the key of a caller that left was asked"
    );
    assert!(reads.get(5).await.unwrap().is_some());
}
