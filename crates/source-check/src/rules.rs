//! The rules: their names, and the one place where each is explained. Reports, `--explain` and `docs/check.md` quote it.

use serde::{Serialize, Serializer};

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A blocking guard is alive across an `.await`.
    GuardAcrossAwait,
    /// A blocking lock is taken in async code.
    BlockingLock,
    /// One lock around a whole store in shared state.
    SharedStoreLock,
    /// Something is waited for by blocking, in async code.
    BlockOn,
    /// `block_in_place` in async code.
    BlockInPlace,
    /// A password is hashed in async code.
    PasswordHash,
    /// Data is compressed or decompressed in async code.
    Compression,
    /// `std::fs` in async code.
    BlockingFs,
    /// `std::thread::sleep` in async code.
    ThreadSleep,
    /// A client that blocks, in async code.
    BlockingClient,
    /// Two locks are taken in both orders.
    LockOrder,
    /// A lock is held while the network or the database is called.
    LockAcrossIo,
    /// A silence that gives no reason or names no rule.
    InvalidSilence,
    /// A silence that silences nothing.
    UnusedSilence,
}

/// The text of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Its name on the command line, in silences and reports.
    pub id: &'static str,
    /// One line: what is found.
    pub title: &'static str,
    /// What goes wrong.
    pub why: &'static str,
    /// What to do instead.
    pub mend: &'static str,
    /// A file in which exactly this rule finds something.
    pub bad: &'static str,
    /// The same, mended: nothing is found.
    pub good: &'static str,
}

impl Rule {
    /// Every rule, in the order of the documentation.
    pub const ALL: [Rule; 14] = [
        Rule::GuardAcrossAwait,
        Rule::BlockingLock,
        Rule::SharedStoreLock,
        Rule::BlockOn,
        Rule::BlockInPlace,
        Rule::PasswordHash,
        Rule::Compression,
        Rule::BlockingFs,
        Rule::ThreadSleep,
        Rule::BlockingClient,
        Rule::LockOrder,
        Rule::LockAcrossIo,
        Rule::InvalidSilence,
        Rule::UnusedSilence,
    ];

