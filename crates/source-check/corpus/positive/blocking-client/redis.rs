async fn f(c: &redis::Client) {
    let _ = c.get_connection(); //~ blocking-client
}
