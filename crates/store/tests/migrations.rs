//! The way back of every migration leads back: down and up again the schema is the same, on both engines.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

use db::migrate::{check, down, status, up};
use db::{Engine, Micros};
use store::migrations::ALL;
use test_support::empty;

#[tokio::test]
async fn sqlite_comes_back_to_the_same_schema() {
    there_and_back(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_comes_back_to_the_same_schema() {
    there_and_back(Engine::Postgres).await;
}

async fn there_and_back(engine: Engine) {
    let place = empty(engine);
    let versions: Vec<i64> = ALL.iter().map(|one| one.version).collect();
    assert_eq!(up(&place.config, &ALL[..0], Micros(0)).await.unwrap(), [0_i64; 0]);
    let mut schemas = vec![place.schema().await];
    // One by one, so that each way back is compared with the schema it must lead back to.
    for count in 1..=ALL.len() {
        up(&place.config, &ALL[..count], Micros(0)).await.unwrap();
        schemas.push(place.schema().await);
    }
    assert!(schemas.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(schemas[ALL.len()].contains("live_messages"), "the schema is read");
    check(&place.config, ALL).await.unwrap();
    for count in (0..ALL.len()).rev() {
        let target = if count == 0 { 0 } else { versions[count - 1] };
        let back = down(&place.config, ALL, target).await.unwrap();
        assert_eq!(back, [versions[count]]);
        same(
            &place.schema().await,
            &schemas[count],
            &format!("down to {target}"),
        );
    }
    assert!(check(&place.config, ALL).await.is_err());
    let none = status(&place.config, ALL).await.unwrap();
    assert!(none.iter().all(|one| one.applied_at.is_none()));
    assert_eq!(up(&place.config, ALL, Micros(1)).await.unwrap(), versions);
    same(&place.schema().await, &schemas[ALL.len()], "up again");
    let mut all = versions;
    all.reverse();
    assert_eq!(down(&place.config, ALL, 0).await.unwrap(), all);
    same(&place.schema().await, &schemas[0], "down at once");
}

/// Names the lines that differ: the whole schema fills many screens.
fn same(found: &str, expected: &str, when: &str) {
    let only = |one: &str, other: &str| -> Vec<String> {
        let known: std::collections::HashSet<&str> = other.lines().collect();
        one.lines()
            .filter(|line| !known.contains(line))
            .map(str::to_owned)
            .collect()
    };
    assert!(
        found == expected,
        "{when}: too much {:#?}, missing {:#?}",
        only(found, expected),
        only(expected, found)
    );
}
