use std::fs::File;
use std::io::Write;
async fn f() -> std::io::Result<()> {
    let mut file = File::create("x")?; //~ blocking-fs
    file.write_all(b"y")?; //~ blocking-fs
    file.sync_all() //~ blocking-fs
}
