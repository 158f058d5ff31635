use tokio::sync::RwLock;
async fn f(n: &RwLock<u64>, pool: &sqlx::PgPool) {
    let n = n.write().await; //~ lock-across-io
    let _ = sqlx::query("select 1").bind(*n).fetch_one(pool).await;
}
