use axum::extract::State;
use std::sync::{Arc, Mutex};
struct App {
    n: Mutex<u64>,
}
async fn f(State(app): State<Arc<App>>) {
    *app.n.lock().unwrap() += 1; //~ blocking-lock
}
