//! The settings as text: a file that can be read again, a difference, the manual.

use std::fmt::Write as _;

use crate::{
    load::{Loaded, Origin},
    settings::{KEYS, Key},
    value::MASK,
};

/// The settings in force as a `farmgate.toml`, each with its origin. What is not set, and secrets, which are masked,
/// stand in comments.
#[must_use]
pub fn print(loaded: &Loaded) -> String {
    let (mut text, mut section) = (String::new(), "");
    for key in KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            let _ = writeln!(text, "{}[{of}]", if section.is_empty() { "" } else { "\n" });
            section = of;
        }
        let value = (key.show)(&loaded.settings);
        let origin = match &loaded.origins[key.name] {
            Origin::Default => "default".to_owned(),
            Origin::File(line) => format!("file, line {line}"),
            Origin::Environment(name) => format!("environment, {name}"),
            Origin::Flag => "flag".to_owned(),
        };
        let comment = if value.is_empty() || value == MASK {
            "# "
        } else {
            ""
        };
        let _ = writeln!(text, "{comment}{name} = {} # {origin}", literal(value));
    }
    if !loaded.settings.features.is_empty() {
        text.push_str("\n[features]\n");
    }
    for (name, on) in &loaded.settings.features {
        let _ = writeln!(text, "{name} = {on}");
    }
    text
}

/// A value as TOML writes it: numbers and switches bare, all else in quotes.
fn literal(text: String) -> String {
    let bare = text == "true" || text == "false" || text.parse::<u64>().is_ok_and(|n| n.to_string() == text);
    if bare {
        text
    } else {
        toml::Value::String(text).to_string()
    }
}

/// The keys in which two configurations differ, with both values; secrets masked, so that only being set shows.
#[must_use]
pub fn difference(a: &Loaded, b: &Loaded) -> Vec<(&'static str, String, String)> {
    let both = |key: &Key| (key.name, (key.show)(&a.settings), (key.show)(&b.settings));
    KEYS.iter().map(both).filter(|(_, a, b)| a != b).collect()
}

/// `docs/configuration.md`.
#[must_use]
pub fn manual() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Flags before environment before `farmgate.toml` before defaults. Each variable also as `NAME_FILE`, which names a\n\
         file with the value, for mounted secrets. Unknown keys are errors. Any key can be set with `--set KEY=VALUE`; the\n\
         commonest have flags of their own, which `farmgate serve --help` lists. The file is `farmgate.toml` in the current\n\
         folder, or the one that `--config` or `FARMGATE_CONFIG` names. `farmgate config check` says what is wrong or\n\
         risky, `farmgate config print` what is in force and where it comes from, `farmgate config diff A B` where two\n\
         files part. Times: `500ms`, `30s`, `15m`, `24h`, `30d`. `FEATURE_NAME=true`, or\n\
         `name = true` under `[features]`, switches a feature.\n\n\
         This page is generated from the table of keys: `cargo run -p config --example manual > docs/configuration.md`.\n\n\
         | Key | Variable | Default | Effect |\n| --- | --- | --- | --- |\n",
    );
    for key in KEYS {
        let default = if key.default.is_empty() {
            "none".to_owned()
        } else {
            format!("`{}`", key.default)
        };
        let unused = key
            .unused
            .map(|why| format!(" **No effect yet**: {why}."))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {default} | {}{unused} |",
            key.name, key.env, key.doc
        );
    }
    text
}
