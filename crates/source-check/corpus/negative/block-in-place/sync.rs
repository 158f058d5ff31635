fn f() {
    tokio::task::block_in_place(|| 1);
}
