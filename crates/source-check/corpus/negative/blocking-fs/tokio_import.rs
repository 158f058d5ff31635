use tokio::fs;
async fn f() {
    let _ = fs::read("x").await;
}
