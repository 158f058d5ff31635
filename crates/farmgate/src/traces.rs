//! Traces leave the process here: sampled requests go to a collector by OTLP over HTTP (OpenTelemetry protocol 1).
//!
//! What a request is made of is recorded in `db::Meter` and put together in `server::spans`.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use config::{Setting, Settings};
use db::{Part, PartKind};
use domain::ids::IdSource;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor},
};
use server::spans::{LostSpans, RequestSpan, TraceSink};
use url::Url;

use self::{
    client::Client,
    count::{Count, Counted},
};
use crate::compose::version;

mod client;
mod count;

/// Where a collector takes traces, below its base address.
const PATH: &str = "/v1/traces";
/// Spans that may wait for a sending; more are dropped rather than kept.
const WAITING: usize = 8_192;
/// Time for what still waits when the process ends.
const LAST_SENDING: Duration = Duration::from_secs(3);

/// Sends traced requests to a collector, from a thread of its own.
pub struct Traces {
    processor: BatchSpanProcessor,
    count: Arc<Count>,
    /// Traces are recorded whose id's lower half, shifted right by one, is below it, so that all replicas decide alike.
    below: u64,
    ids: Arc<dyn IdSource>,
    engine: &'static str,
    scope: InstrumentationScope,
}

impl Traces {
    /// Starts the sending, if the settings name a collector. It is not asked whether the collector is there: a service
    /// must not depend on who watches it.
    ///
    /// # Errors
    /// If the address makes no sense.
    pub fn start(
        settings: &Settings,
        ids: Arc<dyn IdSource>,
        engine: &'static str,
    ) -> Result<Option<Arc<Self>>> {
        let Some(address) = collector(settings)? else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new()?)
            .with_endpoint(address)
            .build()
            .context("cannot send traces")?;
        let queue = BatchConfigBuilder::default().with_max_queue_size(WAITING).build();
        let count = Arc::<Count>::default();
        let exporter = Counted::new(exporter, Arc::clone(&count));
        let mut processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(queue)
            .build();
        processor.set_resource(&resource(settings));
        Ok(Some(Arc::new(Self {
            processor,
            count,
            below: below(settings.trace_ratio.get()),
            ids,
            engine,
            scope: InstrumentationScope::builder("farmgate")
                .with_version(version())
                .build(),
        })))
    }

    /// Sends what still waits.
    pub async fn finish(self: Arc<Self>) {
        let sent = tokio::task::spawn_blocking(move || self.processor.shutdown_with_timeout(LAST_SENDING));
        if let Ok(Err(error)) = sent.await {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    fn span(&self, of: &RequestSpan, id: u64, parent: (u64, bool), began: (Instant, Duration)) -> SpanData {
        // The one clock says when the request ended; within it the monotonic one counts.
        let end =
            SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(of.ended.micros()).unwrap_or(0));
        let start = end - of.took + began.0.saturating_duration_since(of.start);
        let flags = TraceFlags::SAMPLED;
        let trace = TraceId::from(of.trace.trace_id);
        SpanData {
            span_context: SpanContext::new(trace, SpanId::from(id), flags, false, TraceState::default()),
            parent_span_id: SpanId::from(parent.0),
            parent_span_is_remote: parent.1,
            span_kind: SpanKind::Internal,
            name: "".into(),
            start_time: start,
            end_time: start + began.1,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The request itself, by the semantic conventions for HTTP servers.
    fn request(&self, of: &RequestSpan) -> SpanData {
        let parent = (of.trace.parent_id, true);
        let mut span = self.span(of, of.trace.span_id, parent, (of.start, of.took));
        span.span_kind = SpanKind::Server;
        span.name = match of.route {
            Some(route) => format!("{} {route}", of.method).into(),
            None => of.method.clone().into(),
        };
        span.attributes = vec![
            KeyValue::new("http.request.method", of.method.clone()),
            KeyValue::new("farmgate.request_id", of.request_id.clone()),
        ];
        span.attributes.push(match of.status {
            Some(status) => KeyValue::new("http.response.status_code", i64::from(status)),
            None => KeyValue::new("error.type", "client_left"),
        });
        let route = of.route.map(|route| KeyValue::new("http.route", route));
        let workspace = of
            .workspace
            .map(|id| KeyValue::new("farmgate.workspace_id", id.to_string()));
        let dropped = i64::from(of.parts.dropped);
        let dropped = (dropped > 0).then(|| KeyValue::new("farmgate.parts_dropped", dropped));
        span.attributes
            .extend([route, workspace, dropped].into_iter().flatten());
        if of.status.is_some_and(|status| status >= 500) {
            span.status = Status::error("");
        }
        span
    }

    /// Hands a span to the queue, if there is room.
    fn send(&self, span: SpanData) {
        if self.count.admit(WAITING) {
            self.processor.on_end(span);
        }
    }

    /// A part, by the semantic conventions for database calls where it is a statement.
    fn part(&self, of: &RequestSpan, part: &Part) -> SpanData {
        let mut id = [0; 8];
        self.ids.fill(&mut id);
        let id = u64::from_be_bytes(id).max(1);
        let mut span = self.span(of, id, (of.trace.span_id, false), (part.start, part.took));
        span.name = part.name.clone();
        if part.kind == PartKind::Query {
            span.span_kind = SpanKind::Client;
            span.attributes = vec![
                KeyValue::new("db.system.name", self.engine),
                KeyValue::new("db.query.summary", part.name.clone()),
            ];
        }
        if !part.ok {
            span.status = Status::error("");
        }
        span
    }
}

impl TraceSink for Traces {
    fn samples(&self, trace_id: u128) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is what counts")]
        let lower = trace_id as u64;
        (lower >> 1) < self.below
    }

    fn record(&self, request: RequestSpan) {
        for part in &request.parts.kept {
            self.send(self.part(&request, part));
        }
        self.send(self.request(&request));
    }

    fn lost(&self) -> LostSpans {
        self.count.lost()
    }
}

/// The bound for ids of the traces that are recorded.
fn below(ratio: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1 of a range"
    )]
    let below = (ratio * (1_u64 << 63) as f64) as u64;
    below
}

