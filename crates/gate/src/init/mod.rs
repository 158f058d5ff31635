//! First scenarios and a `gate.toml` from an OpenAPI document. Pure: what is written where, and whether a service is
//! asked, is decided by the caller.

mod credentials;
mod document;
mod example;
mod operations;

use crate::setup::SetupError;
use credentials::Credentials;
pub use document::BadDocument;
use document::Document;

/// A file to write, by its path relative to the folder of `gate.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Relative path.
    pub path: String,
    /// Content.
    pub text: String,
}

/// What is written for a service.
#[derive(Clone, Debug)]
pub struct First {
    /// Scenarios, in the order in which they are run.
    pub drafts: Vec<Draft>,
    /// Name of the service.
    pub title: String,
    /// Its base URL.
    pub url: String,
}

/// A scenario on its way: entries that can still be taken out.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Name of the file, without folder and ending.
    pub name: String,
    /// The first comment.
    pub intro: String,
    /// Entries that make an account and log in; empty if nobody needs to.
    pub login: Vec<String>,
    /// The other entries.
    pub steps: Vec<String>,
    /// Whether each step stands for itself; else each needs those before it.
    pub independent: bool,
    /// What is not covered, as comments at the end.
    pub left_out: Vec<String>,
}

/// What a trial of a draft showed: the steps that did not run as documented, and why.
pub type Trial = Vec<(usize, String)>;

impl Draft {
    /// The scenario as a Hurl file.
    pub fn text(&self) -> String {
        let mut text = format!("# {}\n", self.intro);
        for entry in self.login.iter().chain(&self.steps) {
            text += "\n";
            text += entry;
        }
        if !self.left_out.is_empty() {
            text += "\n# Not covered yet:\n";
            text.extend(
                self.left_out
                    .iter()
                    .map(|what| format!("#   {}\n", what.replace('\n', " "))),
            );
        }
        text
    }

    /// Takes out what did not run as documented, and says so; of steps that need each other, all.
    pub fn without(mut self, trial: &Trial) -> Self {
        let name = |step: &str| {
            step.lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("# @name ")
                .to_owned()
        };
        for (index, why) in trial.iter().rev() {
            let step = match self.independent {
                true => name(&self.steps.remove(*index)),
                false => self
                    .steps
                    .get(*index)
                    .map_or_else(|| "login".to_owned(), |step| name(step)),
            };
            self.left_out.push(format!("{step}: tried, and {why}"));
        }
        if !self.independent && !trial.is_empty() {
            self.steps.clear();
        }
        self
    }
}

impl First {
    /// Reads a document.
    ///
    /// Open operations must answer with their documented success; secured ones must refuse a caller without
    /// credentials. What can be made is made, read, listed and deleted again. Whatever is not covered is listed in the
    /// scenarios as comments, so that nobody takes it for tested.
    ///
    /// # Errors
    /// If the text is no OpenAPI document in JSON or YAML, or offers nothing to begin with.
    pub fn read(document: &str, url: &str) -> Result<Self, BadDocument> {
        let document = Document::read(document)?;
        let credentials = Credentials::find(&document);
        let drafts = operations::drafts(&document, credentials.as_ref());
        if drafts.iter().all(|draft| draft.steps.is_empty()) {
            return Err(BadDocument::NothingToCall);
        }
        Ok(Self {
            title: document.title().to_owned(),
            url: based(url, &document.base_path()),
            drafts,
        })
    }

    /// The files: a scenario for each draft that has steps, and the gate.toml that runs them. What was left out of a
    /// draft without steps moves to the first one.
    ///
    /// # Errors
    /// If a scenario cannot be read by ourselves, which is a fault of this tool and not of the document.
    pub fn files(&self) -> Result<Vec<NewFile>, SetupError> {
        let (mut kept, empty): (Vec<Draft>, Vec<Draft>) = self
            .drafts
            .iter()
            .cloned()
            .partition(|draft| !draft.steps.is_empty());
        if let Some(first) = kept.first_mut() {
            first
                .left_out
                .extend(empty.into_iter().flat_map(|draft| draft.left_out));
        }
        let mut files = Vec::new();
        for draft in &kept {
            let (path, text) = (format!("scenarios/{}.hurl", draft.name), draft.text());
            scenario::parse(&path, &text).map_err(|why| SetupError(why.to_string()))?;
            files.push(NewFile { path, text });
        }
        let open = kept
            .iter()
            .find(|draft| draft.login.is_empty() && draft.independent);
        files.push(NewFile {
            path: "gate.toml".to_owned(),
            text: config(
                &self.title,
                &self.url,
                open.or(kept.first()).map_or("", |d| d.name.as_str()),
            ),
        });
        Ok(files)
    }
}

/// The base URL with the document's own path; one that has a path already is the caller's word.
fn based(url: &str, path: &str) -> String {
    let host = url
        .split_once("://")
        .map_or(url, |(_, host)| host)
        .trim_end_matches('/');
    if host.contains('/') {
        return url.to_owned();
    }
    format!("{}{path}", url.trim_end_matches('/'))
}

fn config(title: &str, url: &str, loaded: &str) -> String {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        r#"# Run with: farmgate gate gate.toml
name = {}
url = {}
report = ["gate-report.html", "gate-report.json"]

[smoke]
files = ["scenarios"]

# Begins with what needs no login; add the journeys of your users.
[load]
files = [{}]
thresholds = ["error_rate < 0.1%", "p95 < 500ms", "p99 < 1s"]

[load.shape]
rate = 20
duration = "20s"

# Figures of the server make thresholds such as "server.memory < 80%" possible:
# [server]
# metrics_url = "http://localhost:9090/metrics"
"#,
        quote(title),
        quote(url),
        quote(&format!("scenarios/{loaded}.hurl"))
    )
}

#[cfg(test)]
mod tests;
