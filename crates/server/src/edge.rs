//! One straight line from a request to its answer: ids, route, caller, policy, limits, handler, problem, headers.
//!
//! What it is given is in `given`; what an answer gets on its way out is in `finish`; a client that leaves before is in `visit`.

mod finish;
mod given;
mod visit;

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request, response::Response};
use domain::problem::{ErrorCode, FieldError};
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Method, header};
use http_body::Body as _;

pub use self::given::{EdgeConfig, Outside, Peer, Quotas};
use self::visit::Visit;
use crate::{
    admission,
    body::{BodyError, GuardedBody, too_large},
    caller::{Authenticated, Caller},
    compress::{self, Compressor},
    context::{Ctx, RequestContext},
    error::ApiError,
    extract::PathParams,
    fair::FairQueue,
    headers::{self, Cors},
    idempotency,
    isolation::{Guest, Isolation},
    metrics::{Losses, Metrics},
    outgoing::{self, OutgoingGuard},
    rate::LocalLimiter,
    routes::{BoundRoutes, Endpoint, Matched, RouteError, RouteTable},
    trace::TraceContext,
};

/// The whole HTTP service.
pub struct Edge {
    table: RouteTable,
    pub(crate) config: EdgeConfig,
    pub(crate) outside: Outside,
    pub(crate) limiter: LocalLimiter,
    fair: Arc<FairQueue>,
    cors: Cors,
    compressor: Compressor,
    metrics: Arc<Metrics>,
    runner: Arc<Runner>,
}

/// Keys the in-process rate limiter remembers.
const RATE_KEYS: usize = 100_000;

/// What is known when the answer is finished.
struct Finish {
    started: Instant,
    route: Option<usize>,
    request_id: HeaderValue,
    trace: TraceContext,
    meter: db::Meter,
    method: Method,
    address: IpAddr,
    caller: Option<Arc<Caller>>,
    guest: Guest,
}

/// Carries out what a route asks for.
struct Runner {
    metrics: Arc<Metrics>,
    isolation: Arc<Isolation>,
    guard: Option<Arc<dyn OutgoingGuard>>,
}

impl Edge {
    /// Puts the service together.
    ///
    /// # Errors
    /// If two routes contradict each other.
    pub fn new(routes: BoundRoutes, config: EdgeConfig, outside: Outside) -> Result<Arc<Self>, RouteError> {
        let table = routes.into_table()?;
        let labels = table
            .endpoints()
            .iter()
            .map(|route| (route.method.to_string(), route.path));
        let losses = Losses {
            log: outside.log.clone(),
            traces: outside.traces.clone(),
        };
        let metrics = Arc::new(Metrics::new(labels, losses));
        let cors = Cors::new(&config.allowed_origins);
        let fair = FairQueue::new(config.fair);
        outside.isolation.attach(&metrics, &fair);
        let runner = Arc::new(Runner {
            metrics: Arc::clone(&metrics),
            isolation: Arc::clone(&outside.isolation),
            guard: outside.guard.clone(),
        });
        Ok(Arc::new(Self {
            table,
            config,
            outside,
            limiter: LocalLimiter::new(RATE_KEYS),
            fair,
            cors,
            compressor: Compressor::new(),
            metrics,
            runner,
        }))
    }

    /// What the edge counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The queue of concurrent requests.
    #[must_use]
    pub fn fair(&self) -> &Arc<FairQueue> {
        &self.fair
    }