    /// The rule's name.
    pub fn id(self) -> &'static str {
        self.text().id
    }

    /// The rule of that name.
    pub fn from_id(id: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.id() == id)
    }

    /// Everything that is written about the rule.
    pub fn text(self) -> &'static Text {
        match self {
            Rule::GuardAcrossAwait => &GUARD_ACROSS_AWAIT,
            Rule::BlockingLock => &BLOCKING_LOCK,
            Rule::SharedStoreLock => &SHARED_STORE_LOCK,
            Rule::BlockOn => &BLOCK_ON,
            Rule::BlockInPlace => &BLOCK_IN_PLACE,
            Rule::PasswordHash => &PASSWORD_HASH,
            Rule::Compression => &COMPRESSION,
            Rule::BlockingFs => &BLOCKING_FS,
            Rule::ThreadSleep => &THREAD_SLEEP,
            Rule::BlockingClient => &BLOCKING_CLIENT,
            Rule::LockOrder => &LOCK_ORDER,
            Rule::LockAcrossIo => &LOCK_ACROSS_IO,
            Rule::InvalidSilence => &INVALID_SILENCE,
            Rule::UnusedSilence => &UNUSED_SILENCE,
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

const GUARD_ACROSS_AWAIT: Text = Text {
    id: "guard-across-await",
    title: "a blocking guard is alive across an `.await`",
    why: "The task sleeps with the lock held. Every other task that wants it blocks its worker thread, and when the \
          workers are all blocked the task that holds the lock never runs again.",
    mend: "End the guard's life before the `.await`: copy what is needed out in a block of its own, or `drop` it. A guard \
           in the head of a `match`, `if let`, `while let` or `for` lives to the end of that statement.",
    bad: "use std::sync::{Mutex, MutexGuard};

async fn refresh(mut total: MutexGuard<'_, u64>) {
    *total += fetch().await;
}

async fn fetch() -> u64 {
    1
}

pub struct App {
    pub total: Mutex<u64>,
}
",
    good: "use std::sync::{Mutex, MutexGuard};

async fn refresh(app: &App) {
    let fetched = fetch().await;
    app.add(fetched);
}

async fn fetch() -> u64 {
    1
}

pub struct App {
    pub total: std::sync::atomic::AtomicU64,
}

impl App {
    fn add(&self, more: u64) {
        self.total.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
    }
}
",
};

const BLOCKING_LOCK: Text = Text {
    id: "blocking-lock",
    title: "a blocking lock is taken in async code",
    why: "While it waits for the lock the worker thread runs no other task. One slow holder stalls every request that \
          shares the worker; under load all of them.",
    mend: "Keep the state in a lock-free or sharded structure, or in the request; or take tokio's lock and await it; or \
           give the work to `spawn_blocking` or a declared pool.",
    bad: "use std::sync::Mutex;

pub struct App {
    served: Mutex<u64>,
}

impl App {
    pub async fn handle(&self) {
        *self.served.lock().expect(\"not poisoned\") += 1;
    }
}
",
    good: "use std::sync::atomic::{AtomicU64, Ordering};

pub struct App {
    served: AtomicU64,
}

impl App {
    pub async fn handle(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}
",
};

const SHARED_STORE_LOCK: Text = Text {
    id: "shared-store-lock",
    title: "one lock around a whole store in shared state",
    why: "Every request waits for every other, whatever it wants from the store. It holds in tests and freezes under \
          load; an asynchronous lock only hides the queue.",
    mend: "Let the database hold the state, shard it by key, or use a concurrent map (a guard of `dashmap` kept across an \
           `.await` blocks others as well, and this check does not see it); share the store itself and lock inside it \
           what must be locked.",
    bad: "use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::RwLock;

#[derive(Clone)]
pub struct AppState {
    pub items: Arc<RwLock<HashMap<u64, String>>>,
}
",
    good: "use std::sync::Arc;

#[derive(Clone)]
pub struct AppState {
    pub items: Arc<dashmap::DashMap<u64, String>>,
}
",
};

const BLOCK_ON: Text = Text {
    id: "block-on",
    title: "something is waited for by blocking, in async code",
    why: "The worker thread waits for a future, channel, process or input, and runs nothing else. What it waits \
          for may need that very worker: on a single-threaded runtime that is a deadlock, and tokio panics on `block_on`.",
    mend: "`.await` it: `tokio::sync`, `tokio::process` and the handle of `spawn_blocking` stand for the channels, processes \
           and threads of the standard library. From a thread of your own, outside the runtime, blocking is right.",
    bad: "use tokio::runtime::Handle;

pub async fn total() -> u64 {
    Handle::current().block_on(fetch())
}

async fn fetch() -> u64 {
    1
}
",
    good: "pub async fn total() -> u64 {
    fetch().await
}

async fn fetch() -> u64 {
    1
}
",
};

const BLOCK_IN_PLACE: Text = Text {
    id: "block-in-place",
    title: "`block_in_place` in async code",
    why: "It stops every other future of the same task (`join!`, `select!`), panics on a single-threaded runtime, and \
          has no bound: each call may cost a thread.",
    mend: "Give the work to `spawn_blocking` or to a declared pool with a queue limit.",
    bad: "pub async fn digest(data: Vec<u8>) -> u64 {
    tokio::task::block_in_place(|| sum(&data))
}

fn sum(data: &[u8]) -> u64 {
    data.iter().map(|byte| u64::from(*byte)).sum()
}
",
    good: "pub async fn digest(data: Vec<u8>) -> u64 {
    tokio::task::spawn_blocking(move || sum(&data)).await.unwrap_or(0)
}

fn sum(data: &[u8]) -> u64 {
    data.iter().map(|byte| u64::from(*byte)).sum()
}
",
};

const PASSWORD_HASH: Text = Text {
    id: "password-hash",
    title: "a password is hashed in async code",
    why: "A password hash takes tens to hundreds of milliseconds on purpose. On a worker thread all other requests of \
          that worker wait as long.",
    mend: "Hash on a bounded pool of its own, and answer 503 when its queue is full.",
    bad: "pub async fn login(password: &str, stored: &str) -> bool {
    bcrypt::verify(password, stored).unwrap_or(false)
}
",
    good: "pub async fn login(password: String, stored: String) -> bool {
    let check = move || bcrypt::verify(password, &stored).unwrap_or(false);
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}
",
};

const COMPRESSION: Text = Text {
    id: "compression",
    title: "data is compressed or decompressed in async code",
    why: "Compressing a megabyte takes milliseconds to a second of processor time, in which the worker runs nothing else.",
    mend: "Compress on a bounded pool, or in small pieces with `async-compression`.",
    bad: "pub async fn pack(data: Vec<u8>) -> std::io::Result<Vec<u8>> {
    zstd::encode_all(data.as_slice(), 3)
}
",
    good: "pub async fn pack(data: Vec<u8>) -> std::io::Result<Vec<u8>> {
    tokio::task::spawn_blocking(move || zstd::encode_all(data.as_slice(), 3)).await?
}
",
};

const BLOCKING_FS: Text = Text {
    id: "blocking-fs",
    title: "`std::fs` in async code",
    why: "A read that misses the page cache, a full disk queue or a network file system stops the worker for as long as \
          it takes.",
    mend: "Use `tokio::fs`, or do all of the file work in one `spawn_blocking`.",
    bad: "pub async fn page() -> std::io::Result<String> {
    std::fs::read_to_string(\"page.html\")
}
",
    good: "pub async fn page() -> std::io::Result<String> {
    tokio::fs::read_to_string(\"page.html\").await
}
",
};

