//! `// farmgate: allow(rule) because reason`: reading it, what it covers, and whether it was of use.

use std::cell::RefCell;
use std::collections::HashSet;

use crate::config::Config;
use crate::finding::Raw;
use crate::ir::Pos;
use crate::parse::Parsed;
use crate::rules::Rule;
use crate::source::Source;

/// A silence as written.
#[derive(Clone, Debug)]
pub struct Silence {
    pub line: u32,
    pub col: u32,
    /// First and last line that it covers.
    pub covers: (u32, u32),
    /// The rules, or what is wrong with it.
    pub rules: Result<Vec<Rule>, String>,
}

const MARK: &str = "farmgate:";

/// A reason has at least this many letters and digits: `ok` and `x` tell the next reader nothing.
const MIN_REASON: usize = 3;

/// Reads the silences of a file. `in_text` tells whether a place (line, column from 0) is inside a literal;
/// `extents` are the lines of all statements, fields and items.
pub fn read(text: &str, extents: &[(u32, u32)], in_text: impl Fn(u32, u32) -> bool) -> Vec<Silence> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((start, comment)) = comment(line) else {
            continue;
        };
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let col = u32::try_from(line[..start].chars().count()).unwrap_or(u32::MAX);
        if in_text(number, col) {
            continue;
        }
        let alone = line[..start].trim().is_empty();
        let target = if alone { next_code(&lines, index) } else { number };
        let end = match alone {
            true => extents
                .iter()
                .filter(|(first, _)| *first == target)
                .map(|(_, last)| *last)
                .max(),
            false => None,
        };
        found.push(Silence {
            line: number,
            col: col + 1,
            covers: (target, end.unwrap_or(target)),
            rules: parse(comment),
        });
    }
    found
}

/// The comment that carries our mark: where it starts, and what follows the mark.
fn comment(line: &str) -> Option<(usize, &str)> {
    let mark = line.find(MARK)?;
    let start = line[..mark].rfind("//")?;
    let between = &line[start + 2..mark];
    between
        .trim()
        .is_empty()
        .then(|| (start, line[mark + MARK.len()..].trim()))
}

/// The next line that holds code: neither empty, nor a comment, nor an attribute.
fn next_code(lines: &[&str], index: usize) -> u32 {
    let after = lines.iter().enumerate().skip(index + 1);
    let code = |line: &str| !line.is_empty() && !line.starts_with("//");
    let found = after
        .into_iter()
        .find(|(_, line)| code(line.trim()))
        .map_or(index + 1, |(found, _)| found + 1);
    u32::try_from(found).unwrap_or(u32::MAX)
}

fn parse(comment: &str) -> Result<Vec<Rule>, String> {
    let form = "write `// farmgate: allow(rule) because reason`";
    let rest = comment
        .strip_prefix("allow(")
        .ok_or_else(|| format!("not understood: {form}"))?;
    let (names, rest) = rest
        .split_once(')')
        .ok_or_else(|| format!("the bracket is not closed: {form}"))?;
    let mut rules = Vec::new();
    for name in names.split(',').map(str::trim) {
        rules.push(Rule::from_id(name).ok_or_else(|| format!("there is no rule `{name}`"))?);
    }
    let reason = rest.trim().strip_prefix("because").unwrap_or_default();
    match reason.chars().filter(|char| char.is_alphanumeric()).count() {
        0 => Err(format!("it gives no reason: {form}")),
        1..MIN_REASON => Err(format!(
            "its reason is too short to be one: write at least {MIN_REASON} letters or digits"
        )),
        _ => Ok(rules),
    }
}

/// The silences of all files, and which of them were of use.
pub struct Silences {
    files: Vec<Vec<Silence>>,
    used: RefCell<HashSet<(usize, u32, Rule)>>,
}

impl Silences {
    pub fn new(files: &[Parsed]) -> Self {
        Self {
            files: files.iter().map(|file| file.silences.clone()).collect(),
            used: RefCell::default(),
        }
    }

    pub fn silenced(&self, file: usize, pos: Pos, rule: Rule) -> bool {
        let mut any = false;
        for silence in &self.files[file] {
            let covers = silence.covers.0 <= pos.line && pos.line <= silence.covers.1;
            if covers && silence.rules.as_ref().is_ok_and(|rules| rules.contains(&rule)) {
                self.used.borrow_mut().insert((file, silence.line, rule));
                any = true;
            }
        }
        any
    }

    pub fn faults(&self, config: &Config, sources: &[Source]) -> Vec<Raw> {
        let mut raw = Vec::new();
        for (file, silences) in self.files.iter().enumerate() {
            for silence in silences {
                let pos = Pos {
                    line: silence.line,
                    col: silence.col,
                };
                let mut report = |rule: Rule, message: String| {
                    if config.applies(rule, &sources[file].file) {
                        let function = sources[file].module.clone();
                        raw.push(Raw {
                            rule,
                            file,
                            pos,
                            function,
                            message,
                            notes: Vec::new(),
                        });
                    }
                };
                match &silence.rules {
                    Err(reason) => report(Rule::InvalidSilence, reason.clone()),
                    Ok(rules) => {
                        for rule in rules
                            .iter()
                            .filter(|rule| !self.used.borrow().contains(&(file, silence.line, **rule)))
                        {
                            report(
                                Rule::UnusedSilence,
                                format!("there is no `{}` here to silence", rule.id()),
                            );
                        }
                    }
                }
            }
        }
        raw
    }
}
