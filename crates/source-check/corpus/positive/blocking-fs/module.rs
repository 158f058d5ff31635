use std::fs;
async fn f() {
    fs::write("x", b"y").unwrap(); //~ blocking-fs
}
