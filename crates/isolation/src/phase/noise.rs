//! A noisy neighbour: a victim's requests, due at a fixed pace, beside a flood and beside nothing, by turns in random order.
//! What decides is that they fail; latency decides only against a stated objective.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Error;
use crate::check::{Cast, Seen};
use crate::exchange::{Exchange, Request};
use crate::ledger::Who;
use crate::net::{Lane, Net};
use crate::rule::Rule;
use crate::run::Run;
use crate::template::{Mint, Size, Vars};

const ROUNDS: usize = 5;
/// Pace of the victim.
const PACE: Duration = Duration::from_millis(16);

#[derive(Debug, Default)]
struct Arm {
    probes: usize,
    failures: usize,
    last: Option<Exchange>,
    latencies: Vec<Duration>,
}

impl Arm {
    fn rate(&self) -> f64 {
        self.failures as f64 / self.probes.max(1) as f64
    }

    fn p95(&self) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// Five rounds of a sham and a real arm; four must agree, two or three are inconclusive.
pub async fn neighbour(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let Some(victim) = request(run, cast.owner)? else {
        return Ok(Seen::missing(
            "there is no list and no view a victim could ask for",
        ));
    };
    let Some(flood) = request(run, cast.other)? else {
        return Ok(Seen::default());
    };
    let control = run
        .send_signed(
            Rule::PoolAnswer,
            Lane::Own(Some(cast.owner)),
            Some(cast.owner),
            victim.clone(),
        )
        .await?;
    if !control.answer.ok() {
        return Ok(Seen::missing(format!(
            "the victim's {} was answered {}",
            victim.path, control.answer.status
        )));
    }
    let mut tally = Tally {
        objective: run.config.policy.latency_objective_ms.map(Duration::from_millis),
        ..Tally::default()
    };
    for _ in 0..ROUNDS {
        let [sham, real] = round(run, cast, &victim, &flood).await;
        run.probed(Rule::NoiseLimit, real.probes as u64);
        tally.count(&sham, real);
    }
    Ok(tally.verdict())
}

/// A sham arm and a real one, which of them first by chance.
async fn round(run: &mut Run, cast: Cast, victim: &Request, flood: &Request) -> [Arm; 2] {
    let sham_first: bool = run.rng.random();
    let mut arms = [Arm::default(), Arm::default()];
    for loud in [!sham_first, sham_first] {
        let flood = loud.then_some((cast.other, flood));
        arms[usize::from(loud)] = arm(run, cast.owner, victim, flood).await;
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    arms
}

/// Rounds in which the flood was felt.
#[derive(Default)]
struct Tally {
    objective: Option<Duration>,
    failing: usize,
    slow: usize,
    worst: Duration,
    proof: Option<Arc<Exchange>>,
}

impl Tally {
    fn count(&mut self, sham: &Arm, real: Arm) {
        let fails = real.failures >= 3 && real.rate() > 2.0 * sham.rate() + 0.05;
        let slow = self
            .objective
            .is_some_and(|objective| real.p95() > objective && sham.p95() <= objective);
        self.failing += usize::from(fails);
        self.slow += usize::from(slow);
        self.worst = self.worst.max(real.p95());
        self.proof = self.proof.take().or(real.last.map(Arc::new));
    }

    fn verdict(self) -> Seen {
        let mut seen = Seen::default();
        let worst = self.worst.as_millis();
        seen.notes.push(format!(
            "the victim's worst 95th percentile beside the flood was {worst} ms"
        ));
        for (rule, times) in [(Rule::NoiseLimit, self.failing), (Rule::NoiseLatency, self.slow)] {
            let rounds = format!("{times} of {ROUNDS} rounds");
            match times {
                4.. => {
                    let proof: Vec<_> = self.proof.iter().collect();
                    seen.broken(
                        rule,
                        format!("in {rounds}, each beside a quiet arm without it"),
                        &proof,
                    );
                }
                2 | 3 => seen.missing = Some(format!("{rule}: {rounds}, which is neither clean nor proved")),
                _ => {}
            }
        }
        seen
    }
}

/// A signed read of somebody's.
fn request(run: &mut Run, who: Who) -> Result<Option<Request>, Error> {
    let config = run.config.clone();
    let lists = config
        .resources
        .iter()
        .filter(|resource| resource.parent.is_none())
        .filter_map(|resource| resource.list.as_ref());
    let Some(operation) = lists.chain(config.views.iter().map(|view| &view.read)).next() else {
        return Ok(None);
    };
    let (mut request, _) = run.fill(Some(who), operation, &Vars::new())?;
    let mut mint = Mint::new(&mut run.text, Size::Short);
    run.people[who].sign(&config.auth, &mut request, &mut mint)?;
    Ok(Some(request))
}

/// Lets the flood loose and returns when all of it is under way, at the latest after the length of an arm. It goes on until
/// `over` is set, whatever the clock says: on a busy machine the victim's requests may leave late, and must meet it all
/// the same.
async fn flooding(
    run: &Run,
    length: Duration,
    flood: Option<(Who, &Request)>,
    over: &Arc<AtomicBool>,
) -> JoinSet<()> {
    let mut flooding = JoinSet::new();
    let Some((attacker, request)) = flood else {
        return flooding;
    };
    let (beginning, mut begun) = mpsc::channel::<()>(1);
    for _ in 0..run.config.effort.noise_requests {
        let (request, over) = (request.clone(), over.clone());
        let mut net = Net::new(run.net.place().clone());
        let mut beginning = Some(beginning.clone());
        flooding.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let _counted_elsewhere = net.send(Lane::Shared, Some(attacker), &request).await;
                drop(beginning.take());
            }
        });
    }
    drop(beginning);
    // A flood that is not answered that long is one, too.
    let _under_way = tokio::time::timeout(length, begun.recv()).await;
    flooding
}

async fn arm(run: &Run, who: Who, victim: &Request, flood: Option<(Who, &Request)>) -> Arm {
    let length = Duration::from_millis(run.config.effort.noise_ms);
    let over = Arc::new(AtomicBool::new(false));
    let mut flooding = flooding(run, length, flood, &over).await;
    let mut probes = JoinSet::new();
    let begun = Instant::now();
    let mut due = begun + PACE * 4;
    while due < begun + length {
        tokio::time::sleep_until(due.into()).await;
        let (request, mut net) = (victim.clone(), Net::new(run.net.place().clone()));
        probes.spawn(async move {
            let answered = net.send(Lane::Fresh, Some(who), &request).await;
            (due.elapsed(), answered)
        });
        due += PACE;
    }
    let mut arm = Arm::default();
    while let Some(Ok((latency, answered))) = probes.join_next().await {
        arm.probes += 1;
        arm.latencies.push(latency);
        let failed = answered
            .as_ref()
            .map_or(true, |exchange| exchange.answer.is_trouble());
        arm.failures += usize::from(failed);
        if let Some(exchange) = answered.ok().filter(|_| failed) {
            arm.last = Some(exchange);
        }
    }
    over.store(true, Ordering::Relaxed);
    while flooding.join_next().await.is_some() {}
    arm
}
