use std::io::Write;
async fn f() {
    let mut out = std::io::stdout().lock();
    out.write_all(b"x").unwrap();
}
