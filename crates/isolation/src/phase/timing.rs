//! Telling what exists from what does not by the time it takes: foreign ids and ids that never existed, by turns in
//! random order. It ends in a note and never in a finding, because time never decides alone.

use std::time::Duration;

use rand::RngExt;

use super::oracle::absent_vars;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::Operation;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;

/// Pairs of a foreign id and one that never existed.
const PAIRS: usize = 40;
/// Ids of each kind, used in turn: a single one might lie in a cache.
const IDS: usize = 8;
/// Pairs that must agree: by chance as many do in 1.4 of a million runs.
const AGREE: usize = 35;
/// Smallest difference of the medians that is worth telling.
const NOTICEABLE: Duration = Duration::from_micros(200);

/// Times a resource's read.
pub async fn exists(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let Some(read) = &config.resources[at].read else {
        return Ok(Seen::default());
    };
    let mut ids = Vec::new();
    for _ in 0..IDS {
        let object = run.create(cast.owner, at).await?;
        let Some(absent) = absent_vars(run, &object) else {
            return Ok(Seen::default());
        };
        ids.push((object.vars, absent));
    }
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let (foreign, absent) = &ids[pair % IDS];
        let foreign_first: bool = run.rng.random();
        let order = if foreign_first {
            [foreign, absent]
        } else {
            [absent, foreign]
        };
        let first = timed(run, cast, read, order[0]).await?;
        let second = timed(run, cast, read, order[1]).await?;
        // Trouble tells nothing about ids.
        if let (Some(first), Some(second)) = (first, second) {
            pairs.push(if foreign_first {
                (first, second)
            } else {
                (second, first)
            });
        }
    }
    Ok(Seen {
        notes: told(&read.label(), &pairs).into_iter().collect(),
        ..Seen::default()
    })
}

async fn timed(run: &mut Run, cast: Cast, read: &Operation, vars: &Vars) -> Result<Option<Duration>, Error> {
    let answered = run.call(Rule::AccessRead, Some(cast.other), read, vars).await?;
    Ok((!answered.answer.is_trouble()).then_some(answered.took))
}

/// What pairs of times, foreign and absent, tell; nothing if they are alike.
fn told(label: &str, pairs: &[(Duration, Duration)]) -> Option<String> {
    let later = pairs.iter().filter(|(foreign, absent)| foreign > absent).count();
    let sooner = pairs.iter().filter(|(foreign, absent)| foreign < absent).count();
    let foreign = median(pairs.iter().map(|pair| pair.0));
    let absent = median(pairs.iter().map(|pair| pair.1));
    let (word, agree) = if later > sooner {
        ("later", later)
    } else {
        ("sooner", sooner)
    };
    let difference = foreign.abs_diff(absent);
    if agree < AGREE || difference < NOTICEABLE {
        return None;
    }
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    Some(format!(
        "by time alone: {label} answers a foreign id {:.1} ms {word} than one that never existed ({agree} of {} pairs, medians {:.1} and {:.1} ms)",
        ms(difference),
        pairs.len(),
        ms(foreign),
        ms(absent),
    ))
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(foreign_ms: f64, absent_ms: f64, contrary: usize) -> Vec<(Duration, Duration)> {
        let (foreign, absent) = [foreign_ms, absent_ms]
            .map(|ms| Duration::from_secs_f64(ms / 1_000.0))
            .into();
        let turned = |at: usize| {
            if at < contrary {
                (absent, foreign)
            } else {
                (foreign, absent)
            }
        };
        (0..PAIRS).map(turned).collect()
    }

    #[test]
    fn a_steady_difference_is_told_and_chance_is_not() {
        let told_of = |foreign, absent, contrary| told("GET /x", &pairs(foreign, absent, contrary));
        let note = told_of(3.0, 0.5, 2).unwrap();
        assert!(note.contains("2.5 ms later"), "{note}");
        assert!(note.contains("38 of 40"), "{note}");
        assert!(told_of(0.5, 3.0, 0).unwrap().contains("2.5 ms sooner"));
        assert_eq!(told_of(3.0, 0.5, 8), None, "too few agree");
        assert_eq!(told_of(0.55, 0.5, 0), None, "too small");
        assert_eq!(told("GET /x", &[]), None);
    }
}
