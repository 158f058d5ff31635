//! Everything a run measured, by phase and tag, and the questions thresholds and reports ask of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cell, Recorder};

/// Whether a tag stands for one HTTP request of a scenario or for the scenario from its first to its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagKind {
    /// A whole scenario.
    Journey,
    /// One request.
    Request,
}

/// What a sample is filed under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tag {
    /// A journey or a request.
    pub kind: TagKind,
    /// Name of the scenario it belongs to.
    pub scenario: String,
    /// Name of the request, or of the scenario for a journey.
    pub name: String,
}

impl Tag {
    fn answers_to(&self, word: &str) -> bool {
        let path = word
            .strip_prefix(self.scenario.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        self.name == word || self.scenario == word || path == Some(self.name.as_str())
    }
}

/// Which samples a figure is taken from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Tag or phase name; `None` means every request.
    pub word: Option<String>,
    /// Journeys instead of requests.
    pub journeys: bool,
    /// Warm-up phases instead of the others.
    pub warmup: bool,
}

/// The cells of all phases and tags.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Tags, by index.
    pub tags: Vec<Tag>,
    /// Phase names, by index.
    pub phases: Vec<String>,
    /// Whether each phase is warm-up.
    pub warmup: Vec<bool>,
    /// Seconds each phase has run so far.
    pub seconds: Vec<f64>,
    /// By tag: what was wrong with the first answer that was not as asserted.
    pub examples: BTreeMap<usize, String>,
    cells: Vec<Option<Box<Cell>>>,
}

impl Measured {
    /// Nothing measured yet.
    pub fn new(tags: Vec<Tag>, phases: Vec<(String, bool)>) -> Self {
        let cells = (0..tags.len() * phases.len()).map(|_| None).collect();
        let seconds = vec![0.0; phases.len()];
        let (phases, warmup) = phases.into_iter().unzip();
        Self {
            tags,
            phases,
            warmup,
            seconds,
            examples: BTreeMap::new(),
            cells,
        }
    }

    /// Adds what a generator thread recorded.
    pub fn absorb(&mut self, recorder: &Recorder) {
        for (phase, tag, cell) in recorder.cells() {
            self.add(phase, tag, cell);
        }
        for (tag, what) in &recorder.examples {
            self.examples
                .entry(usize::from(*tag))
                .or_insert_with(|| what.clone());
        }
    }

    /// Adds one cell.
    pub fn add(&mut self, phase: usize, tag: usize, cell: &Cell) {
        let index = phase * self.tags.len() + tag;
        self.cells[index].get_or_insert_default().merge(cell);
    }

    /// One cell, if anything was recorded there.
    pub fn cell(&self, phase: usize, tag: usize) -> Option<&Cell> {
        self.cells[phase * self.tags.len() + tag].as_deref()
    }

    /// True if a scenario, request or phase has this name; without it a threshold on the name can never hold.
    pub fn knows(&self, word: &str) -> bool {
        self.tags.iter().any(|tag| tag.answers_to(word)) || self.phases.iter().any(|phase| phase == word)
    }

    /// All selected cells as one.
    pub fn select(&self, selection: &Selection) -> Cell {
        let mut sum = Cell::default();
        for phase in self.phases_of(selection) {
            for tag in self.tags_of(selection) {
                if let Some(cell) = self.cell(phase, tag) {
                    sum.merge(cell);
                }
            }
        }
        sum
    }

    /// Seconds over which the selected samples were taken.
    pub fn seconds_of(&self, selection: &Selection) -> f64 {
        self.phases_of(selection).map(|phase| self.seconds[phase]).sum()
    }

    fn phase_named<'a>(&self, selection: &'a Selection) -> Option<&'a str> {
        let word = selection.word.as_deref()?;
        let is_tag = self.tags.iter().any(|tag| tag.answers_to(word));
        (!is_tag && self.phases.iter().any(|phase| phase == word)).then_some(word)
    }

    fn phases_of<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = usize> + 'a {
        let named = self.phase_named(selection);
        (0..self.phases.len()).filter(move |&phase| {
            self.warmup[phase] == selection.warmup && named.is_none_or(|name| self.phases[phase] == name)
        })
    }

    fn tags_of<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = usize> + 'a {
        let kind = if selection.journeys {
            TagKind::Journey
        } else {
            TagKind::Request
        };
        let word = selection
            .word
            .as_deref()
            .filter(|_| self.phase_named(selection).is_none());
        (0..self.tags.len()).filter(move |&tag| {
            let tag = &self.tags[tag];
            tag.kind == kind && word.is_none_or(|word| tag.answers_to(word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Answer;

    fn measured() -> Measured {
        let tag = |kind, name: &str| Tag {
            kind,
            scenario: "shop".to_owned(),
            name: name.to_owned(),
        };
        let tags = vec![
            tag(TagKind::Journey, "shop"),
            tag(TagKind::Request, "login"),
            tag(TagKind::Request, "list"),
        ];
        let phases = ["warm", "low", "high"]
            .map(|name| (name.to_owned(), name == "warm"))
            .to_vec();
        let mut measured = Measured::new(tags, phases);
        measured.seconds = vec![1.0, 2.0, 3.0];
        for phase in 0..3 {
            for tag in 0..3 {
                let mut cell = Cell::default();
                for _ in 0..=(phase * 3 + tag) {
                    cell.record(Answer::Ok, 200, 1, 100);
                }
                measured.add(phase, tag, &cell);
            }
        }
        measured
    }

    fn total(word: Option<&str>, journeys: bool) -> u64 {
        let selection = Selection {
            word: word.map(str::to_owned),
            journeys,
            warmup: false,
        };
        measured().select(&selection).tally.total()
    }

    #[test]
    fn warm_up_is_left_out_and_journeys_are_not_counted_as_requests() {
        assert_eq!(total(None, false), 5 + 6 + 8 + 9);
        assert_eq!(total(None, true), 4 + 7);
    }

    #[test]
    fn a_word_selects_a_request_a_scenario_a_path_or_a_phase() {
        assert_eq!(total(Some("login"), false), 5 + 8);
        assert_eq!(total(Some("shop"), false), 5 + 6 + 8 + 9);
        assert_eq!(total(Some("shop/list"), false), 6 + 9);
        assert_eq!(total(Some("high"), false), 8 + 9);
        assert_eq!(total(Some("nobody"), false), 0);
        assert!(!measured().knows("nobody") && measured().knows("high"));
    }

    #[test]
    fn a_phase_is_measured_over_its_own_time() {
        let high = Selection {
            word: Some("high".to_owned()),
            ..Selection::default()
        };
        assert_eq!(measured().seconds_of(&high), 3.0);
        assert_eq!(measured().seconds_of(&Selection::default()), 5.0);
    }
}
