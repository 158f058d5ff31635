fn wait(rt: &tokio::runtime::Runtime) {
    rt.block_on(async {})
}
async fn f(rt: &tokio::runtime::Runtime) {
    wait(rt); //~ block-on
}
