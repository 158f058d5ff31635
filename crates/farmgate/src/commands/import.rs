//! `farmgate import`: items and events of a file, sent to a running platform through its API.
//!
//! Here: arguments, the way of the rows from the file to the server, and the end. What a row is stands in [`rows`], what
//! becomes of it on the server in [`sending`].

mod client;
mod report;
mod rows;
mod sending;
mod state;

use std::{
    cell::RefCell,
    collections::HashSet,
    io::{Read as _, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use app::import::Fault;
use futures_util::{Stream, StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};
use url::Url;

use self::{
    client::Client,
    report::Report,
    rows::{Format, Row},
    sending::{Failed, Sending},
    state::{Journal, Notes},
};
use super::Exit;
use crate::args::Environment;

/// Rows read ahead of those that are sent.
const READ_AHEAD: usize = 64;
/// A run ends when so many rows in succession found no server; the next one goes on from there.
const MAX_UNANSWERED: u32 = 32;

/// Imports items and events from CSV, JSON lines or an EPCIS 2.0 JSON document; repeating it is harmless
#[derive(clap::Args, Debug)]
pub struct Import {
    /// File to read
    file: PathBuf,
    /// Form of the file; by default after its extension (.csv, .jsonl, .ndjson, .json, .jsonld)
    #[arg(long)]
    format: Option<Format>,
    /// In CSV: keep columns that mean nothing here as data, where they are an error otherwise
    #[arg(long)]
    keep_other_columns: bool,
    /// Address of the platform
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// Token or API key; without it and --username that of FARMGATE_TOKEN
    // Read by hand: an argument that the environment may give conflicts with --username when nobody typed it.
    #[arg(long)]
    token: Option<String>,
    /// Sign in with this name
    #[arg(long, requires = "password", conflicts_with = "token")]
    username: Option<String>,
    /// Password of that name
    #[arg(long, env = "FARMGATE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Push the items into this circuit; an EPCIS document needs one, for its events are about pushed items
    #[arg(long, value_name = "ID")]
    circuit: Option<uuid::Uuid>,
    /// Check the file and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Rows under way at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    at_once: u8,
    /// Where to note the imported rows; by default beside the file, as FILE.farmgate-import
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// A row that is over.
struct Ended {
    number: u64,
    line: Option<u64>,
    /// Bytes of the file up to its end.
    end: u64,
    outcome: Outcome,
}

/// What became of a row.
enum Outcome {
    DoneBefore,
    Done(Option<String>),
    Failed(Failed),
}

/// What the rows under way share.
struct Way<'a> {
    done_before: HashSet<u64>,
    sending: Sending,
    client: &'a Client,
    /// Clients that nobody uses now; there are never more than rows under way.
    idle: RefCell<Vec<Client>>,
}

impl Import {
    /// Imports every row that has not been imported; a row that fails stops no other.
    pub async fn run(self, environment: &Environment, out: &mut impl Write) -> Result<Exit> {
        let format = self.format()?;
        if format == Format::Epcis && self.circuit.is_none() && !self.dry_run {
            bail!("an EPCIS document needs --circuit: its events are about items that have a global id");
        }
        let size = tokio::fs::metadata(&self.file)
            .await
            .with_context(|| format!("cannot read {}", self.file.display()))?
            .len();
        let mut client = Client::new(self.url.clone(), self.token(environment))?;
        let (mut done_before, mut journal) = (HashSet::new(), None);
        if !self.dry_run {
            if let (Some(username), Some(password)) = (&self.username, &self.password) {
                client.log_in(username, password).await?;
            }
            let notes = self.open_state(&client.owner().await?).await?;
            (done_before, journal) = (notes.done, Some(notes.journal));
        }
        let way = Way {
            done_before,
            sending: Sending::new(self.circuit),
            client: &client,
            idle: RefCell::default(),
        };
        let bar = ProgressBar::new(size).with_style(ProgressStyle::with_template(
            "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} ({eta} left)",
        )?);
        let report = self.import(format, &way, journal, &bar).await;
        bar.finish_and_clear();
        let report = report?;
        let all_well = report.failed == 0 && report.stopped.is_none();
        report.write(out, self.json)?;
        Ok(if all_well { Exit::Ok } else { Exit::Failed })
    }

    fn format(&self) -> Result<Format> {
        let extension = self.file.extension().and_then(|extension| extension.to_str());
        Ok(match (self.format, extension.unwrap_or_default()) {
            (Some(format), _) => format,
            (None, "csv") => Format::Csv,
            (None, "jsonl" | "ndjson") => Format::Jsonl,
            (None, "json" | "jsonld") => Format::Epcis,
            _ => bail!("cannot tell the form of {}: add --format", self.file.display()),
        })
    }

    fn token(&self, environment: &Environment) -> Option<String> {
        let of_environment = || {
            let token = environment.get("FARMGATE_TOKEN");
            token
                .filter(|token| !token.is_empty() && self.username.is_none())
                .cloned()
        };
        self.token.clone().or_else(of_environment)
    }

    async fn open_state(&self, owner: &str) -> Result<Notes> {
        let path = self.state.clone().unwrap_or_else(|| {
            let mut name = self.file.clone().into_os_string();
            name.push(".farmgate-import");
            name.into()
        });
        let file = self.file.clone();
        let digest = tokio::task::spawn_blocking(move || digest_of(&file)).await??;
        let import = format!(
            "{digest} {} {} {owner}",
            self.url,
            self.circuit.unwrap_or_default()
        );
        let notes = state::open(&path, &self.file, &import).await?;
        if notes.only_of_others {
            eprintln!(
                "{}: the notes of other imports stay; of this content, address, circuit and workspace there are none yet",
                path.display()
            );
        }
        Ok(notes)
    }

    /// Reads in a thread of its own and sends from here, so many rows at a time.
    async fn import(
        &self,
        format: Format,
        way: &Way<'_>,
        mut journal: Option<Journal>,
        bar: &ProgressBar,
    ) -> Result<Report> {
        let (reader, rows) = self.read(format);
        let mut ended = Box::pin(
            rows.map(|row| self.handle(row, way))
                .buffer_unordered(self.at_once.into()),
        );
        let mut report = Report {
            file: self.file.display().to_string(),
            dry_run: self.dry_run,
            ..Report::default()
        };
        let mut unanswered = 0;
        while let Some(row) = ended.next().await {
            bar.set_position(row.end);
            if let (Outcome::Done(_), Some(journal)) = (&row.outcome, &mut journal) {
                journal.note(row.number).await?;
            }
            if matches!(row.outcome, Outcome::Failed(Failed::NoAnswer(_))) {
                unanswered += 1;
            } else {
                unanswered = 0;
            }
            count(&mut report, row)?;
            if unanswered == MAX_UNANSWERED {
                report.stopped = Some(format!(
                    "{MAX_UNANSWERED} rows in succession found no server; run the same command again to go on"
                ));
            }
            if report.stopped.is_some() {
                break;
            }
        }
        // Ends the reader too: nobody takes its rows any more.
        drop(ended);
        reader.await??;
        Ok(report)
    }

    fn read(&self, format: Format) -> (JoinHandle<Result<()>>, impl Stream<Item = Row> + use<>) {
        let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
        let (file, keep_other_columns) = (self.file.clone(), self.keep_other_columns);
        let reader = tokio::task::spawn_blocking(move || {
            let mut emit = |row| sender.blocking_send(row).is_ok();
            rows::read(&file, format, keep_other_columns, &mut emit)
                .with_context(|| file.display().to_string())
        });
        (
            reader,
            stream::poll_fn(move |context| receiver.poll_recv(context)),
        )
    }

    async fn handle(&self, row: Row, way: &Way<'_>) -> Ended {
        let outcome = match row.content {
            _ if way.done_before.contains(&row.number) => Outcome::DoneBefore,
            Err(faults) => Outcome::Failed(Failed::Refused(faults)),
            Ok(_) if self.dry_run => Outcome::Done(None),
            Ok(content) => {
                let idle = way.idle.borrow_mut().pop();
                let mut client = idle.unwrap_or_else(|| way.client.another());
                let sent = way.sending.send(&mut client, &content).await;
                way.idle.borrow_mut().push(client);
                sent.map_or_else(Outcome::Failed, Outcome::Done)
            }
        };
        Ended {
            number: row.number,
            line: row.line,
            end: row.end,
            outcome,
        }
    }
}

/// Adds a row to the report.
///
/// # Errors
/// If no other row would fare better.
fn count(report: &mut Report, row: Ended) -> Result<()> {
    report.rows += 1;
    match row.outcome {
        Outcome::DoneBefore => report.done_before += 1,
        Outcome::Done(note) => report.done(row.number, row.line, note),
        Outcome::Failed(Failed::Refused(faults)) => report.failed(row.number, row.line, faults),
        Outcome::Failed(Failed::NoAnswer(said)) => {
            report.failed(row.number, row.line, Fault::whole(said));
        }
        Outcome::Failed(Failed::UsedUp(said)) => {
            report.stopped = Some(format!(
                "{said}; when there is more of it, run the same command again to go on"
            ));
            report.failed(row.number, row.line, Fault::whole(said));
        }
        Outcome::Failed(Failed::NotSignedIn(said)) => {
            bail!("{said} (pass --token or --username; what was imported is noted)")
        }
    }
    Ok(())
}

/// SHA-256 of a file in hex.
fn digest_of(path: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}
