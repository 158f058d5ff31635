//! PostgreSQL keeps a statement's first plan: it must be the right one when the tables have grown since.

use db::{Db, Engine, Scope, Sql, Tx, Value, args};

use crate::{database, workspace};

/// Rows of the workspace when it has grown.
const MANY: i64 = 5_000;

db::statements! {
    FILL = "test.fill", "insert into things (workspace_id, id, code) select $1, n, n::text from generate_series($2::bigint, $3::bigint) n";
    PAIRS = "test.pairs", "
        select t.id from unnest($1::uuid[], $2::bigint[]) as k (w, i)
          join things t on t.workspace_id = k.w and t.id = k.i
         order by t.id
           for update of t";
    PAGE = "test.page", "select id from things where workspace_id = $1 and id > $2 and (cast($3 as text) is null or code = $3) order by id limit $4";
    CHANGE = "test.change", "
        update things set code = code || 'x' from unnest($1::uuid[], $2::bigint[]) as k (w, i)
         where things.workspace_id = k.w and things.id = k.i";
    // What this transaction has read so far.
    ROWS_READ = "test.rows_read", "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as n from pg_stat_xact_user_tables where relname = 'things'";
}

async fn rows_read(tx: &Tx) -> i64 {
    tx.all(ROWS_READ, args![]).await.unwrap()[0].get("n").unwrap()
}

/// Rows that a statement reads, and rows that it gives or changes.
async fn cost(db: &Db, scope: &Scope, sql: &'static Sql, args: Vec<Value>) -> i64 {
    let tx = db.begin(scope).await.unwrap();
    tx.all(sql, args).await.unwrap();
    let read = rows_read(&tx).await;
    tx.commit().await.unwrap();
    read
}

#[tokio::test]
async fn a_plan_made_on_empty_tables_reads_what_it_gives_on_full_ones() {
    let mut place = database(Engine::Postgres).await;
    // One connection, so that it is the one with the kept plans.
    if let db::Target::Postgres(target) = &mut place.config.target {
        target.app_pool = 1;
    }
    let db = place.open().await;
    let (id, scope) = workspace(1);
    let pairs = || args![vec![id; 3], vec![7_i64, 70, 4_999]];
    let page = || args![id, 2_000_i64, None::<String>, 20_i64];
    for (sql, args) in [(PAIRS, pairs()), (CHANGE, pairs()), (PAGE, page())] {
        assert_eq!(cost(&db, &scope, sql, args).await, 0, "{}", sql.name);
    }
    db.execute(&scope, FILL, args![id, 1_i64, MANY]).await.unwrap();
    for (sql, args, given) in [(PAIRS, pairs(), 3), (CHANGE, pairs(), 3), (PAGE, page(), 20)] {
        let read = cost(&db, &scope, sql, args).await;
        // A page looks one further; a row that is locked or changed is fetched again.
        assert!(
            read >= given && read <= 2 * given + 1,
            "{}: {read} rows read",
            sql.name
        );
    }
}
