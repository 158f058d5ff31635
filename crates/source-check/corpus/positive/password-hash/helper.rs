fn check(p: &str) -> bool {
    bcrypt::verify(p, "x").unwrap_or(false)
}
async fn login(p: &str) -> bool {
    check(p) //~ password-hash
}
