async fn f() -> Result<String, std::io::Error> {
    let text = std::fs::read_to_string("x")?.trim().to_owned(); //~ blocking-fs
    Ok(text)
}
