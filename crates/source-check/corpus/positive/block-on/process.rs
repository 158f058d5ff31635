use std::process::Command;
async fn list() -> std::io::Result<Vec<u8>> {
    Command::new("a").status()?; //~ block-on
    let mut child = Command::new("b").arg("c").spawn()?;
    child.wait()?; //~ block-on
    Ok(Command::new("ls").arg("-l").output()?.stdout) //~ block-on
}
