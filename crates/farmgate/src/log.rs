//! The process's own log: what the platform says besides the line of each request, in the same form and to the same
//! place. Never waits: the lines go through the queue of [`LogWriter`].

use std::{
    fmt::{self, Write as _},
    io::Write as _,
};

use anyhow::{Context as _, Result};
use config::{LogLevel, Settings};
use domain::ids::Clock as _;
use serde_json::{Map, Value};
use server::{
    request_log::{Format, LogWriter, RequestLog, Which},
    system::SystemClock,
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use crate::settings;

/// Where lines go; `None` when the log is off.
#[derive(Clone, Default)]
pub struct Log(Option<(LogWriter, Format, LogLevel)>);

impl Log {
    /// Starts the log's thread on standard error, and sends there what all code of this process says.
    pub fn start(settings: &Settings) -> Result<Self> {
        let (level, format) = (settings::log_level(settings), settings::log_format(settings));
        if level == LogLevel::Off {
            return Ok(Self::default());
        }
        let (writer, _thread) =
            LogWriter::start(std::io::stderr()).context("cannot start the log's thread")?;
        let lines = Lines {
            writer: writer.clone(),
            format,
        };
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter(level)));
        tracing::subscriber::set_global_default(subscriber).context("the log was started before")?;
        Ok(Self(Some((writer, format, level))))
    }

    /// The log of requests.
    pub fn requests(&self) -> Option<RequestLog> {
        let (writer, format, level) = self.0.as_ref()?;
        let which = if *level >= LogLevel::Warn {
            Which::Failed
        } else {
            Which::All
        };
        Some(RequestLog::new(writer.clone(), *format, which))
    }

    /// Waits a moment until everything is written.
    pub async fn finish(self) {
        if let Some((writer, ..)) = self.0 {
            let flushed = tokio::task::spawn_blocking(move || {
                writer.flush_within(std::time::Duration::from_secs(1));
            });
            // It ends the process; if even this fails, nobody is left to be told.
            let _ = flushed.await;
        }
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    }
}

/// Writes one line for each event.
struct Lines {
    writer: LogWriter,
    format: Format,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = event.metadata().level().as_str().to_lowercase();
        let line = match self.format {
            Format::Json => fields.json(&level),
            Format::Text => fields.text(&level),
        };
        // The queue takes it or counts it as dropped; it never fails.
        let _ = self.writer.clone().write_all(line.as_bytes());
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn json(self, level: &str) -> String {
        let mut line = Map::new();
        line.insert("time".to_owned(), SystemClock.now().to_string().into());
        line.insert("level".to_owned(), level.into());
        line.insert("message".to_owned(), self.message.into());
        line.extend(self.others);
        format!("{}\n", Value::Object(line))
    }

    fn text(self, level: &str) -> String {
        let mut line = format!("{} {level} {}", SystemClock.now(), one_line(&self.message));
        for (name, value) in &self.others {
            let value = match value {
                Value::String(text) if is_word(text) => text.clone(),
                other => other.to_string(),
            };
            let written = write!(line, " {name}={value}");
            debug_assert!(written.is_ok(), "writing into a string cannot fail");
        }
        line.push('\n');
        line
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }
}

/// A message cannot pretend to be a line of its own.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
