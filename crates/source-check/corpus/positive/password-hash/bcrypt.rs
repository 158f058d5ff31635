use bcrypt::hash;
async fn f(p: &str) {
    let _ = hash(p, 12); //~ password-hash
}
