//! How many spans wait to be sent, and how many were lost. The library drops spans that find its queue full and tells
//! nobody while the process lives; here none gets that far.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use server::spans::LostSpans;

/// What is counted of spans.
#[derive(Debug, Default)]
pub(super) struct Count {
    waiting: AtomicUsize,
    found_no_room: AtomicU64,
    not_taken: AtomicU64,
}

impl Count {
    /// Whether a span may wait beside fewer than `most` others; if not, it is lost.
    pub(super) fn admit(&self, most: usize) -> bool {
        let more = |waiting| (waiting < most).then_some(waiting + 1);
        let admitted = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok();
        self.found_no_room
            .fetch_add(u64::from(!admitted), Ordering::Relaxed);
        admitted
    }

    /// What was lost so far.
    pub(super) fn lost(&self) -> LostSpans {
        LostSpans {
            queue: self.found_no_room.load(Ordering::Relaxed),
            sending: self.not_taken.load(Ordering::Relaxed),
        }
    }
}

/// An exporter that counts what leaves the queue through it, and what its collector does not take.
#[derive(Debug)]
pub(super) struct Counted<E> {
    exporter: E,
    count: Arc<Count>,
}

impl<E> Counted<E> {
    pub(super) const fn new(exporter: E, count: Arc<Count>) -> Self {
        Self { exporter, count }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.count.waiting.fetch_sub(spans, Ordering::Relaxed);
        let sent = self.exporter.export(batch).await;
        if sent.is_err() {
            self.count.not_taken.fetch_add(spans as u64, Ordering::Relaxed);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what it is given, or does not.
    #[derive(Debug)]
    struct Collector(bool);

    impl SpanExporter for Collector {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            match self.0 {
                true => Ok(()),
                false => Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure(
                    "away".to_owned(),
                )),
            }
        }
    }

    fn span() -> SpanData {
        use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "".into(),
            start_time: std::time::UNIX_EPOCH,
            end_time: std::time::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: Default::default(),
        }
    }

    #[tokio::test]
    async fn what_finds_no_room_and_what_is_not_taken_is_counted() {
        let count = Arc::<Count>::default();
        let admitted = (0..5).filter(|_| count.admit(3)).count();
        assert_eq!((admitted, count.lost()), (3, LostSpans { queue: 2, sending: 0 }));
        let taken = Counted::new(Collector(true), Arc::clone(&count));
        taken.export(vec![span(), span()]).await.unwrap();
        assert!(count.admit(3) && count.admit(3), "two have left");
        let refused = Counted::new(Collector(false), Arc::clone(&count));
        assert!(refused.export(vec![span(), span(), span()]).await.is_err());
        assert_eq!(count.lost(), LostSpans { queue: 2, sending: 3 });
        assert!(count.admit(1), "nothing waits any more");
    }
}
