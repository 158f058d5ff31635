use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn f() {
        *std::sync::Mutex::new(1).lock().unwrap() += 1;
    }
}
