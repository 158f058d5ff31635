async fn f(pool: deadpool_sqlite::Object) {
    let _ = pool.interact(|c| c.execute("delete from t", [])).await;
}
