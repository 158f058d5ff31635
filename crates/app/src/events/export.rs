//! Exports of events as text, a page at a time: CSV (RFC 4180) and JSON lines.

use domain::{
    credits::CostedOperation,
    ids::MovementId,
    page::{Cursor, PageRequest},
};
use serde_json::{Value, json};
use store::events::Event;

use super::EventQuery;
use crate::{App, Ctx, Result};

/// Events read and written at a time.
const PAGE: u32 = 500;
/// The columns of a CSV export.
const COLUMNS: [&str; 15] = [
    "id",
    "event_type",
    "source",
    "dfid",
    "dfids",
    "circuit_id",
    "visibility",
    "occurred_at",
    "recorded_at",
    "created_by",
    "user_id",
    "project_id",
    "tags",
    "client_event_id",
    "data",
];

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The media type of the text.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }
}

/// An export that goes on piece by piece; it keeps nothing but its place.
pub struct Export {
    query: EventQuery,
    format: Format,
    after: Option<Cursor>,
    begun: bool,
    ended: bool,
    /// What was paid for it, to be given back if it breaks off; none if it is part of a job, which pays for itself.
    paid: Option<MovementId>,
    /// Events written so far.
    pub written: u64,
}

impl Export {
    /// An export of what the query lists, oldest first.
    #[must_use]
    pub const fn new(mut query: EventQuery, format: Format) -> Self {
        query.oldest_first = true;
        Self {
            query,
            format,
            after: None,
            begun: false,
            ended: false,
            paid: None,
            written: 0,
        }
    }

    /// The next piece of text; nothing at the end.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn next(&mut self, app: &App, ctx: &Ctx) -> Result<Option<Vec<u8>>> {
        let piece = self.piece(app, ctx).await;
        if piece.is_err()
            && let Some(debit) = self.paid.take()
            && let Err(error) = app.credits().refund(ctx, debit).await
        {
            tracing::error!(%error, %debit, "what a broken export cost could not be given back");
        }
        piece
    }

    async fn piece(&mut self, app: &App, ctx: &Ctx) -> Result<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        let page = PageRequest {
            limit: PAGE,
            after: self.after.take(),
            offset: 0,
        };
        let found = app.events(ctx, &self.query, &page).await?;
        self.ended = !found.has_more();
        self.after = found.next;
        self.written += found.data.len() as u64;
        let header = !std::mem::replace(&mut self.begun, true);
        let text = match self.format {
            Format::Csv => csv_rows(&found.data, header),
            Format::Jsonl => json_rows(&found.data),
        };
        Ok(Some(text))
    }
}

impl App {
    /// Begins an export that is streamed to the caller: pays for it and reads the first piece. What was paid goes back
    /// if a piece can't be read; a caller that leaves has paid.
    ///
    /// # Errors
    /// Insufficient credits; if the database refuses.
    pub async fn stream_export(
        &self,
        ctx: &Ctx,
        query: EventQuery,
        format: Format,
    ) -> Result<(Vec<u8>, Export)> {
        let mut export = Export::new(query, format);
        let (credits, costed) = (self.credits(), CostedOperation::Export);
        if let Some(debit) = credits.debit(ctx, costed, 1, "stream")? {
            if let Err(error) = self.db().run(&ctx.scope(), debit.steps).await {
                return Err(credits.explain(ctx, costed, 1, error).await);
            }
            export.paid = Some(debit.id);
        }
        let first = export.next(self, ctx).await?.unwrap_or_default();
        Ok((first, export))
    }
}

/// An event as an export shows it.
fn fields(event: &Event) -> Value {
    json!({
        "id": event.id,
        "event_type": event.event_type,
        "source": event.source,
        "dfid": event.dfid,
        "dfids": event.all_items(),
        "circuit_id": event.circuit_id,
        "visibility": event.visibility,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "created_by": event.created_by,
        "user_id": event.user_ref,
        "project_id": event.project,
        "tags": event.tags,
        "client_event_id": event.client_event_id,
        "data": event.data,
    })
}

fn json_rows(events: &[Event]) -> Vec<u8> {
    let mut text = String::new();
    for event in events {
        text.push_str(&fields(event).to_string());
        text.push('\n');
    }
    text.into_bytes()
}

fn csv_rows(events: &[Event], header: bool) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail, and every record has the same number of fields.
    if header {
        let _ = writer.write_record(COLUMNS);
    }
    for event in events {
        let fields = fields(event);
        let cells = COLUMNS.map(|column| match &fields[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let _ = writer.write_record(&cells);
    }
    writer.into_inner().unwrap_or_default()
}
