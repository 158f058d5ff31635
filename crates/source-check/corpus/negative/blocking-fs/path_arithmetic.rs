use std::path::PathBuf;
async fn f(p: PathBuf) -> PathBuf {
    p.join("x").with_extension("y")
}
