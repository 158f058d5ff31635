use std::path::Path;
async fn f(p: &Path) -> bool {
    p.exists() //~ blocking-fs
}
