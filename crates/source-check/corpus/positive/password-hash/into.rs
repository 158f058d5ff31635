async fn f(a: argon2::Argon2<'_>, p: &[u8], salt: &[u8], out: &mut [u8]) {
    let _ = a.hash_password_into(p, salt, out); //~ password-hash
}
