async fn f() {
    let _ = ureq::get("http://x.test").call(); //~ blocking-client
}
