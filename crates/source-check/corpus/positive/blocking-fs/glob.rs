use std::fs::*;
async fn f() {
    let _ = read_to_string("x"); //~ blocking-fs
}
