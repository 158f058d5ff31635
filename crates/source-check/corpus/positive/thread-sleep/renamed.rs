use std::time::Duration;
use std::thread as t;
async fn f(d: Duration) {
    t::sleep(d); //~ thread-sleep
}
