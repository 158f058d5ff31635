use std::time::Duration;
fn f(d: Duration) -> impl Future<Output = ()> {
    async move { std::thread::sleep(d) } //~ thread-sleep
}
