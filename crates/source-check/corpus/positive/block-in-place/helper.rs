fn work() {
    tokio::task::block_in_place(|| std::fs::read("x").ok());
}
async fn f() {
    work(); //~ block-in-place
}