const THREAD_SLEEP: Text = Text {
    id: "thread-sleep",
    title: "`std::thread::sleep` in async code",
    why: "The worker thread sleeps, and with it every task it should run.",
    mend: "`tokio::time::sleep(..).await`.",
    bad: "use std::time::Duration;

pub async fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}
",
    good: "use std::time::Duration;

pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}
",
};

const BLOCKING_CLIENT: Text = Text {
    id: "blocking-client",
    title: "a client that blocks, in async code",
    why: "The worker waits for the other side without running anything else; a slow database or a hanging host stops \
          the service.",
    mend: "Use the asynchronous client of the same service, or keep the blocking one on threads of its own.",
    bad: "pub async fn rate(url: &str) -> Option<String> {
    reqwest::blocking::get(url).ok()?.text().ok()
}
",
    good: "pub async fn rate(url: &str) -> Option<String> {
    reqwest::get(url).await.ok()?.text().await.ok()
}
",
};

const LOCK_ORDER: Text = Text {
    id: "lock-order",
    title: "two locks are taken in both orders",
    why: "One task holds the first and waits for the second, another holds the second and waits for the first: both \
          wait for ever. Asynchronous locks deadlock alike.",
    mend: "Take them in one order everywhere, or put what belongs together under one lock, or never hold both.",
    bad: "use std::sync::Mutex;

pub struct Stock {
    items: Mutex<u64>,
    events: Mutex<u64>,
}

impl Stock {
    pub fn push(&self) {
        let mut items = self.items.lock().unwrap();
        *self.events.lock().unwrap() += 1;
        *items += 1;
    }

    pub fn pull(&self) {
        let events = self.events.lock().unwrap();
        *self.items.lock().unwrap() -= *events;
    }
}
",
    good: "use std::sync::Mutex;

pub struct Stock {
    items: Mutex<u64>,
    events: Mutex<u64>,
}

impl Stock {
    pub fn push(&self) {
        let mut items = self.items.lock().unwrap();
        *self.events.lock().unwrap() += 1;
        *items += 1;
    }

    pub fn pull(&self) {
        let mut items = self.items.lock().unwrap();
        *items -= *self.events.lock().unwrap();
    }
}
",
};

const LOCK_ACROSS_IO: Text = Text {
    id: "lock-across-io",
    title: "a lock is held while the network or the database is called",
    why: "Everybody who wants the lock now waits for the other side as well: its slowest answer becomes the slowest \
          answer of all. That holds for asynchronous locks too.",
    mend: "Read under the lock, release it, call, and take it again to write; or let a pool of connections do the \
           sharing.",
    bad: "use tokio::sync::Mutex;

pub struct Rates {
    client: reqwest::Client,
    last: Mutex<String>,
}

impl Rates {
    pub async fn refresh(&self) -> reqwest::Result<()> {
        let mut last = self.last.lock().await;
        *last = self.client.get(\"http://rates.test\").send().await?.text().await?;
        Ok(())
    }
}
",
    good: "use tokio::sync::Mutex;

pub struct Rates {
    client: reqwest::Client,
    last: Mutex<String>,
}

impl Rates {
    pub async fn refresh(&self) -> reqwest::Result<()> {
        let fresh = self.client.get(\"http://rates.test\").send().await?.text().await?;
        *self.last.lock().await = fresh;
        Ok(())
    }
}
",
};

const INVALID_SILENCE: Text = Text {
    id: "invalid-silence",
    title: "a silence that gives no reason or names no rule",
    why: "A silence without a reason cannot be judged by the next reader, and one that names no rule does nothing. \
          Neither silences anything.",
    mend: "Write `// farmgate: allow(rule) because reason`, with names from `farmgate check --list-rules`.",
    bad: "pub fn nothing() {
    // farmgate: allow(blocking-fs)
    let _ = 1;
}
",
    good: "pub async fn start() -> std::io::Result<String> {
    // farmgate: allow(blocking-fs) because nothing is served yet while the configuration is read
    std::fs::read_to_string(\"app.toml\")
}
",
};

const UNUSED_SILENCE: Text = Text {
    id: "unused-silence",
    title: "a silence that silences nothing",
    why: "It stays behind when the code is mended, and would silence the next fault that comes to this place.",
    mend: "Remove it.",
    bad: "pub async fn start() -> std::io::Result<String> {
    // farmgate: allow(blocking-fs) because nothing is served yet while the configuration is read
    tokio::fs::read_to_string(\"app.toml\").await
}
",
    good: "pub async fn start() -> std::io::Result<String> {
    tokio::fs::read_to_string(\"app.toml\").await
}
",
};
