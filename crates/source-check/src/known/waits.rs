//! What of the standard library waits by blocking: for a process, a channel, a condition, input. Files,
//! sleep and sockets have rules of their own.

use crate::types::Ty;

/// Calling method `name` on a value of type `ty` waits.
pub fn method_waits(ty: &Ty, name: &str) -> bool {
    let names: &[&str] = match &*ty.path {
        "std::process::Command" => &["output", "status"],
        "std::process::Child" => &["wait", "wait_with_output"],
        "std::sync::mpsc::Receiver" => &["recv", "recv_timeout"],
        "std::sync::Barrier" => &["wait"],
        "std::sync::Condvar" | "parking_lot::Condvar" => &[
            "wait",
            "wait_while",
            "wait_timeout",
            "wait_timeout_while",
            "wait_for",
            "wait_until",
        ],
        "std::io::Stdin" | "std::io::StdinLock" => &[
            "read",
            "read_line",
            "read_until",
            "read_exact",
            "read_to_end",
            "read_to_string",
        ],
        _ => return false,
    };
    names.contains(&name)
}

/// The type of what waits, if calling this function by path makes it.
pub fn made_by_path(path: &str) -> Option<Ty> {
    let plain = |path: &str| Ty::new(path, Vec::new());
    match path {
        "std::io::stdin" => Some(plain("std::io::Stdin")),
        "std::sync::mpsc::channel" | "std::sync::mpsc::sync_channel" => {
            let sender = plain("std::sync::mpsc::Sender");
            let receiver = plain("std::sync::mpsc::Receiver");
            Some(Ty::new("(tuple)", vec![sender, receiver]))
        }
        _ => None,
    }
}

/// The type of what waits, if calling method `name` on `ty` makes it.
pub fn made_by_method(ty: &Ty, name: &str) -> Option<Ty> {
    let plain = |path: &str| Ty::new(path, Vec::new());
    match (&*ty.path, name) {
        ("std::io::Stdin", "lock") => Some(plain("std::io::StdinLock")),
        ("std::process::Command", "spawn") => Some(Ty::new("Result", vec![plain("std::process::Child")])),
        // A builder gives itself back.
        ("std::process::Command", "output" | "status") => None,
        ("std::process::Command", _) => Some(ty.clone()),
        _ => None,
    }
}
