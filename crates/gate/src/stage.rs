//! The seam between `farmgate gate` and what it runs: a stage has a name and gives a result. Stages of other crates
//! (source check, isolation) join a run through the same trait.

use std::pin::Pin;

use crate::report::StageResult;
use crate::verdict::Verdict;

/// A part of a gate run.
pub trait Stage {
    /// Name in the report.
    fn name(&self) -> &'static str;

    /// Carries it out. A failed promise is a result; an `Err` means that the tool itself could not do its work.
    fn run(&mut self) -> Pin<Box<dyn Future<Output = Result<StageResult, String>> + '_>>;
}

/// Runs all stages in order; one that cannot be carried out is inconclusive and does not keep the others from running.
pub async fn run_all(stages: &mut [Box<dyn Stage + '_>], mut begin: impl FnMut(&str)) -> Vec<StageResult> {
    let mut results = Vec::new();
    for stage in stages {
        begin(stage.name());
        let name = stage.name();
        let result = stage.run().await;
        results.push(result.unwrap_or_else(|error| StageResult::not_run(name, &error)));
    }
    results
}

/// The verdict of a whole run: that of all its stages together, inconclusive if there are none.
pub fn verdict(results: &[StageResult]) -> Verdict {
    Verdict::all(results.iter().map(|result| result.verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static str, Result<Verdict, String>);

    impl Stage for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        fn run(&mut self) -> Pin<Box<dyn Future<Output = Result<StageResult, String>> + '_>> {
            let result = self.1.clone().map(|verdict| StageResult {
                verdict,
                ..StageResult::not_run(self.0, "")
            });
            Box::pin(std::future::ready(result))
        }
    }

    async fn outcome(stages: Vec<Fixed>) -> Verdict {
        let mut stages: Vec<Box<dyn Stage>> = stages
            .into_iter()
            .map(|s| Box::new(s) as Box<dyn Stage>)
            .collect();
        verdict(&run_all(&mut stages, |_| {}).await)
    }

    #[tokio::test]
    async fn an_empty_run_and_a_stage_that_could_not_run_never_pass() {
        let pass = || Fixed("a", Ok(Verdict::Pass));
        assert_eq!(outcome(vec![]).await, Verdict::Inconclusive);
        assert_eq!(outcome(vec![pass()]).await, Verdict::Pass);
        assert_eq!(
            outcome(vec![pass(), Fixed("b", Err("no such file".into()))]).await,
            Verdict::Inconclusive
        );
        assert_eq!(
            outcome(vec![Fixed("b", Err("x".into())), Fixed("c", Ok(Verdict::Fail))]).await,
            Verdict::Fail
        );
    }
}
