fn main() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {});
}
