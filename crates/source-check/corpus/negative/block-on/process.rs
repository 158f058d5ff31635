use tokio::process::Command;
async fn list() -> std::io::Result<Vec<u8>> {
    let mut child = Command::new("b").arg("c").spawn()?;
    child.wait().await?;
    Ok(Command::new("ls").arg("-l").output().await?.stdout)
}
fn blocking() -> std::io::Result<Vec<u8>> {
    Ok(std::process::Command::new("ls").output()?.stdout)
}
