//! What a statement took and gave, told to the meter of its scope and to the observer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::Outcome;
use crate::observer::Observer;
use crate::{DbError, Meter, Row};

/// Measures statements.
pub(crate) struct Probe {
    meter: Meter,
    observer: Arc<dyn Observer>,
}

impl Probe {
    pub fn new(meter: Meter, observer: Arc<dyn Observer>) -> Self {
        Self { meter, observer }
    }

    /// Statements begin; the name is that of the first.
    pub fn begin(&self, name: &'static str, statements: usize) -> Measured<'_> {
        Measured {
            name,
            statements: statements as u64,
            start: Instant::now(),
            waited: self.meter.wait(),
            probe: self,
        }
    }
}

/// Statements under way. Dropped without an end, they are not counted.
pub(crate) struct Measured<'a> {
    probe: &'a Probe,
    name: &'static str,
    statements: u64,
    start: Instant,
    /// What the scope had waited for connections before.
    waited: Duration,
}

impl<'a> Measured<'a> {
    /// The statements ended so.
    pub fn end<T>(self, result: &Result<T, DbError>) -> &'a Meter {
        let Probe { meter, observer } = self.probe;
        let waited = meter.wait().saturating_sub(self.waited);
        let took = self.start.elapsed().saturating_sub(waited);
        meter.add_queries(
            self.name,
            self.statements,
            self.start + waited,
            took,
            result.is_ok(),
        );
        observer.query(self.name, took, result.is_ok());
        meter
    }

    /// A read ended so.
    pub fn rows(self, result: Result<Vec<Row>, DbError>) -> Result<Vec<Row>, DbError> {
        let meter = self.end(&result);
        let rows = result?;
        meter.add_rows(rows.len());
        Ok(rows)
    }

    /// A batch ended so.
    pub fn outcomes(self, result: Result<Vec<Outcome>, DbError>) -> Result<Vec<Outcome>, DbError> {
        let meter = self.end(&result);
        let outcomes = result?;
        meter.add_rows(outcomes.iter().map(Outcome::rows_touched).sum());
        Ok(outcomes)
    }
}
