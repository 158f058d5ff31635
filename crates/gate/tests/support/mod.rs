//! Small servers for tests: each answers one way, on a port of its own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses a part; a test may panic"
)]

pub mod shop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What to answer to a request head, and how long to wait before.
pub type Handler = Arc<dyn Fn(&str, Instant) -> (Duration, String) + Send + Sync>;

/// An answer with this status and body.
pub fn answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Starts a server on a runtime of its own; returns its base URL. It lives as long as the test process.
pub fn serve(handler: impl Fn(&str, Instant) -> (Duration, String) + Send + Sync + 'static) -> String {
    let handler: Handler = Arc::new(handler);
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let handler = handler.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    let mut filled = 0;
                    loop {
                        match stream.read(&mut buffer[filled..]).await {
                            Ok(0) | Err(_) => return,
                            Ok(read) => filled += read,
                        }
                        let Some(length) = whole(&buffer[..filled]) else {
                            continue;
                        };
                        let head = String::from_utf8_lossy(&buffer[..length]).into_owned();
                        filled = 0;
                        let (wait, answer) = handler(&head, Instant::now());
                        if !wait.is_zero() {
                            tokio::time::sleep(wait).await;
                        }
                        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    format!("http://{}", receive.recv().unwrap())
}

/// Length of the request if all of it, body included, is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes);
    let end = text.find("\r\n\r\n")? + 4;
    let length = text.lines().find_map(|l| {
        l.to_lowercase()
            .strip_prefix("content-length:")
            .map(|v| v.trim().parse().unwrap_or(0))
    });
    let total = end + length.unwrap_or(0usize);
    (bytes.len() >= total).then_some(total)
}
