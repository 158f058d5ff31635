//! Search: foreign words find nothing, and find it in the same way as words that nobody ever wrote.

use serde_json::Value;

use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::Operation;
use crate::ledger::{Who, canary};
use crate::rule::Rule;
use crate::run::{Object, Run};
use crate::template::{Size, Vars};

fn term(word: &str) -> Vars {
    Vars::from([("term".to_owned(), word.to_owned())])
}

/// Foreign words, whole and cut, and the head that all canaries share.
pub async fn content(run: &mut Run, cast: Cast, at: usize, index: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let operation = &config.resources[at].search[index];
    // With one canary a value, an echo of the term could not be told from content.
    run.size = Some(Size::Medium);
    let object = run.create(cast.owner, at).await?;
    let Some(word) = working_word(run, &object, operation).await? else {
        return Ok(Seen::missing(format!(
            "{} does not find its caller's own words",
            operation.label()
        )));
    };
    let cut: String = word.chars().take(8).collect();
    for word in [word.as_str(), cut.as_str(), "fg", "", "%", "*"] {
        run.call(Rule::SearchContent, Some(cast.other), operation, &term(word))
            .await?;
        run.probed(Rule::SearchContent, 1);
    }
    let (request, _) = run.fill(Some(cast.other), operation, &term(&word))?;
    run.send(Rule::AccessAnonymous, None, request).await?;
    Ok(Seen::default())
}

/// A canary of the object by which its owner finds it; not every field is searched.
async fn working_word(
    run: &mut Run,
    object: &Object,
    operation: &Operation,
) -> Result<Option<String>, Error> {
    let begun = std::time::Instant::now();
    loop {
        for word in &object.tokens {
            let own = run
                .call(Rule::SearchContent, Some(object.owner), operation, &term(word))
                .await?;
            if run.shows(&own, object) {
                return Ok(Some(word.clone()));
            }
        }
        if begun.elapsed() > run.ledger.grace {
            return Ok(None);
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
}

/// Three foreign words against three that nobody wrote: all three must differ, in the same way, before it counts.
pub async fn oracle(run: &mut Run, cast: Cast, at: usize, index: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let operation = &config.resources[at].search[index];
    let mut proof = Vec::new();
    for _ in 0..3 {
        let object = run.create(cast.owner, at).await?;
        let Some(word) = object.tokens.first().cloned() else {
            return Ok(Seen::default());
        };
        let (one, two) = (canary(&mut run.text), canary(&mut run.text));
        let absent = ask(run, cast.other, operation, &one).await?;
        let again = ask(run, cast.other, operation, &two).await?;
        let foreign = ask(run, cast.other, operation, &word).await?;
        run.probed(Rule::SearchOracle, 1);
        if absent.0 != again.0 || foreign.0 == absent.0 {
            return Ok(Seen::default());
        }
        proof = vec![absent.1, foreign.1];
    }
    let mut seen = Seen::default();
    let proof: Vec<_> = proof.iter().collect();
    seen.broken(
        Rule::SearchOracle,
        format!(
            "{} tells foreign words from words that nobody wrote",
            operation.label()
        ),
        &proof,
    );
    Ok(seen)
}

/// Status and body of a search, without the word itself and without what moves.
async fn ask(
    run: &mut Run,
    who: Who,
    operation: &Operation,
    word: &str,
) -> Result<((u16, Value), std::sync::Arc<crate::exchange::Exchange>), Error> {
    let policy = run.config.policy.clone();
    let answered = run
        .call(Rule::SearchContent, Some(who), operation, &term(word))
        .await?;
    let text = super::settled(&policy, &answered)
        .to_string()
        .replace(word, "TERM");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(((answered.answer.status, body), answered))
}
