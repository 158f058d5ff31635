//! The self-test: every rule against a right service, and against that service with one fault planted that the rule must
//! find. A rule that misses makes everything else it says worthless.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use testbed::{FAULTS, Fault};

use crate::Error;
use crate::check::Cast;
use crate::config::{Config, EXAMPLE, Role};
use crate::plan::plan;
use crate::rule::Rule;
use crate::run::Run;
use crate::sight::done;

/// Tries of one rule: those that depend on two requests meeting may need another.
const TRIES: u64 = 4;
/// Trials that run at once; most of their time is waiting.
const TOGETHER: usize = 12;

/// The configuration of the built-in service, with little effort.
fn config(url: String) -> Result<Config, Error> {
    let mut config = Config::parse("example.toml", EXAMPLE)?;
    config.target.url = Some(url);
    config.effort.storm_requests = 400;
    config.effort.noise_ms = 250;
    config.effort.baseline_ms = 300;
    for socket in &mut config.sockets {
        socket.quiet_ms = 120;
    }
    Ok(config)
}

/// Proves that no rule alarms on the right service, and that each finds its planted fault.
///
/// # Errors
/// [`Error::SelfTest`] with the rules that missed or alarmed.
pub async fn all(seed: u64) -> Result<(), Error> {
    clean(seed).await?;
    let planted = Rule::ALL
        .iter()
        .enumerate()
        .filter_map(|(at, rule)| Some((at, *rule, planted_for(*rule)?)));
    let trials = planted.map(|(at, rule, fault)| async move {
        let found = found(rule, fault, seed + at as u64).await;
        found.map(|found| (!found).then(|| format!("{rule} (planted: {})", fault.name)))
    });
    let outcomes: Vec<_> = stream::iter(trials).buffer_unordered(TOGETHER).collect().await;
    let missed: Vec<String> = outcomes
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::SelfTest(format!("missed: {}", missed.join(", "))))
}

/// The fault a rule is proved with: the first that names it first.
pub fn planted_for(rule: Rule) -> Option<&'static Fault> {
    FAULTS
        .iter()
        .find(|fault| fault.rules.first() == Some(&rule.id()))
}

/// No check alarms on the right service, and every control holds.
async fn clean(seed: u64) -> Result<(), Error> {
    let (_service, mut run, cast) = stage(&[], seed).await?;
    for check in plan(&run.config.clone())
        .iter()
        .filter(|check| !check.action.is_long())
    {
        let seen = done(&mut run, check.action, cast).await;
        if let Some(violation) = seen.violations.first() {
            return Err(Error::SelfTest(format!(
                "{} alarmed on the right service: {}: {}",
                check.id, violation.rule, violation.what
            )));
        }
        if let Some(missing) = seen.missing {
            return Err(Error::SelfTest(format!(
                "{} has no control on the right service: {missing}",
                check.id
            )));
        }
    }
    Ok(())
}

async fn found(rule: Rule, fault: &'static Fault, seed: u64) -> Result<bool, Error> {
    for attempt in 0..TRIES {
        let (_service, mut run, cast) = stage(&[(fault, 1.0)], seed + 1_000 * attempt).await?;
        let checks = plan(&run.config.clone());
        for check in checks.iter().filter(|check| check.finds(rule)) {
            let seen = done(&mut run, check.action, cast).await;
            if seen.violations.iter().any(|violation| violation.rule == rule) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A fresh service with faults, and people on it.
async fn stage(faults: &[(&'static Fault, f64)], seed: u64) -> Result<(testbed::Running, Run, Cast), Error> {
    let options = testbed::Options {
        faults: faults.to_vec(),
        seed,
        ..testbed::Options::default()
    };
    let service = testbed::start(options)
        .await
        .map_err(|error| Error::SelfTest(error.to_string()))?;
    let mut config = config(service.url())?;
    if faults
        .iter()
        .any(|(fault, _)| fault.rules == [Rule::NoiseLatency.id()])
    {
        config.policy.latency_objective_ms = Some(250);
    }
    let mut run = Run::new(Arc::new(config), seed, 0)?;
    let owner = run.enrol(Role::Worker).await?;
    let other = run.enrol(Role::Worker).await?;
    let third = run.enrol(Role::Worker).await?;
    let observer = run.enrol(Role::Observer).await?;
    let admin = run.enrol(Role::Admin).await?;
    Ok((
        service,
        run,
        Cast {
            owner,
            other,
            third,
            observer: Some(observer),
            admin: Some(admin),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_planted_fault_that_it_must_find() {
        let unproved: Vec<&str> = Rule::ALL
            .iter()
            .filter(|rule| planted_for(**rule).is_none())
            .map(|rule| rule.id())
            .collect();
        assert_eq!(unproved, Vec::<&str>::new());
    }

    #[test]
    fn every_fault_names_rules_that_exist() {
        for fault in FAULTS {
            for rule in fault.rules {
                assert!(
                    Rule::ALL.iter().any(|known| known.id() == *rule),
                    "{}: {rule}",
                    fault.name
                );
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_self_test_passes() {
        all(7).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_rule_that_sees_nothing_misses() {
        // `read-any` breaks a rule, but not this one: the trial must not call that found.
        let fault = testbed::find("read-any").unwrap();
        assert!(!found(Rule::NestingCreate, fault, 1).await.unwrap());
    }
}