    /// Every route: what the route walk visits.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        self.table.endpoints()
    }

    /// Answers a request. Never fails; dropping the future cancels the request.
    ///
    /// The future is on the heap: a connection keeps the room of its own, and most wait for their next request.
    pub fn handle(&self, request: Request, peer: Peer) -> BoxFuture<'_, Response> {
        Box::pin(self.answer(request, peer))
    }

    async fn answer(&self, request: Request, peer: Peer) -> Response {
        let started = Instant::now();
        let request_id = self.request_id(request.headers());
        let trace = self.trace(request.headers());
        let origin = request.headers().get(header::ORIGIN).cloned();
        let gzip = compress::accepted(request.headers());
        let method = request.method().clone();
        let mut finish = Finish {
            started,
            route: None,
            request_id,
            trace,
            meter: match &self.outside.traces {
                Some(_) if trace.sampled => db::Meter::tracing(),
                _ => db::Meter::counting(),
            },
            address: peer.address,
            caller: None,
            guest: Guest::new(&self.outside.isolation, &self.metrics, method.clone(), started),
            method,
        };
        let mut visit = Visit::new(self, &mut finish);
        let answered = self.route(request, peer, visit.finish).await;
        let mut response = answered.unwrap_or_else(axum::response::IntoResponse::into_response);
        if gzip {
            let skipped = &self.metrics.compression_skipped;
            let context = visit.finish.guest.context().map(|context| &**context);
            response = self.compressor.offer(response, context, skipped).await;
        }
        let mut response = self.complete(response, visit.answered(), origin.as_ref(), peer);
        drop(visit);
        if finish.method == Method::HEAD {
            response = without_body(response);
        }
        hold_while_streaming(response, finish.guest)
    }

    async fn route(&self, request: Request, peer: Peer, finish: &mut Finish) -> Result<Response, ApiError> {
        let length = request
            .uri()
            .path_and_query()
            .map_or(0, |part| part.as_str().len());
        if length > self.config.max_uri {
            let text = format!("must be at most {} bytes", self.config.max_uri);
            let error = ApiError::malformed(vec![FieldError::new("path", "too_long", text)]);
            return Err(error.status_override(http::StatusCode::URI_TOO_LONG));
        }
        if let Some(preflight) = self.cors.preflight(&request) {
            return Ok(preflight);
        }
        match self.table.find(request.method(), request.uri().path()) {
            Matched::Nothing => Err(ApiError::new(ErrorCode::NotFound, "no such path")),
            Matched::OtherMethods(allow) => {
                let error = ApiError::new(
                    ErrorCode::MethodNotAllowed,
                    "the path exists, but not with this method",
                );
                Err(error.header(header::ALLOW, allow.clone()))
            }
            Matched::Route(index, endpoint, params) => {
                finish.route = Some(index);
                self.serve(request, peer, finish, endpoint, PathParams(params))
                    .await
            }
        }
    }

    async fn serve(
        &self,
        request: Request,
        peer: Peer,
        finish: &mut Finish,
        endpoint: &Arc<Endpoint>,
        params: PathParams,
    ) -> Result<Response, ApiError> {
        let policy = &endpoint.policy;
        let now = self.outside.clock.now();
        let proxies = &self.config.trusted_proxies;
        let address = headers::client_address(request.headers(), peer.address, proxies);
        let https = peer.https || headers::proxy_says_https(request.headers(), peer.address, proxies);
        finish.address = address;
        let look_up = admission::caller(self, request.headers(), endpoint, address, now);
        let found = finish.meter.step("look the caller up", look_up).await?;
        finish.caller = found.as_ref().map(|found| Arc::clone(&found.caller));
        let caller = found.as_ref().map(|found| &*found.caller);
        let admitted = policy.admit(caller);
        if admitted.is_err() && caller.is_none() {
            admission::count(self, policy.rate, None, address, now).await?;
        }
        admitted?;
        admission::check_csrf(self, &request, caller)?;
        let counted = admission::count(self, policy.rate, found.as_ref(), address, now);
        let quota = finish.meter.step("count against the rate limit", counted).await?;
        let slot = self.fair.enter(slot_key(caller, address));
        let slot = finish.meter.step("wait for a slot", slot).await;
        let slot = slot.map_err(|_| self.saturated())?;
        let ctx = Arc::new(self.context(finish, endpoint, found, (address, https), now));
        finish.guest.settle_in(&ctx, slot);
        let request = prepare(request, &ctx, params, policy.body_limit, self.config.body_time)?;
        let key = idempotency::key(policy, request.method(), request.headers(), ctx.caller.as_deref())?;
        let answer = match key {
            None => self.runner.run(endpoint, request, &ctx).await,
            Some(key) => self.run_once(endpoint, request, &ctx, key).await,
        };
        let mut response = answer?;
        if let Some((decision, quota)) = quota {
            headers::rate_limit(response.headers_mut(), &decision, quota);
        }
        Ok(response)
    }

    fn context(
        &self,
        finish: &Finish,
        endpoint: &Endpoint,
        found: Option<Authenticated>,
        (address, https): (IpAddr, bool),
        now: domain::ids::Timestamp,
    ) -> RequestContext {
        RequestContext {
            request_id: finish.request_id.clone(),
            trace: finish.trace,
            received_at: now,
            deadline: finish.started + self.config.budget,
            address,
            route: endpoint.path,
            meter: finish.meter.clone(),
            caller: found.map(|found| found.caller),
            cancelled: OnceLock::new(),
            https,
        }
    }

    /// Carries out a write with an idempotency key. It runs to its end even if the client leaves: an answer that was
    /// earned must be there when the client asks again.
    async fn run_once(
        &self,
        endpoint: &Arc<Endpoint>,
        request: Request,
        ctx: &Arc<RequestContext>,
        key: idempotency::Key,
    ) -> Result<Response, ApiError> {
        let Some(store) = self.outside.idempotency.clone() else {
            let error = FieldError::new(
                "Idempotency-Key",
                "not_supported",
                "this server keeps no idempotency keys",
            );
            return Err(ApiError::malformed(vec![error]));
        };
        let (parts, body) = request.into_parts();
        let body = http_body_util::BodyExt::collect(body)
            .await
            .map_err(BodyError::explain)?
            .to_bytes();
        let fingerprint = idempotency::fingerprint(&parts.method, &parts.uri, &body);
        let (repeat, now) = (endpoint.policy.repeat(), ctx.received_at);
        if let Some(known) = idempotency::claim(&*store, &key, fingerprint, repeat, now).await? {
            return Ok(known);
        }
        let request = Request::from_parts(parts, Body::from(body));
        let (runner, endpoint, ctx) = (Arc::clone(&self.runner), Arc::clone(endpoint), Arc::clone(ctx));
        let work = tokio::spawn(async move {
            let answer = runner.run(&endpoint, request, &ctx).await;
            let answer = answer.unwrap_or_else(axum::response::IntoResponse::into_response);
            idempotency::settle(store, key, answer, repeat, now).await
        });
        work.await.map_err(ApiError::internal)
    }

    fn saturated(&self) -> ApiError {
        self.metrics.saturated.fetch_add(1, Ordering::Relaxed);
        ApiError::unavailable("too many requests are being served", Duration::from_secs(1))
    }
}