/// Where the settings want the traces sent.
pub fn collector(settings: &Settings) -> Result<Option<String>> {
    let (key, address) = match (
        &settings.otlp_endpoint,
        settings.jaeger,
        &settings.jaeger_endpoint,
    ) {
        (Some(address), ..) => ("tracing.otlp_endpoint", address),
        (None, true, Some(address)) => ("tracing.jaeger_endpoint", address),
        (None, true, None) => bail!(
            "`tracing.jaeger_enabled` (JAEGER_ENABLED) needs `tracing.jaeger_endpoint` (JAEGER_ENDPOINT), such as http://localhost:4318"
        ),
        (None, false, _) => return Ok(None),
    };
    let url = Url::parse(address).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        bail!("`{key}` must be an address such as http://localhost:4318 (OTLP over HTTP)");
    };
    if url.query().is_some() || url.fragment().is_some() {
        // The path of OTLP would become a part of it.
        bail!(
            "`{key}` must be an address without `?` and `#`: what a collector asks for besides goes into OTEL_EXPORTER_OTLP_HEADERS"
        );
    }
    let base = url.as_str().trim_end_matches('/');
    Ok(Some(match base.ends_with(PATH) {
        true => base.to_owned(),
        false => format!("{base}{PATH}"),
    }))
}

/// Who sends.
fn resource(settings: &Settings) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "farmgate"),
            KeyValue::new("service.version", version()),
            KeyValue::new("deployment.environment.name", settings.environment.show()),
        ])
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_traces_is_recorded_and_replicas_agree() {
        for (ratio, expected) in [(0.0, 0), (0.1, 10), (0.5, 50), (1.0, 100)] {
            let step = u64::MAX / 100;
            // One id from the middle of each hundredth.
            let recorded = (0..100)
                .filter(|n| (n * step + step / 2) >> 1 < below(ratio))
                .count();
            assert_eq!(recorded, expected, "{ratio}");
        }
    }
}
