//! One straight line from a request to its answer: ids, route, caller, policy, limits, handler, problem, headers.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request, response::Response};
use domain::{
    identity::Cidr,
    ids::{Clock, IdSource},
    problem::{ErrorCode, FieldError},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body::Body as _;

use crate::{
    admission,
    body::{BodyError, GuardedBody, too_large},
    caller::{Authenticated, Authenticator, Caller},
    compress::{self, Compressor},
    context::{Ctx, RequestContext},
    csrf::Csrf,
    denials::{self, DenialSink},
    error::ApiError,
    extract::PathParams,
    fair::{FairLimits, FairQueue},
    headers::{self, Cors},
    idempotency,
    isolation::{Guest, Isolation, Outcome},
    metrics::Metrics,
    outgoing::{self, OutgoingGuard},
    policy::Budget,
    rate::{LocalLimiter, Quota, RateLimiter},
    request_log::{Line, RequestLog},
    routes::{BoundRoutes, Endpoint, Matched, RouteError, RouteTable},
    spans::{RequestSpan, TraceSink},
    trace::TraceContext,
};

/// What the edge needs to know; times and sizes with sensible defaults.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Time until the head of an answer unless the route says otherwise.
    pub budget: Duration,
    /// Time for a body to arrive.
    pub body_time: Duration,
    /// Longest path and query, in bytes.
    pub max_uri: usize,
    /// Bounds of concurrent requests.
    pub fair: FairLimits,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Origins that browsers may call from.
    pub allowed_origins: Vec<String>,
    /// Quotas; `None` switches rate limits off.
    pub quotas: Option<Quotas>,
}

/// Requests allowed to each kind of caller.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Anonymous requests of one address.
    pub anonymous: Quota,
    /// Requests of one user.
    pub user: Quota,
    /// Requests of one API key that has no rate of its own.
    pub key: Quota,
    /// Requests of one workspace.
    pub workspace: Quota,
    /// Sign-in attempts of one address.
    pub login: Quota,
    /// Password resets and registrations of one address.
    pub reset: Quota,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            max_uri: 8 * 1024,
            fair: FairLimits::default(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            quotas: Some(Quotas::default()),
        }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            anonymous: Quota::per_minute(600),
            user: Quota::per_minute(6_000),
            key: Quota::per_minute(6_000),
            workspace: Quota::per_minute(60_000),
            login: Quota::per_minute(30),
            reset: Quota::per_minute(10),
        }
    }
}

/// What is passed in from outside.
pub struct Outside {
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// Where ids and randomness come from.
    pub ids: Arc<dyn IdSource>,
    /// Who turns credentials into callers.
    pub authenticator: Arc<dyn Authenticator>,
    /// Makes and checks CSRF tokens.
    pub csrf: Csrf,
    /// Rate limits shared with other processes; without them each process counts alone.
    pub shared_limits: Option<Arc<dyn RateLimiter>>,
    /// Keeps idempotency keys; without it `Idempotency-Key` is refused.
    pub idempotency: Option<Arc<dyn idempotency::Store>>,
    /// Where the line of each request goes.
    pub log: Option<RequestLog>,
    /// Where the evidence is kept that requests are kept apart.
    pub isolation: Arc<Isolation>,
    /// Who hears what callers were refused.
    pub denials: Option<Arc<dyn DenialSink>>,
    /// Who looks at answers before they leave.
    pub guard: Option<Arc<dyn OutgoingGuard>>,
    /// Where traced requests go.
    pub traces: Option<Arc<dyn TraceSink>>,
}

impl Outside {
    /// What cannot be done without; the rest is absent.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        authenticator: Arc<dyn Authenticator>,
        csrf: Csrf,
    ) -> Self {
        Self {
            clock,
            ids,
            authenticator,
            csrf,
            shared_limits: None,
            idempotency: None,
            log: None,
            isolation: Arc::default(),
            denials: None,
            guard: None,
            traces: None,
        }
    }
}

