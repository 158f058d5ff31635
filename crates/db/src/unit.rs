//! Units of work: statements that are done together or not at all.

use crate::connection::{Answer, Outcome};
use crate::postgres::PostgresTx;
use crate::probe::Probe;
use crate::sqlite::SqliteTx;
use crate::{DbError, Engine, Read, Row, Sql, Step, Value};

pub(crate) enum Unit {
    Sqlite(SqliteTx),
    Postgres(Box<PostgresTx>),
}

/// A unit of work. Dropped without [`commit`](Self::commit), it is rolled back.
///
/// After a statement failed, on either engine, the unit only answers [`DbError::UnitOver`].
pub struct Tx {
    unit: Unit,
    engine: Engine,
    probe: Probe,
}

impl Tx {
    pub(crate) const fn new(unit: Unit, engine: Engine, probe: Probe) -> Self {
        Self { unit, engine, probe }
    }

    /// Which engine this is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// All rows of the result.
    ///
    /// # Errors
    /// What the statement did; the unit is over then.
    pub async fn all(&self, sql: &'static Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        Ok(self.step(sql, args).await?.rows)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn optional(&self, sql: &'static Sql, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The first row.
    ///
    /// # Errors
    /// As [`all`](Self::all), and [`DbError::NotFound`] if there is none; that does not end the unit.
    pub async fn one(&self, sql: &'static Sql, args: Vec<Value>) -> Result<Row, DbError> {
        self.optional(sql, args).await?.ok_or(DbError::NotFound)
    }

    /// Runs a statement. Returns the affected rows.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn execute(&self, sql: &'static Sql, args: Vec<Value>) -> Result<u64, DbError> {
        Ok(self.step(sql, args).await?.affected)
    }

    /// Runs statements that do not need each other's results, in order, in one round trip. Returns the affected
    /// rows of each.
    ///
    /// # Errors
    /// The error of the first that failed; the unit is over then.
    pub async fn pipeline(&self, steps: Vec<Step>) -> Result<Vec<u64>, DbError> {
        Ok(self.steps(steps).await?.into_iter().map(|o| o.affected).collect())
    }

    /// Runs reading statements that do not need each other's results, in one round trip. Returns the rows of each.
    ///
    /// # Errors
    /// The error of the first that failed; the unit is over then.
    pub async fn rows(&self, steps: Vec<Step>) -> Result<Vec<Vec<Row>>, DbError> {
        Ok(self.steps(steps).await?.into_iter().map(|o| o.rows).collect())
    }

    async fn step(&self, sql: &'static Sql, args: Vec<Value>) -> Result<Outcome, DbError> {
        let outcomes = self.steps(vec![(sql, args)]).await?;
        Ok(outcomes.into_iter().next().unwrap_or_default())
    }

    fn steps(&self, steps: Vec<Step>) -> Answer<'_, Vec<Outcome>> {
        Box::pin(async move {
            let Some((first, _)) = steps.first() else {
                return Ok(Vec::new());
            };
            let measured = self.probe.begin(first.name, steps.len());
            let result = match &self.unit {
                Unit::Sqlite(unit) => unit.steps(steps).await,
                Unit::Postgres(unit) => unit.steps(steps).await,
            };
            measured.outcomes(result)
        })
    }

    /// Commits. When this returns `Ok`, the unit's changes are durable.
    ///
    /// # Errors
    /// [`DbError::UnitOver`] if a statement failed before; otherwise why the commit failed. Nothing was changed,
    /// unless the error is [`DbError::Unconfirmed`]: no answer came and the outcome is unknown.
    pub async fn commit(self) -> Result<(), DbError> {
        self.committed().await
    }

    fn committed(self) -> Answer<'static, ()> {
        Box::pin(async move {
            let measured = self.probe.begin("db.commit", 0);
            let result = match self.unit {
                Unit::Sqlite(unit) => unit.commit().await,
                Unit::Postgres(unit) => unit.commit().await,
            };
            measured.end(&result);
            result
        })
    }

    /// Runs the steps of several parts that do not need each other and commits: on PostgreSQL all of it in one round
    /// trip, and parts of the same statements side by side, which makes each much cheaper.
    ///
    /// # Errors
    /// The error of the first step that failed, and nothing was changed; else as [`commit`](Self::commit).
    pub async fn commit_with(self, parts: Vec<Vec<Step>>) -> Result<(), DbError> {
        self.parts_committed(parts).await
    }

    fn parts_committed(self, parts: Vec<Vec<Step>>) -> Answer<'static, ()> {
        Box::pin(async move {
            let lengths: Vec<_> = parts.iter().map(Vec::len).collect();
            let steps: Vec<Step> = parts.into_iter().flatten().collect();
            let Some((first, _)) = steps.first() else {
                return self.commit().await;
            };
            let measured = self.probe.begin(first.name, steps.len());
            let result = match self.unit {
                Unit::Sqlite(unit) => unit.commit_with(steps).await,
                Unit::Postgres(unit) => unit.commit_with(steps, &lengths).await,
            };
            measured.outcomes(result).map(drop)
        })
    }

    /// Rolls back and waits until that is done; dropping does the same without waiting.
    pub async fn rollback(self) {
        match self.unit {
            Unit::Sqlite(unit) => unit.rollback().await,
            Unit::Postgres(unit) => unit.rollback().await,
        }
    }
}

impl Read for Tx {
    async fn all(&self, sql: &'static Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        Self::all(self, sql, args).await
    }
}
