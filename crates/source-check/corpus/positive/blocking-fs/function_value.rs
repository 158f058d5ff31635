async fn f(p: Option<&str>) {
    let _ = p.map(std::fs::read); //~ blocking-fs
}
