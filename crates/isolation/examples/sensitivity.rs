//! Prints how often a run finds each fault at lower rates: `cargo run --release -p isolation --example sensitivity -- [SEEDS]`.

use isolation::{Config, EXAMPLE, Options, Silent, isolate};
use testbed::FAULTS;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let rates = [1.0, 0.1, 0.01, 0.001];
    println!(
        "{:<18} {:>6} {:>6} {:>6} {:>6}",
        "fault", "1", "0.1", "0.01", "0.001"
    );
    let mut totals = [0; 4];
    for fault in FAULTS {
        let mut found = [0; 4];
        for (at, rate) in rates.iter().enumerate() {
            for seed in 1..=seeds {
                let options = testbed::Options {
                    faults: vec![(fault, *rate)],
                    seed,
                    ..Default::default()
                };
                let service = testbed::start(options).await?;
                let mut config = Config::parse("example.toml", EXAMPLE)?;
                config.target.url = Some(service.url());
                let options = Options {
                    seed,
                    self_test: false,
                    ..Options::default()
                };
                let report = isolate(config, &options, &mut Silent).await?;
                let named = report
                    .findings
                    .iter()
                    .chain(&report.suspicions)
                    .any(|finding| fault.rules.contains(&finding.rule));
                found[at] += u64::from(named);
            }
            totals[at] += found[at];
        }
        println!(
            "{:<18} {:>6} {:>6} {:>6} {:>6}",
            fault.name, found[0], found[1], found[2], found[3]
        );
    }
    let all = FAULTS.len() as u64 * seeds;
    println!(
        "{:<18} {:>6} {:>6} {:>6} {:>6}  of {all}",
        "all", totals[0], totals[1], totals[2], totals[3]
    );
    Ok(())
}
