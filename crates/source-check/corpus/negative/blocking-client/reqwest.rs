async fn f() {
    let _ = reqwest::get("http://x.test").await;
}
