//! What several test binaries need.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// A server that answers 200 with JSON to all but `/broken`, one request a connection, and tells of itself at
/// `/metrics`; returns its base URL.
pub fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut head = [0; 8192];
                let read = stream.read(&mut head).unwrap_or(0);
                let (status, body) = match &head[..read] {
                    head if head.starts_with(b"GET /broken") => (500, "{}".to_owned()),
                    head if head.starts_with(b"GET /metrics") => (200, figures(number)),
                    _ => (200, "{}".to_owned()),
                };
                let length = body.len();
                // The client may be gone already; the server of a test does not care.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            });
        }
    });
    url
}

/// A millisecond of processor for each request so far, and a memory that stays.
fn figures(requests: usize) -> String {
    let seconds = requests as f64 / 1000.0;
    format!("process_cpu_seconds_total {seconds}\nprocess_resident_memory_bytes 50000000\n")
}
