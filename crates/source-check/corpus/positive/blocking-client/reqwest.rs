async fn f() {
    let _ = reqwest::blocking::get("http://x.test"); //~ blocking-client
}
