//! Kill -9 under write load: what was acknowledged is there afterwards, and nothing is half made.
//!
//! Each round starts the real program on the same data, lets eight clients write, kills it at a seeded moment, starts
//! it again and reads everything back. On PostgreSQL every third round kills the database's processes too.
//! `FARMGATE_KILL_ROUNDS` sets the number of rounds (5), `FARMGATE_KILL_SEED` the moments and the data (1).
//!
//! A killed process loses nothing that the operating system has taken over: losing the machine's power is not shown
//! here. That both engines wait for the disk before they acknowledge is a matter of their settings.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod audit;
mod client;
#[path = "../support/program.rs"]
mod program;
mod read_back;
mod world;
mod writers;

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use world::World;
use writers::{Chain, Load, Moment};

/// Long enough for a round on a busy machine; a hang is a failure that says so.
const ROUND: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_on_sqlite() {
    survive(World::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_on_postgres() {
    survive(World::postgres()).await;
}

/// What all rounds came to, for the line that is printed.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    unanswered: usize,
    unanswered_but_there: usize,
    database_kills: usize,
}

async fn survive(mut world: World) {
    let (rounds, seed) = (
        setting("FARMGATE_KILL_ROUNDS", 5),
        setting("FARMGATE_KILL_SEED", 1),
    );
    let mut tally = Tally::default();
    let mut all = BTreeMap::new();
    let server = world.serve().await;
    client::register(&server).await;
    drop(server);
    for round in 0..rounds {
        let chains = tokio::time::timeout(ROUND, one_round(&mut world, round, seed, &mut tally)).await;
        let chains = chains.unwrap_or_else(|_| panic!("round {round} of seed {seed} hangs"));
        all.extend(chains.into_iter().map(|chain| (chain.local_id.clone(), chain)));
    }
    let server = world.serve().await;
    audit::whole(&world.database(), "after all rounds").await;
    read_back::everything(&mut client::sign_in(&server).await, &all).await;
    println!(
        "durability {}: {rounds} rounds, seed {seed}, {} local items, {tally:?}",
        world.engine,
        all.len()
    );
    // A run in which the kill never came between a request and its answer shows little.
    assert!(tally.acknowledged > 0 && tally.unanswered > 0, "{tally:?}");
}

async fn make_circuit(owner: &mut client::Client, round: u64) -> String {
    let made = owner
        .post("api/circuits", &json!({"name": format!("round {round}")}))
        .await;
    let (201, circuit) = made.expect("a circuit can be made before the load") else {
        panic!("round {round}: no circuit");
    };
    circuit["id"].as_str().unwrap().to_owned()
}

/// Writes, kills, restarts and reads back; gives what was written.
async fn one_round(world: &mut World, round: u64, seed: u64, tally: &mut Tally) -> Vec<Chain> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(round);
    let mut server = world.serve().await;
    let mut owner = client::sign_in(&server).await;
    let circuit = make_circuit(&mut owner, round).await;
    let moment = Moment {
        acknowledged: random.random_range(1..240),
        // A kill right after an answer would always meet the same point of a commit.
        then: Duration::from_micros(random.random_range(0..6_000)),
    };
    let load = Load {
        round,
        seed,
        circuit,
        moment,
        database_dies: world.has_cluster() && round % 3 == 2,
    };
    let kill = async || {
        if load.database_dies {
            world.kill_database();
        }
        server.kill().await;
    };
    let chains = load.run(&owner, kill).await;
    if load.database_dies {
        world.restart_database();
        tally.database_kills += 1;
    }
    drop(server);
    let server = world.serve().await;
    let mut owner = client::sign_in(&server).await;
    let place = format!("{}, round {round} of seed {seed}", world.engine);
    audit::whole(&world.database(), &place).await;
    let seen = read_back::round(&mut owner, &load.circuit, &chains, &place).await;
    tally.acknowledged += seen.acknowledged;
    tally.unanswered += seen.unanswered;
    tally.unanswered_but_there += seen.there;
    chains
}

#[allow(clippy::disallowed_methods, reason = "a test's own settings")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a whole number, not `{text}`"))
    })
}
