fn f(c: &rusqlite::Connection) {
    let _ = c.execute("delete from t", []);
}
