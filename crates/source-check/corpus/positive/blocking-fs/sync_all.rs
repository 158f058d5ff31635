use std::fs::{File, OpenOptions};
async fn save() -> std::io::Result<()> {
    let file = OpenOptions::new().append(true).open("a")?; //~ blocking-fs
    file.sync_all()?; //~ blocking-fs
    let other = File::create("b")?; //~ blocking-fs
    other.sync_data() //~ blocking-fs
}
