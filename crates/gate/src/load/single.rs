//! The fast path: one URL, one prepared request, no scenario. What it asserts is the status alone.

use std::sync::Arc;
use std::time::Instant;

use scenario::http::{Connect, Connection, Limits, Request};

use super::crew::{Crew, Turn, VirtualUser};
use crate::measure::{Answer, Reason, Sample, Tag, TagKind};

/// How the one request is sent and judged.
#[derive(Clone, Debug)]
pub struct SingleOptions {
    /// The request, sent over and over.
    pub request: Request,
    /// How connections are opened.
    pub connect: Connect,
    /// Bounds of one exchange.
    pub limits: Limits,
    /// Whether a connection is used for more than one request.
    pub keep_alive: bool,
    /// The one status asserted; without it any below 400 will do.
    pub status: Option<u16>,
    /// Name of the request in reports and thresholds.
    pub name: String,
}

/// Users that send one request over and over.
#[derive(Clone, Debug)]
pub struct SingleCrew(Arc<SingleOptions>);

impl SingleCrew {
    /// A crew for one request.
    pub fn new(options: SingleOptions) -> Self {
        Self(Arc::new(options))
    }
}

impl Crew for SingleCrew {
    type User = SingleUser;

    fn tags(&self) -> Vec<Tag> {
        vec![Tag {
            kind: TagKind::Request,
            scenario: self.0.name.clone(),
            name: self.0.name.clone(),
        }]
    }

    fn first_tag(&self, _journey: usize) -> u16 {
        0
    }

    fn recruit(&self, _number: usize) -> SingleUser {
        SingleUser {
            options: self.0.clone(),
            connection: None,
        }
    }
}

/// One user of a [`SingleCrew`], with its own connection.
pub struct SingleUser {
    options: Arc<SingleOptions>,
    connection: Option<Connection>,
}

impl SingleUser {
    async fn exchange(&mut self) -> Result<(u16, u64), scenario::http::Error> {
        let Self { options, connection } = self;
        // What the server closed while nobody used it is no dropped request.
        connection.take_if(|kept| !kept.is_reusable() || kept.is_closed());
        let open = match &mut *connection {
            Some(kept) => kept,
            none => none.insert(Connection::open(options.request.target(), &options.connect).await?),
        };
        let answered = open.send(&options.request, &options.limits).await;
        connection.take_if(|used| !options.keep_alive || !used.is_reusable());
        let response = answered?;
        Ok((response.status, response.body.len() as u64))
    }

    fn judge(&self, status: u16) -> Answer {
        let ok = match self.options.status {
            Some(expected) => status == expected,
            None => status < 400,
        };
        if ok { Answer::Ok } else { Answer::NotOk }
    }
}

impl VirtualUser for SingleUser {
    async fn turn(&mut self, turn: Turn<'_>) -> bool {
        let (answer, status, bytes) = match self.exchange().await {
            Ok((status, bytes)) => (self.judge(status), status, bytes),
            Err(error) => (Answer::None(reason(error.reason)), 0, 0),
        };
        let latency = Instant::now().saturating_duration_since(turn.due);
        turn.sink.record(&Sample {
            phase: turn.phase,
            tag: 0,
            latency,
            answer,
            status,
            bytes,
        });
        answer != Answer::None(Reason::Connect)
    }
}

/// The gate's word for a reason of the client.
pub(super) fn reason(reason: scenario::http::Reason) -> Reason {
    use scenario::http::Reason as Http;
    match reason {
        Http::Connect => Reason::Connect,
        Http::Tls => Reason::Tls,
        Http::Timeout => Reason::Timeout,
        Http::Closed => Reason::Closed,
        Http::Protocol => Reason::Protocol,
        Http::BodyTooLarge => Reason::BodyTooLarge,
        Http::Other => Reason::Other,
    }
}
