//! A small fast HTTP server to measure generators against: `target [PORT] [stall]`. Answers every request without a body with 200 and
//! a short JSON body; with `stall` it stands still in the last second of every ten, so that the truth is known.
//! `/count` tells how many it has answered, itself not counted: what a generator claims can be compared.

#![allow(clippy::unwrap_used, reason = "an example that cannot go on may stop")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// It says that the connection stays open, because `ab` asks as HTTP/1.0 does and waits for the end else.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\
    Connection: keep-alive\r\n\r\n{\"ok\":true,\"items\":[1,2,3]}";

/// Answers written so far.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(0, |port| port.parse().unwrap());
    let stall = arguments.next().is_some_and(|word| word == "stall");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let start = Instant::now();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, stall.then_some(start)));
    }
}

async fn serve(mut stream: TcpStream, stalls_from: Option<Instant>) {
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    // A socket without this option only answers later.
    let _ = stream.set_nodelay(true);
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => filled += read,
        }
        if !buffer[..filled].ends_with(b"\r\n\r\n") {
            if filled == buffer.len() {
                return;
            }
            continue;
        }
        filled = 0;
        if buffer.starts_with(b"GET /count ") {
            let count = ANSWERED.load(Ordering::Relaxed).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{count}",
                count.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            return;
        }
        if let Some(start) = stalls_from {
            let within = start.elapsed().as_micros() as u64 % 10_000_000;
            if within >= 9_000_000 {
                tokio::time::sleep(Duration::from_micros(10_000_000 - within)).await;
            }
        }
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
        ANSWERED.fetch_add(1, Ordering::Relaxed);
    }
}
