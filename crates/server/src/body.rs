//! The request's body under guard: how many bytes, and how slowly they may come.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use domain::problem::{ErrorCode, Extension};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::error::ApiError;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body exceeds {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
}

impl BodyError {
    /// The answer for an error met while reading a body.
    pub(crate) fn explain(error: axum::Error) -> ApiError {
        match Self::within(&error) {
            Some(Self::TooLarge(limit)) => too_large(*limit),
            Some(Self::TooSlow(budget)) => ApiError::new(
                ErrorCode::RequestTimeout,
                format!("the body did not arrive within {} s", budget.as_secs_f32()),
            ),
            None => ApiError::new(
                ErrorCode::MalformedRequest,
                "the body ended before it was complete",
            )
            .source(error),
        }
    }

    /// Finds itself in the chain: every body around the guard wraps the error once more.
    fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// 413 that names the limit.
pub(crate) fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        ErrorCode::PayloadTooLarge,
        format!("the body exceeds {limit} bytes"),
    )
    .member(Extension::LimitBytes, limit)
}

/// A body that fails once it is too large or has not ended in time.
pub(crate) struct GuardedBody {
    inner: Body,
    limit: usize,
    left: usize,
    budget: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl GuardedBody {
    /// Guards the body; one that is known to be empty is passed through.
    pub(crate) fn wrap(inner: Body, limit: usize, budget: Duration) -> Body {
        if inner.is_end_stream() {
            return inner;
        }
        Body::new(Self {
            inner,
            limit,
            left: limit,
            budget,
            timer: None,
        })
    }

    /// Waits no longer than the budget, counted from the first wait.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let budget = self.budget;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + budget)));
        timer.as_mut().poll(cx)
    }
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(other) => return Poll::Ready(other),
            Poll::Pending => {
                ready!(this.poll_timer(cx));
                return Poll::Ready(Some(Err(axum::Error::new(BodyError::TooSlow(this.budget)))));
            }
        };
        let size = frame.data_ref().map_or(0, Bytes::len);
        match this.left.checked_sub(size) {
            Some(left) => {
                this.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(Some(Err(axum::Error::new(BodyError::TooLarge(this.limit))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that keeps something alive until it ends or is dropped: a slot, an open context.
pub(crate) struct Holding<T> {
    inner: Body,
    held: Option<T>,
}

impl<T> Holding<T> {
    pub(crate) const fn new(inner: Body, held: T) -> Self {
        Self {
            inner,
            held: Some(held),
        }
    }
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if frame.is_none() {
            self.held = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
