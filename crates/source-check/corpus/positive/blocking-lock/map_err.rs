use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) -> Result<u64, String> {
    let n = a.n.lock().map_err(|error| error.to_string())?; //~ blocking-lock
    Ok(*n)
}
