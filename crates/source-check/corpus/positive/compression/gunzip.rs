use std::io::Read;
async fn f(d: &[u8], out: &mut String) {
    flate2::read::GzDecoder::new(d).read_to_string(out).ok(); //~ compression
}
