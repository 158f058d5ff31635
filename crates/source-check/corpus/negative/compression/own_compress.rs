fn compress(n: u64) -> u64 {
    n / 2
}
async fn f() -> u64 {
    compress(4)
}
