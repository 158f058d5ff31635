//! The three answers a stage or a run can give, how they combine, and the exit code of each.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Exit code for a usage error or a failure of the tool itself: no verdict was reached.
pub const EXIT_TOOL_ERROR: u8 = 3;

/// What a stage or a whole run concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything promised was measured and held.
    Pass,
    /// Something promised was measured and did not hold.
    Fail,
    /// Something promised could not be measured, so nothing may be concluded.
    Inconclusive,
}

impl Verdict {
    /// Exit code of the process: 0 pass, 1 fail, 2 inconclusive.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Inconclusive => 2,
        }
    }

    /// The verdict of both together: a failure outweighs a doubt, a doubt outweighs a pass.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fail, _) | (_, Self::Fail) => Self::Fail,
            (Self::Inconclusive, _) | (_, Self::Inconclusive) => Self::Inconclusive,
            (Self::Pass, Self::Pass) => Self::Pass,
        }
    }

    /// The verdict of all together; of nothing at all it is inconclusive, because an empty run proves nothing.
    pub fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts
            .into_iter()
            .reduce(Self::and)
            .unwrap_or(Self::Inconclusive)
    }

    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// The doubt about a scenario that sends nothing, or of whose answers nothing is asserted.
pub(crate) fn proves_nothing(name: &str) -> String {
    format!("{name}: sends nothing or asserts nothing, so it proves nothing")
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Fail, Inconclusive, Pass};

    #[test]
    fn nothing_at_all_never_passes() {
        assert_eq!(Verdict::all([]), Inconclusive);
    }

    #[test]
    fn a_failure_outweighs_a_doubt_and_a_doubt_outweighs_a_pass() {
        assert_eq!(Verdict::all([Pass, Inconclusive, Fail, Pass]), Fail);
        assert_eq!(Verdict::all([Pass, Inconclusive]), Inconclusive);
        assert_eq!(Verdict::all([Pass, Pass]), Pass);
    }

    #[test]
    fn exit_codes_are_those_of_the_manual() {
        assert_eq!([Pass, Fail, Inconclusive].map(Verdict::exit_code), [0, 1, 2]);
    }
}
