async fn f(c: &mut postgres::Client) {
    let _ = c.query("select 1", &[]); //~ blocking-client
}
