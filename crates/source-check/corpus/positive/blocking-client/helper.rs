fn count(c: &rusqlite::Connection) -> u64 {
    c.query_row("select 1", [], |row| row.get(0)).unwrap_or(0)
}
async fn f(c: &rusqlite::Connection) -> u64 {
    count(c) //~ blocking-client
}
