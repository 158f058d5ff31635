fn block_on() {}
async fn f() {
    block_on();
}
