use rusqlite::Connection;
async fn f() {
    let _ = Connection::open("x.db"); //~ blocking-client
}
