//! One line per request, written by a thread of its own: a request never waits for the log.
//!
//! Lines that do not fit into the queue are dropped and counted. Bodies, queries and credentials never get here.

use std::{
    fmt::Write as _,
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use domain::{caller::Caller, ids::Timestamp};

use crate::trace::TraceContext;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// `name=value` pairs for people.
    Text,
}

/// Which requests get a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every request.
    All,
    /// Those answered with 500 or more.
    Failed,
}

/// Lines that may wait for the thread.
const QUEUE: usize = 8192;

enum Message {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// A place for lines that never blocks. Cheap to clone; also a writer for other logs.
#[derive(Clone)]
pub struct LogWriter {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl LogWriter {
    /// Starts the thread that writes to `out`. It ends when every clone of the writer is gone.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, lines) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || drain(&lines, io::BufWriter::new(out)))?;
        Ok((
            Self {
                queue,
                dropped: Arc::default(),
            },
            thread,
        ))
    }

    /// Lines that found the queue full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was sent before is written, at most this long. Blocks: for the end of the process.
    pub fn flush_within(&self, patience: Duration) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Nobody is left to hear that the log could not be written in time.
            let _ = written.recv_timeout(patience);
        }
    }

    fn send(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what comes, and flushes when nothing more is waiting. A log that cannot be written has nobody to tell.
fn drain(messages: &Receiver<Message>, mut out: impl Write) {
    while let Ok(first) = messages.recv() {
        let mut waiting = Vec::new();
        for message in std::iter::once(first).chain(messages.try_iter().take(QUEUE)) {
            match message {
                Message::Line(line) => drop(out.write_all(&line)),
                Message::Flush(done) => waiting.push(done),
            }
        }
        let _ = out.flush();
        for done in waiting {
            let _ = done.try_send(());
        }
    }
}

/// Writes the lines of requests.
#[derive(Clone)]
pub struct RequestLog {
    writer: LogWriter,
    format: Format,
    which: Which,
}

/// What a line says.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When the answer was ready.
    pub time: Timestamp,
    /// The method.
    pub method: &'a str,
    /// The matched pattern.
    pub route: &'static str,
    /// The status; 499 if the client left before its answer.
    pub status: u16,
    /// From the request's arrival to the head of its answer, or until the client left.
    pub took: Duration,
    /// The request's id.
    pub request_id: &'a str,
    /// The trace it belongs to.
    pub trace: TraceContext,
    /// The client's address.
    pub address: IpAddr,
    /// The caller, if there is one.
    pub caller: Option<&'a Caller>,
    /// What it used of the database.
    pub meter: &'a db::Meter,
}

impl RequestLog {
    /// Writes lines of this format.
    #[must_use]
    pub const fn new(writer: LogWriter, format: Format, which: Which) -> Self {
        Self {
            writer,
            format,
            which,
        }
    }

    /// Lines that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.writer.dropped()
    }

    /// Writes a request's line, unless it gets none.
    pub fn write(&self, line: &Line<'_>) {
        if self.which == Which::Failed && line.status < 500 {
            return;
        }
        let mut text = String::with_capacity(384);
        let written = match self.format {
            Format::Json => line.json(&mut text),
            Format::Text => line.text(&mut text),
        };
        debug_assert!(written.is_ok(), "writing into a string cannot fail");
        self.writer.send(text.into_bytes());
    }
}

impl Line<'_> {
    fn level(&self) -> &'static str {
        if self.status >= 500 { "error" } else { "info" }
    }

    /// Queries, milliseconds in them, milliseconds waited.
    fn database(&self) -> (u64, f64, f64) {
        let meter = self.meter;
        (meter.queries(), millis(meter.busy()), millis(meter.wait()))
    }

    /// None of the values can hold a quote: ids, patterns, numbers, and the request id, which the edge has checked.
    fn json(&self, out: &mut String) -> std::fmt::Result {
        let (queries, busy, wait) = self.database();
        write!(
            out,
            r#"{{"time":"{}","level":"{}","message":"request","method":"{}","route":"{}","status":{},"duration_ms":{:.3},"db_ms":{busy:.3},"db_queries":{queries},"db_wait_ms":{wait:.3},"request_id":"{}","trace_id":"{}","address":"{}""#,
            self.time,
            self.level(),
            self.method,
            self.route,
            self.status,
            millis(self.took),
            self.request_id,
            self.trace,
            self.address,
        )?;
        if let Some(caller) = self.caller {
            write!(
                out,
                r#","workspace_id":"{}","user_id":"{}""#,
                caller.workspace_id, caller.user_id
            )?;
        }
        out.write_str("}\n")
    }

    fn text(&self, out: &mut String) -> std::fmt::Result {
        let (queries, busy, wait) = self.database();
        write!(
            out,
            "{} {} request {} {} status={} duration_ms={:.3} db_ms={busy:.3} db_queries={queries} db_wait_ms={wait:.3} request_id={} trace_id={} address={}",
            self.time,
            self.level(),
            self.method,
            self.route,
            self.status,
            millis(self.took),
            self.request_id,
            self.trace,
            self.address,
        )?;
        if let Some(caller) = self.caller {
            write!(
                out,
                " workspace_id={} user_id={}",
                caller.workspace_id, caller.user_id
            )?;
        }
        out.write_str("\n")
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
