//! `docs/check.md`, written from the rules' own texts so that it cannot drift from them.

use std::fmt::Write;

use crate::output::{Ci, ci};
use crate::rules::Rule;

/// The whole document.
pub fn markdown() -> String {
    let mut text = include_str!("docs_head.md").to_owned();
    for rule in Rule::ALL {
        let _ = write!(text, "\n{}", explain(rule));
    }
    let _ = write!(
        text,
        "\n## In CI\n\n`farmgate check --print-ci github` prints this workflow:\n\n```yaml\n{}```\n",
        ci(Ci::Github)
    );
    let _ = write!(
        text,
        "\n`farmgate check --print-ci pre-commit` prints this hook:\n\n```yaml\n{}```\n",
        ci(Ci::PreCommit)
    );
    text
}

/// One rule as Markdown: what, why, mend, a bad and a good example.
pub fn explain(rule: Rule) -> String {
    let rule = rule.text();
    format!(
        "### `{}`: {}\n\n{}\n\n**Mend:** {}\n\nBad:\n\n```rust\n{}```\n\nGood:\n\n```rust\n{}```\n",
        rule.id, rule.title, rule.why, rule.mend, rule.bad, rule.good
    )
}
