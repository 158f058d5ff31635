async fn f() -> &'static str {
    // a.lock().unwrap() in a comment
    "state.lock().unwrap()"
}
