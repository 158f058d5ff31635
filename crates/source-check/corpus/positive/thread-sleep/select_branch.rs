use std::time::Duration;
async fn f(d: Duration, stop: tokio_util::sync::CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => std::thread::sleep(d), //~ thread-sleep
        else => {}
    }
}
