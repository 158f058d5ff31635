//! Running a scenario for one virtual user.

mod answer;
mod asserts;
mod body;
mod captures;
mod cookies;
mod dates;
mod entry;
mod exchange;
mod failure;
mod filter;
mod options;
mod predicate;
mod query;
mod request;
mod template;
mod transport;
mod variables;
mod websocket;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::future::BoxFuture;

use crate::outcome::{EntryOutcome, Observer, Outcome};
use crate::scenario::Scenario;
use crate::settings::Settings;
use crate::value::Value;
use cookies::Jar;
use options::Options;
use request::Origin;
use transport::Pool;
use variables::Variables;

/// One virtual user: its cookies, its variables, its open connections.
pub struct User {
    settings: Arc<Settings>,
    variables: Variables,
    jar: Jar,
    pool: Pool,
    /// The options of an entry that sets none.
    base: Arc<Options>,
    /// Where the first request went: most others go there too, and need not read it again.
    origin: OnceLock<Origin>,
}

impl User {
    /// A user with an empty cookie jar and the variables of the settings. Connects to nothing yet.
    pub fn new(settings: Arc<Settings>) -> User {
        let variables = Variables::new(&settings);
        let base = Arc::new(Options::from_settings(&settings));
        User {
            variables,
            jar: Jar::default(),
            pool: Pool::default(),
            base,
            origin: OnceLock::new(),
            settings,
        }
    }

    /// Sets a variable, for this user only.
    pub fn set_variable(&mut self, name: &str, value: Value) {
        self.variables.set(name, value);
    }

    /// Sets a variable whose value is redacted in everything that is reported.
    pub fn set_secret(&mut self, name: &str, value: &str) {
        self.variables.set_secret(name, value);
    }

    /// The variable's value, captured or set.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }

    /// Forgets cookies, captured variables and connections: as new.
    pub fn reset(&mut self) {
        self.variables = Variables::new(&self.settings);
        self.jar = Jar::default();
        self.pool = Pool::default();
    }

    /// The text with every secret of this user replaced by `***`.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.variables.redact(text)
    }

    /// Runs all entries in order. Dropping the future stops the run; the user can be used again.
    pub fn run<'a>(
        &'a mut self,
        scenario: &'a Scenario,
        seen: &'a mut dyn Observer,
    ) -> BoxFuture<'a, Outcome> {
        // On the heap, so that a run is compiled here and not in every crate that awaits one.
        Box::pin(self.ran(scenario, seen))
    }

    async fn ran(&mut self, scenario: &Scenario, seen: &mut dyn Observer) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome {
            ok: true,
            ..Outcome::default()
        };
        for index in 0..scenario.entries().len() {
            let rows = self.run_entry(scenario, index, seen).await;
            let ok = ended_well(&rows);
            outcome.ok &= ok;
            outcome.entries.extend(rows);
            if !ok && !self.settings.continue_on_error {
                break;
            }
        }
        outcome.duration = start.elapsed();
        outcome
    }

    /// Runs one entry, with the variables and cookies as they are. One row per try, and per repetition.
    ///
    /// # Panics
    /// If the scenario has no entry of that index.
    pub async fn run_entry(
        &mut self,
        scenario: &Scenario,
        index: usize,
        seen: &mut dyn Observer,
    ) -> Vec<EntryOutcome> {
        entry::Entry { scenario, index }.run(self, seen).await
    }
}

/// Whether the last try of every repetition held.
fn ended_well(rows: &[EntryOutcome]) -> bool {
    rows.iter().enumerate().all(|(i, row)| {
        let retried = rows.get(i + 1).is_some_and(|next| next.attempt > row.attempt);
        retried || row.ok()
    })
}
