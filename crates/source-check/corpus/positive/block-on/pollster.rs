async fn f() {
    pollster::block_on(async {}) //~ block-on
}
