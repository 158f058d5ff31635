//! The settings as text: a file that can be read again, a difference, the manual.

use std::fmt::Write as _;

use crate::{
    load::{Loaded, Origin},
    settings::{KEYS, Key},
};

/// The settings in force as a `farmgate.toml`, secrets masked, each with its origin. What is not set is commented.
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
        let unset = if value.is_empty() { "# " } else { "" };
        let _ = writeln!(text, "{unset}{name} = {value:?} # {origin}");
    }
    if !loaded.settings.features.is_empty() {
        text.push_str("\n[features]\n");
    }
    for (name, on) in &loaded.settings.features {
        let _ = writeln!(text, "{name} = {on}");
    }
    text
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
         file with the value, for mounted secrets. Unknown keys are errors. `farmgate config check` says what is wrong or\n\
         risky, `farmgate config print` what is in force. Times: `500ms`, `30s`, `15m`, `24h`, `30d`. `FEATURE_NAME=true`, or\n\
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
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {default} | {} |",
            key.name, key.env, key.doc
        );
    }
    text
}
