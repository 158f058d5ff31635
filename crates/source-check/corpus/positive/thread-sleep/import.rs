use std::time::Duration;
use std::thread::sleep;
async fn f(d: Duration) {
    sleep(d); //~ thread-sleep
}
