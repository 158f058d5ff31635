use std::sync::{Arc, Mutex};
struct Afd {
    file: u64,
}
struct SockState {
    closed: bool,
    afd: Arc<Afd>,
    error: Option<i32>,
    next: Option<Arc<Mutex<SockState>>>,
}
struct MailClient {
    sent: u64,
    name: String,
}
struct Selector {
    socket: Arc<Mutex<SockState>>,
    mail: Arc<Mutex<MailClient>>,
}
