async fn f() {
    use std::fs as disk;
    let _ = disk::metadata("x"); //~ blocking-fs
}
