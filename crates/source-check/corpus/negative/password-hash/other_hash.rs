async fn f(p: &[u8]) {
    let _ = sha2::Sha256::digest(p);
}
