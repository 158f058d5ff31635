//! The statements behind what these tests ask for.

use db::{DbError, Engine, Scope, Value as Bound};

use crate::fixture::Service;

pub async fn every_statement_is_understood(engine: Engine) {
    let service = Service::start(engine).await;
    let lists = [
        store::activities::STATEMENTS,
        store::audit::STATEMENTS,
        store::event_queries::STATEMENTS,
        store::events::STATEMENTS,
        store::idempotency::STATEMENTS,
        store::incidents::STATEMENTS,
        store::jobs::STATEMENTS,
        store::live::STATEMENTS,
        store::local_events::STATEMENTS,
        store::outbox::STATEMENTS,
        store::records::STATEMENTS,
        store::rights::STATEMENTS,
    ];
    for sql in lists.into_iter().flatten().copied() {
        let text = sql.source(engine);
        let arguments = (1..=30)
            .rev()
            .find(|n| text.contains(&format!("${n}")))
            .unwrap_or(0);
        let tx = service.db.begin(&Scope::system()).await.unwrap();
        let outcome = tx.all(sql, vec![Bound::Null; arguments]).await;
        tx.rollback().await;
        // Nulls break constraints, and may; a statement that is not understood is another error.
        if let Err(error @ (DbError::Other { .. } | DbError::Denied { .. })) = outcome {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            // SQLite has understood `limit $1` when it refuses a null there.
            let understood = source.as_deref() == Some("datatype mismatch") && engine == Engine::Sqlite;
            assert!(understood, "{}: {error}: {source:?}", sql.name);
        }
    }
}
