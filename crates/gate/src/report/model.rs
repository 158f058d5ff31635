//! What a report says, as `report.json` writes it; `docs/report.schema.json` is generated from these types. The
//! evidence of each kind of stage is in `evidence`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::evidence::{CompareReport, LoadReport, SmokeReport, SoakReport};
use crate::verdict::Verdict;

/// Name of the format; the number grows when a reader of the old one would misread the new one.
pub const SCHEMA: &str = "farmgate-report/1";

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always `farmgate-report/1`.
    pub schema: String,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// Name of what was tested.
    pub name: String,
    /// Base URL of what was tested, without credentials.
    pub target: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where it ran.
    pub environment: Environment,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in the order a reader needs: failures, doubts, then what held.
    pub reasons: Vec<String>,
    /// The stages in the order they ran.
    pub stages: Vec<StageResult>,
    /// SHA-256 of everything above in canonical JSON (RFC 8785); what a sign-off refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_sha256: Option<String>,
}

/// The machine of the generator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Operating system and architecture.
    pub system: String,
    /// Processors available to the tool.
    pub processors: usize,
    /// The arguments it was called with, secrets left out.
    pub command: Vec<String>,
}

impl Environment {
    /// This machine, and the command line given.
    pub fn here(command: Vec<String>) -> Self {
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            command,
        }
    }
}

/// What a stage found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageResult {
    /// Name of the stage.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The evidence.
    pub detail: Detail,
}

impl StageResult {
    /// A stage that could not be carried out: inconclusive, never a pass.
    pub fn not_run(name: &str, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::Inconclusive,
            reasons: vec![format!("not run: {why}")],
            seconds: 0.0,
            detail: Detail::None,
        }
    }
}

/// The evidence of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// There is none: the stage was not run.
    None,
    /// Scenarios run once.
    Smoke(SmokeReport),
    /// A load run.
    Load(Box<LoadReport>),
    /// A soak.
    Soak(Box<SoakReport>),
    /// A comparison.
    Compare(CompareReport),
    /// A stage of another crate: facts and findings.
    Findings {
        /// Facts as pairs of name and value.
        facts: Vec<(String, String)>,
        /// What was found.
        findings: Vec<Finding>,
    },
}

/// Something a stage of another crate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable name of the rule.
    pub rule: String,
    /// What is wrong, in one sentence.
    pub title: String,
    /// Where: a file and line, or a request.
    pub place: String,
    /// The evidence.
    pub detail: String,
}

impl Report {
    /// Reads a report in JSON.
    ///
    /// # Errors
    /// Where the text is no report.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// A report of these stages, with the verdict of all together and its hash.
    pub fn new(
        name: &str,
        target: &str,
        seed: u64,
        environment: Environment,
        stages: Vec<StageResult>,
    ) -> Self {
        let verdict = crate::stage::verdict(&stages);
        let mut reasons = Vec::new();
        for wanted in [Verdict::Fail, Verdict::Inconclusive, Verdict::Pass] {
            for stage in stages.iter().filter(|stage| stage.verdict == wanted) {
                reasons.extend(
                    stage
                        .reasons
                        .iter()
                        .map(|reason| format!("{}: {reason}", stage.name)),
                );
            }
        }
        if stages.is_empty() {
            reasons.push("nothing was run".to_owned());
        }
        Self {
            schema: SCHEMA.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
            target: without_credentials(target),
            started: String::new(),
            finished: String::new(),
            seed,
            environment,
            verdict,
            reasons,
            stages,
            evidence_sha256: None,
        }
    }

    /// Sets the times and seals the report with the hash of its evidence.
    pub fn seal(mut self, started: String, finished: String) -> Self {
        self.started = started;
        self.finished = finished;
        self.evidence_sha256 = None;
        self.evidence_sha256 = Some(self.hash());
        self
    }

    /// True if the hash fits what the report says.
    pub fn is_intact(&self) -> bool {
        let bare = Self {
            evidence_sha256: None,
            ..self.clone()
        };
        self.evidence_sha256.as_deref() == Some(bare.hash().as_str())
    }

    fn hash(&self) -> String {
        let value = serde_json::to_value(self).expect("a report is plain data");
        let canonical = serde_json_canonicalizer::to_vec(&value).expect("JSON values have a canonical form");
        hex::encode(Sha256::digest(canonical))
    }
}

fn without_credentials(target: &str) -> String {
    let Ok(mut url) = target.parse::<url::Url>() else {
        return target.to_owned();
    };
    // Fails only for URLs that cannot carry credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// The JSON Schema of `report.json`.
pub fn schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(Report)).expect("a schema is plain data")
}
