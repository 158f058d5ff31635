//! How many requests a second the client and the executor send, and what processor time that costs.
//!
//! `cargo run --release -p scenario --example rate -- URL [SECONDS] [CONNECTIONS]` asks a server that answers
//! `{"id":1,"name":"a"}` or the like; compare with `wrk -t2 -c50 -d5 URL`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scenario::http::{Connect, Connection, Limits, Request, Target};
use scenario::{Settings, User, Value};

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let url: url::Url = arguments.next().ok_or("give a URL")?.parse()?;
    let seconds = arguments.next().map_or(Ok(3), |s| s.parse())?;
    let connections = arguments.next().map_or(Ok(50), |c| c.parse())?;
    let until = || Instant::now() + Duration::from_secs(seconds);
    measure("client alone", connections, |_| client(url.clone(), until())).await?;
    let text = "GET {{url}}\nHTTP 200\n[Captures]\nid: jsonpath \"$.id\"\n[Asserts]\nheader \"content-length\" exists\njsonpath \"$.name\" isString\njsonpath \"$.id\" == {{id}}\n";
    let scenario = scenario::parse("rate.hurl", text)?;
    let mut settings = Settings {
        explain_passed: false,
        ..Settings::default()
    };
    settings
        .variables
        .insert("url".to_string(), Value::from(url.as_str()));
    let settings = Arc::new(settings);
    measure("captures and asserts", connections, |_| {
        let (scenario, settings, end) = (scenario.clone(), settings.clone(), until());
        async move {
            let mut user = User::new(settings);
            let mut count = 0;
            while Instant::now() < end {
                let outcome = user.run(&scenario, &mut ()).await;
                if !outcome.ok {
                    return Err(format!("{outcome:?}").into());
                }
                count += 1;
            }
            Ok(count)
        }
    })
    .await
}

async fn client(url: url::Url, end: Instant) -> Result<u64, Failed> {
    let target = Target::from_url(&url).ok_or("not an http URL")?;
    let request = Request::new("GET", &url)?;
    let mut connection = Connection::open(&target, &Connect::plain()).await?;
    let limits = Limits::default();
    let mut count = 0;
    while Instant::now() < end {
        connection.send(&request, &limits).await?;
        count += 1;
    }
    Ok(count)
}

async fn measure<T>(name: &str, tasks: usize, work: impl Fn(usize) -> T) -> Result<(), Failed>
where
    T: Future<Output = Result<u64, Failed>> + Send + 'static,
{
    let (start, before) = (Instant::now(), processor_seconds());
    let running: Vec<_> = (0..tasks).map(|i| tokio::spawn(work(i))).collect();
    let mut total = 0;
    for task in running {
        total += task.await??;
    }
    let (took, spent) = (start.elapsed().as_secs_f64(), processor_seconds() - before);
    #[allow(clippy::cast_precision_loss, reason = "a report")]
    let count = total as f64;
    println!(
        "{name}: {:.0} requests/s, {:.2} s of processor time per 100,000",
        count / took,
        spent / count * 1e5
    );
    Ok(())
}

/// User and system time of this process, where the system tells it.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|f| f.parse().ok())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}
