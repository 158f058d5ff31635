fn f(p: &str) {
    let _ = bcrypt::hash(p, 12);
}
