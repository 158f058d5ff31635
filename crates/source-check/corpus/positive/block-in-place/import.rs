use tokio::task::block_in_place;
async fn f() {
    block_in_place(|| 1); //~ block-in-place
}
