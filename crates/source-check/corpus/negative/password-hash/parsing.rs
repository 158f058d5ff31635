async fn f(stored: &str) {
    let _ = argon2::PasswordHash::new(stored);
}
