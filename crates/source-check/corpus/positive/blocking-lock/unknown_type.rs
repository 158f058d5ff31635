async fn f(x: impl Into<String>) {
    let held = make(x);
    held.lock().unwrap().push(1); //~ blocking-lock
}