impl Runner {
    /// Runs the handler within the time budget, and lets the guard look at its answer; a panic becomes a 500.
    async fn run(
        &self,
        endpoint: &Endpoint,
        request: Request,
        ctx: &RequestContext,
    ) -> Result<Response, ApiError> {
        let handler = AssertUnwindSafe(async { (endpoint.handle)(request).await }).catch_unwind();
        match tokio::time::timeout_at(ctx.deadline.into(), handler).await {
            Ok(Ok(response)) => outgoing::check(self.guard.as_ref(), &self.isolation, ctx, response).await,
            Ok(Err(_)) => {
                self.metrics.panics.fetch_add(1, Ordering::Relaxed);
                Err(ApiError::internal(format!(
                    "the handler of {} panicked",
                    endpoint.path
                )))
            }
            Err(_) => {
                ctx.cancel();
                let error = ApiError::new(ErrorCode::DeadlineExceeded, "the request's time budget ran out");
                Err(error.retry_after(Duration::from_secs(1)))
            }
        }
    }
}

/// The answer to `HEAD`: the length of the body that `GET` would have got, without it.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
    response
}

/// Whose slots are used: the user's, or the address's if anonymous.
fn slot_key(caller: Option<&Caller>, address: IpAddr) -> uuid::Uuid {
    caller.map_or_else(
        || uuid::Uuid::from_u128(headers::address_bits(address)),
        |caller| caller.user_id.uuid(),
    )
}

/// Refuses a body that says it is too large, guards any other, and puts the context into the request.
fn prepare(
    request: Request,
    ctx: &Arc<RequestContext>,
    params: PathParams,
    limit: usize,
    body_time: Duration,
) -> Result<Request, ApiError> {
    if request.body().size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut request = request.map(|body| GuardedBody::wrap(body, limit, body_time));
    request.extensions_mut().insert(Ctx(Arc::clone(ctx)));
    request.extensions_mut().insert(params);
    Ok(request)
}

/// A body of unknown length keeps its slot and context until it ends.
fn hold_while_streaming<T: Send + Unpin + 'static>(response: Response, held: T) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(crate::body::Holding::new(body, held)))
}
