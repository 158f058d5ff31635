fn load() -> String {
    std::fs::read_to_string("x").unwrap_or_default()
}
async fn f() -> String {
    load() //~ blocking-fs
}
