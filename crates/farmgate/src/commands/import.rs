//! `farmgate import`: items and events of a file, sent to a running platform through its API.

mod client;
mod rows;

use std::{collections::BTreeSet, io::Write, path::PathBuf};
use tokio::io::AsyncWriteExt as _;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use self::{
    client::{Client, refusal},
    rows::{Format, Row},
};
use super::Exit;

/// Imports items and events from CSV, JSON lines or an EPCIS 2.0 JSON document; repeating it is harmless
#[derive(clap::Args, Debug)]
pub struct Import {
    /// File to read
    file: PathBuf,
    /// Form of the file; by default after its extension (.csv, .jsonl, .ndjson, .json, .jsonld)
    #[arg(long)]
    format: Option<Format>,
    /// Address of the platform
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// Token or API key
    #[arg(long, env = "FARMGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Sign in with this name
    #[arg(long, requires = "password", conflicts_with = "token")]
    username: Option<String>,
    /// Password of that name
    #[arg(long, env = "FARMGATE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Push the items into this circuit, and attach the events to them
    #[arg(long, value_name = "ID")]
    circuit: Option<uuid::Uuid>,
    /// Check the file and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    /// Imports every row that has not been imported; a row that fails stops no other.
    pub async fn run(self, out: &mut impl Write) -> Result<Exit> {
        let bytes = tokio::fs::read(&self.file)
            .await
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        let rows = rows::read(self.format()?, &bytes).with_context(|| self.file.display().to_string())?;
        let state_file = PathBuf::from(format!("{}.farmgate-import", self.file.display()));
        let print = hex::encode(Sha256::digest([&bytes, self.url.as_str().as_bytes()].concat()));
        let header = format!("{print} {}", self.circuit.unwrap_or_default());
        let mut done = if self.dry_run {
            BTreeSet::new()
        } else {
            finished(&state_file, &header).await
        };
        let before = done.len();
        let mut client = Client::new(self.url.clone(), self.token.clone());
        if let (Some(username), Some(password), false) = (&self.username, &self.password, self.dry_run) {
            client.log_in(username, password).await?;
        }
        let (total, mut errors) = (rows.len(), Vec::new());
        let bar = ProgressBar::new(total as u64);
        for (index, row) in rows.into_iter().enumerate() {
            bar.inc(1);
            let number = index + 1;
            let failed = match row {
                _ if done.contains(&number) => continue,
                Ok(_) if self.dry_run => Vec::new(),
                Ok(row) => self
                    .send(&mut client, row)
                    .await?
                    .into_iter()
                    .map(|e| (String::new(), e))
                    .collect(),
                Err(broken) => broken,
            };
            if failed.is_empty() {
                if !self.dry_run {
                    remember(&state_file, &header, done.is_empty(), number).await?;
                }
                done.insert(number);
            }
            errors.extend(
                failed
                    .into_iter()
                    .map(|(field, message)| json!({"row": number, "field": field, "message": message})),
            );
        }
        bar.finish_and_clear();
        self.summarise(out, total, before, done.len(), &errors)?;
        Ok(if done.len() == total {
            Exit::Ok
        } else {
            Exit::Failed
        })
    }

    fn format(&self) -> Result<Format> {
        let extension = self
            .file
            .extension()
            .and_then(|ext| ext.to_str())
            .unwrap_or_default();
        Ok(match (self.format, extension) {
            (Some(format), _) => format,
            (None, "csv") => Format::Csv,
            (None, "jsonl" | "ndjson") => Format::Jsonl,
            (None, "json" | "jsonld") => Format::Epcis,
            _ => bail!("cannot tell the form of {}: add --format", self.file.display()),
        })
    }

    /// Sends a row; gives the server's refusal, if it refused.
    async fn send(&self, client: &mut Client, row: Row) -> Result<Option<String>> {
        let (items, event) = match row {
            Row::Item(item) => (vec![item], None),
            Row::Event { items, event } => (items, Some(event)),
        };
        let mut first = Value::Null;
        for item in &items {
            let (status, answer) = client.post("api/items/local", item).await?;
            match status {
                201 => {}
                409 if stands_already(client, item).await? => {}
                _ => return Ok(Some(refusal(status, &answer))),
            }
            let Some(circuit) = self.circuit else { continue };
            let push = json!({"local_id": item["local_id"]});
            let (status, answer) = client
                .post(&format!("api/circuits/{circuit}/push-local"), &push)
                .await?;
            if status != 200 && status != 201 {
                return Ok(Some(refusal(status, &answer)));
            }
            if first.is_null() {
                first = answer["dfid"].clone();
            }
        }
        let Some(mut event) = event else { return Ok(None) };
        if let Some(circuit) = self.circuit.filter(|_| !first.is_null()) {
            event["dfid"] = first;
            event["circuit_id"] = json!(circuit);
            event["visibility"] = json!("circuit");
        }
        let (status, answer) = client.post("api/events", &event).await?;
        Ok(match status {
            201 => None,
            // The server knew this id. The same event again is no news; another one under its id would be lost.
            200 if answer["data"] == event["data"] => None,
            200 => Some(format!(
                "another event is stored under the id {}",
                event["client_event_id"]
            )),
            _ => Some(refusal(status, &answer)),
        })
    }

    fn summarise(
        &self,
        out: &mut impl Write,
        total: usize,
        before: usize,
        done: usize,
        errors: &[Value],
    ) -> Result<()> {
        let file = self.file.display().to_string();
        if self.json {
            let new = done - before;
            let summary = json!({"file": file, "rows": total, "done_before": before, "done": new, "failed": total - done, "dry_run": self.dry_run, "errors": errors});
            return Ok(writeln!(out, "{summary}")?);
        }
        for error in errors {
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            writeln!(
                out,
                "{file}: row {}: {} {}",
                error["row"],
                text("field"),
                text("message")
            )?;
        }
        let verb = if self.dry_run { "are sound" } else { "imported" };
        Ok(writeln!(
            out,
            "{file}: {done} of {total} rows {verb} ({before} by an earlier run), {} failed",
            total - done
        )?)
    }
}

/// Whether the server holds this very item under its local id, from an earlier run.
async fn stands_already(client: &mut Client, item: &Value) -> Result<bool> {
    let id = item["local_id"].as_str().unwrap_or_default();
    let (status, stored) = client.get(&format!("api/items/local/{id}")).await?;
    let names = |item: &Value| -> BTreeSet<(String, String)> {
        let list = item["identifiers"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        list.iter()
            .map(|one| (text(one, "key"), text(one, "value")))
            .collect()
    };
    let data = |item: &Value| item["enriched_data"].as_object().cloned().unwrap_or_default();
    Ok(status == 200 && names(item) == names(&stored) && data(item) == data(&stored))
}

/// Rows an earlier run of the same file into the same place has imported.
async fn finished(file: &PathBuf, header: &str) -> BTreeSet<usize> {
    let text = tokio::fs::read_to_string(file).await.unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(header) {
        return BTreeSet::new();
    }
    lines.filter_map(|line| line.parse().ok()).collect()
}

/// Notes a row as imported, so that a later run goes on from here.
async fn remember(file: &PathBuf, header: &str, fresh: bool, row: usize) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if fresh {
        return tokio::fs::write(file, format!("{header}\n{row}\n"))
            .await
            .with_context(cannot);
    }
    let mut open = tokio::fs::OpenOptions::new()
        .append(true)
        .open(file)
        .await
        .with_context(cannot)?;
    open.write_all(format!("{row}\n").as_bytes())
        .await
        .with_context(cannot)?;
    open.flush().await.with_context(cannot)
}
