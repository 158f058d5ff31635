use std::io::BufRead;
use std::sync::{Condvar, Mutex};
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}
impl Gate {
    async fn pass(&self) {
        let mut open = self.open.lock().unwrap(); //~ blocking-lock
        while !*open {
            open = self.changed.wait(open).unwrap(); //~ block-on
        }
    }
}
async fn line() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok(); //~ block-on
    std::io::stdin().lock().read_line(&mut line).ok(); //~ block-on
    line
}
