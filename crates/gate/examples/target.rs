//! A small fast HTTP server to measure generators against: `target [PORT] [stall]`. Answers every request without a body with 200 and
//! a short JSON body; with `stall` it stands still in the last second of every ten, so that the truth is known.
//! `/count` tells how many it has answered, itself not counted: what a generator claims can be compared. `/waited` tells
//! how long those of a stalling server waited from their arrival to the writing of their answer, in ms, and forgets it.

#![allow(clippy::unwrap_used, reason = "an example that cannot go on may stop")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Notify;

/// It says that the connection stays open, because `ab` asks as HTTP/1.0 does and waits for the end else.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\
    Connection: keep-alive\r\n\r\n{\"ok\":true,\"items\":[1,2,3]}";

/// Answers written so far.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// How many requests of a stalling server waited how long, in tenths of a millisecond; the last place is for all longer.
static WAITED: [AtomicU64; 20_000] = [const { AtomicU64::new(0) }; 20_000];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(0, |port| port.parse().unwrap());
    let stall = arguments.next().is_some_and(|word| word == "stall");
    // After a stall all that came meanwhile is answered at once. On one thread that leaves the other core to the
    // generator: on two, the answers waited for each other's processor time, and the truth was not the schedule's.
    let mut runtime = if stall {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    runtime
        .enable_all()
        .build()
        .unwrap()
        .block_on(listen(port, stall));
}

async fn listen(port: u16, stall: bool) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let stalls = stall.then(Stalls::begin);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, stalls.clone()));
    }
}

/// The server's standstills. What came meanwhile is answered in the order it came, as by a lock that was held:
/// timers of their own would end the other way round, and add the time of all answers to the longest wait.
#[derive(Clone)]
struct Stalls {
    start: Instant,
    over: Arc<Notify>,
}

impl Stalls {
    const PERIOD: Duration = Duration::from_secs(10);
    const MOVING: Duration = Duration::from_secs(9);

    fn begin() -> Self {
        let stalls = Self {
            start: Instant::now(),
            over: Arc::default(),
        };
        tokio::spawn(stalls.clone().end_each());
        stalls
    }

    async fn end_each(self) {
        // A timer of the runtime is up to two milliseconds late, and all that waits would be as late.
        const TIMER: Duration = Duration::from_millis(3);
        let mut end = self.start;
        loop {
            end += Self::PERIOD;
            tokio::time::sleep_until((end - TIMER).into()).await;
            while Instant::now() < end {
                tokio::task::yield_now().await;
            }
            self.over.notify_waiters();
        }
    }

    async fn pass(&self) {
        let within = self.start.elapsed().as_micros() % Self::PERIOD.as_micros();
        if within >= Self::MOVING.as_micros() {
            self.over.notified().await;
        }
    }
}

async fn serve(mut stream: TcpStream, stalls: Option<Stalls>) {
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
            return tell(&mut stream, &ANSWERED.load(Ordering::Relaxed).to_string()).await;
        }
        if buffer.starts_with(b"GET /waited ") {
            return tell(&mut stream, &waited()).await;
        }
        let arrived = Instant::now();
        if let Some(stalls) = &stalls {
            stalls.pass().await;
        }
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
        ANSWERED.fetch_add(1, Ordering::Relaxed);
        if stalls.is_some() {
            let tenths = arrived.elapsed().as_micros() as usize / 100;
            WAITED[tenths.min(WAITED.len() - 1)].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Answers once and closes.
async fn tell(stream: &mut TcpStream, text: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn waited() -> String {
    let counts: Vec<u64> = WAITED
        .iter()
        .map(|count| count.swap(0, Ordering::Relaxed))
        .collect();
    let all: u64 = counts.iter().sum();
    let share = |thousandth: u64| {
        let mut below = 0;
        let place = counts.iter().position(|count| {
            below += count;
            below * 1000 > all * thousandth
        });
        place.map_or(0.0, |tenths| tenths as f64 / 10.0)
    };
    format!(
        r#"{{"p95":{},"p99":{},"p999":{}}}"#,
        share(950),
        share(990),
        share(999)
    )
}
