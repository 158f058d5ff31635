//! `farmgate-check.toml`: which files, which pools, and what each rule leaves out. Every exception carries its reason.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::rules::Rule;

/// The configuration of a check. Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Also check `#[test]` functions, `#[cfg(test)]` modules, `tests/` and `benches/`. Default: false.
    pub tests: bool,
    /// Files and folders, relative to the checked folder, that are not read. `*` stands for any text. Default: none.
    pub exclude: Vec<String>,
    /// Functions that run a closure elsewhere than on a worker, as `crate::module::function` or `crate::Type::method`.
    /// `spawn_blocking`, threads and rayon are known. Default: none.
    pub pools: Vec<String>,
    /// Further types that block like `std::sync::Mutex`, as `crate::Type`. Default: none.
    pub locks: Vec<String>,
    /// Further types and functions that call the network or a database. Default: none.
    pub network: Vec<String>,
    /// Exceptions and additions by rule.
    pub rules: BTreeMap<String, RuleConfig>,
}

/// What one rule does differently here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleConfig {
    /// `false` turns the rule off. Default: true.
    pub enabled: bool,
    /// Files in which the rule is off; `*` stands for any text. Default: none.
    pub exclude: Vec<String>,
    /// Functions whose calls the rule does not report, by full path. Default: none.
    pub except: Vec<String>,
    /// Functions whose calls the rule reports as well, by full path. Default: none.
    pub also: Vec<String>,
    /// Why: needed as soon as the rule finds less than by default.
    pub because: Option<String>,
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            exclude: Vec::new(),
            except: Vec::new(),
            also: Vec::new(),
            because: None,
        }
    }
}

impl Config {
    /// Reads a configuration; the error says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (id, rule) in &config.rules {
            if Rule::from_id(id).is_none() {
                return Err(format!(
                    "[rules.{id}]: there is no rule of this name; see `farmgate check --list-rules`"
                ));
            }
            let less = !rule.enabled || !rule.exclude.is_empty() || !rule.except.is_empty();
            let reason = rule.because.as_deref().unwrap_or_default().trim();
            if less && reason.is_empty() {
                return Err(format!(
                    "[rules.{id}]: it finds less than by default, so `because = \"..\"` must say why"
                ));
            }
        }
        Ok(config)
    }

    pub(crate) fn rule(&self, rule: Rule) -> Option<&RuleConfig> {
        self.rules.get(rule.id())
    }

    /// The rule applies to this file at all.
    pub(crate) fn applies(&self, rule: Rule, file: &str) -> bool {
        self.rule(rule)
            .is_none_or(|config| config.enabled && !config.exclude.iter().any(|glob| matches(glob, file)))
    }

    pub(crate) fn excludes(&self, file: &str) -> bool {
        self.exclude.iter().any(|glob| matches(glob, file))
    }
}

/// `glob` names the file or a folder above it; `*` stands for any text.
fn matches(glob: &str, file: &str) -> bool {
    let glob = glob.trim_end_matches('/');
    wild(glob.as_bytes(), file.as_bytes()) || wild(format!("{glob}/*").as_bytes(), file.as_bytes())
}

/// Greedy matching with one point of return: time is at most the product of both lengths.
fn wild(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        if glob.get(g) == Some(&b'*') {
            back = Some((g, t));
            g += 1;
        } else if glob.get(g) == Some(&text[t]) {
            (g, t) = (g + 1, t + 1);
        } else if let Some((star, taken)) = back {
            back = Some((star, taken + 1));
            (g, t) = (star + 1, taken + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_without_a_reason_is_refused() {
        let error = Config::parse("[rules.blocking-fs]\nenabled = false").unwrap_err();
        assert!(error.contains("because"), "{error}");
        assert!(Config::parse("[rules.blocking-fs]\nenabled = false\nbecause = 'a tool'").is_ok());
    }

    #[test]
    fn unknown_rules_and_keys_are_refused() {
        assert!(
            Config::parse("[rules.no-such]\nenabled = true")
                .unwrap_err()
                .contains("no rule")
        );
        assert!(Config::parse("speed = 3").unwrap_err().contains("speed"));
    }

    #[test]
    fn a_glob_names_a_file_or_a_folder() {
        assert!(matches("crates/a", "crates/a/src/lib.rs"));
        assert!(matches("crates/*/src/main.rs", "crates/a/src/main.rs"));
        assert!(!matches("crates/a", "crates/ab/src/lib.rs"));
        assert!(!matches("*.toml", "crates/a/src/lib.rs"));
    }
}
