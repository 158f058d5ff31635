fn block_in_place(n: u64) -> u64 {
    n
}
async fn f() {
    block_in_place(1);
}
