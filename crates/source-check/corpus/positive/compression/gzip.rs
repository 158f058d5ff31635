use flate2::{Compression, write::GzEncoder};
use std::io::Write;
async fn f(d: &[u8]) {
    let mut e = GzEncoder::new(Vec::new(), Compression::default());
    e.write_all(d).unwrap(); //~ compression
    let _ = e.finish(); //~ compression
}
