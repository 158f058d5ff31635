use futures::executor::block_on;
async fn f() {
    block_on(async {}); //~ block-on
}
