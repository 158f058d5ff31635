//! Starts one private PostgreSQL and one Redis for a whole run of tests.
//!
//! `test-support serve [--durable]` prints the lines a shell evaluates, then `# ready`, and stops both servers when
//! its standard input ends.

use std::io::{Read, Write};
use std::process::ExitCode;

use test_support::{Cluster, RedisServer, Settings};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let settings = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => Settings::Fast,
        ["serve", "--durable"] => Settings::Durable,
        _ => {
            eprintln!("usage: test-support serve [--durable]");
            return ExitCode::from(2);
        }
    };
    let (postgres, redis) = (Cluster::start(settings), RedisServer::start());
    println!("export FARMGATE_TEST_PG='{}'", postgres.url("postgres"));
    println!("export FARMGATE_TEST_REDIS='{}'", redis.url());
    println!("# ready");
    // Nobody reads any more: the end of the input comes next.
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
