async fn f(p: &[u8], out: &mut [u8]) {
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(p, b"salt", 600_000, out); //~ password-hash
}
