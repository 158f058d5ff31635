//! The company of one request: it notes the arrival, and at the end settles what the request used and left behind.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use http::Method;

use super::{Isolation, Opened, Outcome, Record};
use crate::{context::RequestContext, fair::Slot, metrics::Metrics};

/// Accompanies a request from its arrival to the end of its answer, and settles what it used.
pub(crate) struct Guest {
    isolation: Arc<Isolation>,
    metrics: Arc<Metrics>,
    number: u64,
    started: Instant,
    method: Method,
    context: Option<Arc<RequestContext>>,
    slot: Option<Slot>,
    ended: Option<(Outcome, u16)>,
}

impl Guest {
    pub(crate) fn new(
        isolation: &Arc<Isolation>,
        metrics: &Arc<Metrics>,
        method: Method,
        started: Instant,
    ) -> Self {
        metrics.open_contexts.fetch_add(1, Ordering::Relaxed);
        Self {
            isolation: Arc::clone(isolation),
            metrics: Arc::clone(metrics),
            number: isolation.numbers.fetch_add(1, Ordering::Relaxed),
            started,
            method,
            context: None,
            slot: None,
            ended: None,
        }
    }

    /// From now on the request has a context and a slot.
    pub(crate) fn settle_in(&mut self, context: &Arc<RequestContext>, slot: Slot) {
        let opened = Opened {
            context: Arc::downgrade(context),
            started: self.started,
        };
        self.isolation.open.insert(self.number, opened);
        self.context = Some(Arc::clone(context));
        self.slot = Some(slot);
    }

    pub(crate) fn context(&self) -> Option<&Arc<RequestContext>> {
        self.context.as_ref()
    }

    /// The head of the answer is ready. Without this word the client has left.
    pub(crate) fn answered(&mut self, outcome: Outcome, status: u16) {
        self.ended = Some((outcome, status));
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.metrics.open_contexts.fetch_sub(1, Ordering::Relaxed);
        self.slot = None;
        let Some(context) = self.context.take() else {
            return;
        };
        self.isolation.open.remove(&self.number);
        if self.ended.is_none() {
            context.cancel();
        }
        let alone = Arc::strong_count(&context) == 1;
        if !alone {
            self.isolation.watch(self.number, &context);
        }
        let outcome = self.ended.map_or(Outcome::ClientLeft, |(outcome, _)| outcome);
        let sampled = self.number.is_multiple_of(self.isolation.sample);
        if sampled || !alone || !outcome.is_usual() {
            self.isolation.keep(Record {
                request_id: context.request_id().to_owned(),
                method: self.method.clone(),
                route: context.route,
                workspace: context.workspace(),
                user: context.maybe_caller().map(|caller| caller.user_id),
                received_at: context.received_at,
                outcome,
                status: self.ended.map(|(_, status)| status),
                took: self.started.elapsed(),
                queries: context.meter.queries(),
                rows: context.meter.rows(),
                context: Arc::downgrade(&context),
            });
        }
    }
}
