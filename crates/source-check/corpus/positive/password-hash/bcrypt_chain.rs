async fn f(p: &str) -> Result<bool, String> {
    bcrypt::verify(p, "x").map_err(|error| error.to_string()) //~ password-hash
}
