//! Return to the baseline: slots after failed jobs, gauges after torn connections, all within a stated time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::Operation;
use crate::exchange::{Exchange, Request};
use crate::ledger::Who;
use crate::net::Lane;
use crate::rule::Rule;
use crate::run::Run;

/// Failed jobs of one user: more than any sensible number of slots.
const FAILURES: usize = 12;

/// A gauge's name and value.
type Gauge = (String, f64);

/// Jobs fail; then one more must be taken, as before.
pub async fn slots(run: &mut Run, _: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(failing) = &resource.create_failing else {
        return Ok(Seen::default());
    };
    // Somebody of his own, so that slots that never come back hinder nobody else.
    let who = if run.can_enrol() {
        run.enrol(crate::config::Role::Expendable).await?
    } else {
        0
    };
    let control = run.create(who, at).await?;
    let parents = control.vars;
    for _ in 0..FAILURES {
        run.call(Rule::PoolAnswer, Some(who), failing, &parents).await?;
    }
    run.probed(Rule::BaselineSlots, FAILURES as u64);
    let begun = Instant::now();
    let patience = Duration::from_millis(config.effort.baseline_ms);
    while begun.elapsed() < patience {
        if run.create(who, at).await.is_ok() {
            return Ok(Seen::default());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut seen = Seen::default();
    let last = run.log.last().cloned();
    let proof: Vec<_> = last.iter().collect();
    let what = format!(
        "after {FAILURES} failed ones, no `{}` could be made for {} ms",
        resource.name,
        patience.as_millis()
    );
    seen.broken(Rule::BaselineSlots, what, &proof);
    Ok(seen)
}

/// After the storm with its torn requests, whoever took part is served as before.
pub async fn recovered(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let lists = config
        .resources
        .iter()
        .filter(|resource| resource.parent.is_none())
        .filter_map(|resource| resource.list.as_ref());
    let Some(operation) = lists.chain(config.views.iter().map(|view| &view.read)).next() else {
        return Ok(Seen::missing("there is no list and no view to ask for"));
    };
    let patience = Duration::from_millis(config.effort.baseline_ms);
    run.impatient = true;
    for who in [cast.owner, cast.other, cast.third] {
        if let Some(refusal) = refusal(run, who, operation, patience).await? {
            let what = format!(
                "{} was still refused {} ms after the storm",
                operation.label(),
                patience.as_millis()
            );
            let mut seen = Seen::default();
            seen.broken(Rule::BaselineSlots, what, &[&refusal]);
            // Where one is never served, waiting for the others tells nothing more.
            return Ok(seen);
        }
    }
    Ok(Seen::default())
}

/// The last refusal of somebody who is not served again within a time; nothing where he is.
async fn refusal(
    run: &mut Run,
    who: Who,
    operation: &Operation,
    patience: Duration,
) -> Result<Option<Arc<Exchange>>, Error> {
    let begun = Instant::now();
    run.probed(Rule::BaselineSlots, 1);
    loop {
        let answered = run
            .call(Rule::PagingList, Some(who), operation, &Default::default())
            .await;
        if answered
            .as_ref()
            .is_ok_and(|answered| operation.succeeds(answered.answer.status))
        {
            return Ok(None);
        }
        if begun.elapsed() > patience {
            return answered.map(Some);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sockets and requests are torn; the gauges must fall back to where they were.
pub async fn gauges(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let before = read(run).await?;
    let absent: Vec<&String> = config
        .effort
        .gauges
        .iter()
        .filter(|name| !before.iter().any(|(known, _)| known == *name))
        .collect();
    if !absent.is_empty() {
        return Ok(Seen::missing(format!("the metrics page has no gauge {absent:?}")));
    }
    tear(run, cast).await?;
    run.probed(Rule::BaselineGauge, 1);
    let begun = Instant::now();
    loop {
        let now = read(run).await?;
        let stuck = risen(&before, &now);
        if stuck.is_empty() {
            return Ok(Seen::default());
        }
        if begun.elapsed() > Duration::from_millis(config.effort.baseline_ms) {
            let mut seen = Seen::default();
            let last = run.log.last().cloned();
            for ((name, was), (_, is)) in stuck {
                let proof: Vec<_> = last.iter().collect();
                seen.broken(
                    Rule::BaselineGauge,
                    format!("{name} was {was}, and is {is} after everybody has left"),
                    &proof,
                );
            }
            return Ok(seen);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Gauges that are higher than before, by more than what moves anyway.
fn risen<'a>(before: &'a [Gauge], now: &'a [Gauge]) -> Vec<(&'a Gauge, &'a Gauge)> {
    before
        .iter()
        .zip(now)
        .filter(|(before, now)| now.1 > before.1 * 1.05 + 0.5)
        .collect()
}

async fn tear(run: &mut Run, cast: Cast) -> Result<(), Error> {
    let config = run.config.clone();
    for at in 0..config.sockets.len() {
        for _ in 0..6 {
            let _torn = super::socket::open_own(run, cast.owner, at).await?;
        }
    }
    for resource in &config.resources {
        let Some(list) = &resource.list else { continue };
        if resource.parent.is_some() {
            continue;
        }
        for micros in [50, 200, 800, 3_000] {
            let (mut request, _) = run.fill(Some(cast.owner), list, &Default::default())?;
            let mut mint = crate::template::Mint::new(&mut run.text, crate::template::Size::Short);
            run.people[cast.owner].sign(&config.auth, &mut request, &mut mint)?;
            let sending = run.net.send(Lane::Fresh, Some(cast.owner), &request);
            let _cancelled = tokio::time::timeout(Duration::from_micros(micros), sending).await;
        }
    }
    Ok(())
}

/// The gauges that are watched, with labels summed up.
async fn read(run: &mut Run) -> Result<Vec<Gauge>, Error> {
    let config = run.config.clone();
    let Some(path) = &config.effort.metrics else {
        return Ok(Vec::new());
    };
    let answered = run.send(Rule::PublicLeak, None, Request::get(path)).await?;
    let text = String::from_utf8_lossy(&answered.answer.body).into_owned();
    let watched = config.effort.gauges.iter().filter_map(|name| {
        let values: Vec<f64> = text
            .lines()
            .filter_map(|line| {
                let rest = line.strip_prefix(name.as_str())?;
                rest.starts_with([' ', '{'])
                    .then(|| rest.rsplit(' ').next()?.parse().ok())?
            })
            .collect();
        (!values.is_empty()).then(|| (name.clone(), values.iter().sum()))
    });
    Ok(watched.collect())
}
