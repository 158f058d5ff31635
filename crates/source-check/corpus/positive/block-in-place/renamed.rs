use tokio::task::block_in_place as here;
async fn f() {
    here(|| 1); //~ block-in-place
}
