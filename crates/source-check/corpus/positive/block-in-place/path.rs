async fn f() {
    tokio::task::block_in_place(|| 1); //~ block-in-place
}
