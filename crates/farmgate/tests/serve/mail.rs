//! Mail that the server sends.

use std::io::{BufRead as _, BufReader, Write as _};

use rustix::process::Signal;

use crate::served::{BODY, PATIENCE, Served, exchange};

/// A mail server that takes one mail and tells what it heard.
fn mail_server() -> (u16, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"220 mail.example\r\n").unwrap();
        let (mut all, mut letter) = (String::new(), false);
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            letter = (letter || line == "DATA") && line != ".";
            let answer = match line.as_str() {
                "DATA" => "354 go on\r\n",
                _ if letter => "",
                _ => "250 yes\r\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
            all.push_str(&line);
            all.push('\n');
            if line == "." {
                break;
            }
        }
        all
    });
    (port, heard)
}

#[test]
fn a_forgotten_password_is_mailed_as_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let (port, heard) = mail_server();
    let port = port.to_string();
    let environment = [
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", port.as_str()),
        ("SMTP_TLS", "none"),
        ("MAIL_FROM", "noreply@farm.example"),
        ("PUBLIC_URL", "https://farm.example"),
    ];
    let served = Served::start(folder.path(), &environment, &[]);
    let post = |path: &str, body: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange(served.connect("url").unwrap(), &request)
    };
    assert!(post("/api/auth/register", BODY).starts_with("HTTP/1.1 201"));
    let asked = post("/api/auth/password-reset", r#"{"email":"ana@example.org"}"#);
    assert!(asked.starts_with("HTTP/1.1 202"), "{asked}");
    let heard = heard.join().unwrap();
    assert!(heard.contains("RCPT TO:<ana@example.org>"), "{heard}");
    let token = heard
        .lines()
        .find(|line| line.len() == 43 && !line.contains(' '))
        .unwrap();
    let body = format!(r#"{{"token":"{token}","password":"another good secret"}}"#);
    let confirmed = post("/api/auth/password-reset/confirm", &body);
    assert!(confirmed.starts_with("HTTP/1.1 204"), "{confirmed}");
    served.signal(Signal::TERM);
    let (_, log) = served.end();
    assert!(log.contains("`mail.tls` is none"), "{log}");
    assert!(!log.contains(token), "the log holds the token");
}
