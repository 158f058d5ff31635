use argon2::{Argon2, PasswordVerifier};
struct App {
    hasher: Argon2<'static>,
}
async fn f(a: &App, p: &[u8], hash: &str) {
    a.hasher.verify_password(p, hash).ok(); //~ password-hash
}
