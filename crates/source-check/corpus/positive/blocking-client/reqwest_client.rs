async fn f(c: &reqwest::blocking::Client) {
    let _ = c.get("http://x.test").send(); //~ blocking-client
}
