async fn f() {
    let _ = tokio::task::block_in_place(|| std::fs::read("x")); //~ block-in-place
}
