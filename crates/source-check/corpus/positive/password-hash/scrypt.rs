async fn f(p: &[u8], params: &scrypt::Params, out: &mut [u8]) {
    let _ = scrypt::scrypt(p, b"salt", params, out); //~ password-hash
}
