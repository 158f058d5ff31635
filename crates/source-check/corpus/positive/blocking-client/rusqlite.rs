async fn f(c: &rusqlite::Connection) {
    c.execute("delete from t", []).ok(); //~ blocking-client
}
