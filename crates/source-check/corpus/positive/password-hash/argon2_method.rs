use argon2::{Argon2, PasswordHasher};
async fn f(p: &[u8], salt: &str) {
    let _ = Argon2::default().hash_password(p, salt); //~ password-hash
}
