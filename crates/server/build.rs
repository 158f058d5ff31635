//! Passes the commit, the time of the build and the compiler's version on to `/version`.
//!
//! `GIT_HASH` and `BUILD_TIME` come from the build's environment; without them the answer says `unknown`.

use std::process::Command;

#[allow(
    clippy::disallowed_methods,
    reason = "a build script's only input is its environment"
)]
fn main() {
    for name in ["GIT_HASH", "BUILD_TIME"] {
        println!("cargo:rerun-if-env-changed={name}");
        let value = std::env::var(name).unwrap_or_else(|_| "unknown".to_owned());
        println!("cargo:rustc-env=FARMGATE_{name}={value}");
    }
    println!("cargo:rustc-env=FARMGATE_RUSTC={}", rustc_version());
    println!("cargo:rerun-if-changed=build.rs");
}

#[allow(
    clippy::disallowed_methods,
    reason = "cargo names the compiler in the environment"
)]
fn rustc_version() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("--version").output();
    output
        .ok()
        .and_then(|out| String::from_utf8(out.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