/// Where a request came from, as the connection knows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether it speaks TLS.
    pub https: bool,
}

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
        let metrics = Arc::new(Metrics::new(labels));
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
    pub async fn handle(&self, request: Request, peer: Peer) -> Response {
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
        let answered = self.route(request, peer, &mut finish).await;
        let mut response = answered.unwrap_or_else(axum::response::IntoResponse::into_response);
        if gzip {
            let skipped = &self.metrics.compression_skipped;
            let context = finish.guest.context().map(|context| &**context);
            response = self.compressor.offer(response, context, skipped).await;
        }
        let mut response = self.complete(response, &mut finish, origin.as_ref(), peer);
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
        let answer = match idempotency::key(request.method(), request.headers(), ctx.caller.as_deref())? {
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
        let budget = match endpoint.policy.budget {
            Budget::Default => self.config.budget,
            Budget::Own(budget) => budget,
        };
        RequestContext {
            request_id: finish.request_id.clone(),
            trace: finish.trace,
            received_at: now,
            deadline: finish.started + budget,
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
        if let Some(known) = idempotency::claim(&*store, &key, fingerprint, ctx.received_at).await? {
            return Ok(known);
        }
        let request = Request::from_parts(parts, Body::from(body));
        let (runner, endpoint, ctx) = (Arc::clone(&self.runner), Arc::clone(endpoint), Arc::clone(ctx));
        let work = tokio::spawn(async move {
            let answer = runner.run(&endpoint, request, &ctx).await;
            let answer = answer.unwrap_or_else(axum::response::IntoResponse::into_response);
            idempotency::settle(store, key, answer, ctx.received_at).await
        });
        work.await.map_err(ApiError::internal)
    }

    fn saturated(&self) -> ApiError {
        self.metrics.saturated.fetch_add(1, Ordering::Relaxed);
        ApiError::unavailable("too many requests are being served", Duration::from_secs(1))
    }

    /// Renders a problem, adds the headers every answer has, counts, logs the chain of causes once.
    fn complete(
        &self,
        response: Response,
        finish: &mut Finish,
        origin: Option<&HeaderValue>,
        peer: Peer,
    ) -> Response {
        let mut response = response;
        let mut code = None;
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            code = Some(error.code());
            self.note_denial(error.code(), finish);
            let request_id = finish.request_id.to_str().unwrap_or_default();
            let trace_id = finish.trace.trace_id_text();
            if error.status().is_server_error() && error.status() != http::StatusCode::SERVICE_UNAVAILABLE {
                tracing::error!(request_id, %trace_id, chain = error.chain(), "a request failed");
            } else {
                tracing::debug!(request_id, %trace_id, chain = error.chain(), "a request was refused");
            }
            let carried = std::mem::take(response.headers_mut());
            response = error.render(request_id, &trace_id);
            for (name, value) in &carried {
                if name.as_str().starts_with("ratelimit") {
                    response.headers_mut().insert(name, value.clone());
                }
            }
        }
        let added = response.headers_mut();
        added.insert(HeaderName::from_static("x-request-id"), finish.request_id.clone());
        if let Ok(trace) = HeaderValue::try_from(finish.trace.header()) {
            added.insert(HeaderName::from_static("traceparent"), trace);
        }
        headers::secure(
            added,
            finish.guest.context().map_or(peer.https, |ctx| ctx.https()),
        );
        self.cors.allow(added, origin);
        self.account_for(response.status().as_u16(), code, finish);
        response
    }

    /// Counts the request, writes its line and hands its trace on.
    fn account_for(&self, status: u16, code: Option<ErrorCode>, finish: &mut Finish) {
        let took = finish.started.elapsed();
        self.metrics.record(finish.route, status, took);
        finish.guest.answered(Outcome::of(status, code), status);
        let route = finish.route.map(|index| self.table.endpoints()[index].path);
        let request_id = finish.request_id.to_str().unwrap_or_default();
        if let Some(log) = &self.outside.log {
            log.write(&Line {
                time: self.outside.clock.now(),
                method: finish.method.as_str(),
                route: route.unwrap_or("unmatched"),
                status,
                took,
                request_id,
                trace: finish.trace,
                address: finish.address,
                caller: finish.caller.as_deref(),
                meter: &finish.meter,
            });
        }
        if let Some(traces) = self.outside.traces.as_ref().filter(|_| finish.trace.sampled) {
            traces.record(RequestSpan {
                trace: finish.trace,
                method: finish.method.to_string(),
                route,
                status,
                request_id: request_id.to_owned(),
                workspace: finish.caller.as_ref().map(|caller| caller.workspace_id),
                ended: self.outside.clock.now(),
                start: finish.started,
                took,
                parts: finish.meter.take_parts(),
            });
        }
    }

    /// The trace that the request belongs to: its caller's, or one that begins here and is recorded by chance.
    fn trace(&self, headers: &HeaderMap) -> TraceContext {
        let mut trace = TraceContext::continue_or_begin(headers.get("traceparent"), &*self.outside.ids);
        if trace.begins() {
            let traces = self.outside.traces.as_ref();
            trace.sampled = traces.is_some_and(|traces| traces.samples(trace.trace_id));
        }
        trace
    }

    fn note_denial(&self, code: ErrorCode, finish: &Finish) {
        let (Some(caller), Some(route)) = (&finish.caller, finish.route) else {
            return;
        };
        denials::note(
            self.outside.denials.as_deref(),
            &self.outside.isolation,
            code,
            (caller, finish.address),
            (&finish.method, self.table.endpoints()[route].path),
        );
    }

    /// The caller's own id if it is sane, else a new one.
    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let sane = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=64).contains(&bytes.len())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        };
        headers
            .get("x-request-id")
            .filter(sane)
            .cloned()
            .unwrap_or_else(|| {
                let id = self.outside.ids.uuid().hyphenated().to_string();
                HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unknown"))
            })
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
