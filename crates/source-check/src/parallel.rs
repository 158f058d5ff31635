//! Work on many threads, each with a stack for deep source.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Address space of each parsing thread; only what is touched costs memory. [`crate::nesting`] bounds what a file
/// can need.
const STACK_BYTES: usize = 512 << 20;

/// Runs `work` for every index, on as many threads as there are processors, each with a large stack.
pub fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(count.max(1));
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            done.push((index, work(index)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let builder = || std::thread::Builder::new().stack_size(STACK_BYTES);
        let started: Vec<_> = (0..threads)
            .filter_map(|_| builder().spawn_scoped(scope, run).ok())
            .collect();
        let mut all: Vec<(usize, T)> = started
            .into_iter()
            // A result that is missing must never look like a file without findings.
            .flat_map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        if all.len() < count {
            // No thread could be started: do the rest here.
            all.extend(run());
        }
        all
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, value)| value).collect()
}
