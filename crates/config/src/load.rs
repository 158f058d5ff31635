//! Putting the sources together: every problem is found at once, each with its place and a hint.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    time::Duration,
};

use crate::{
    file,
    settings::{KEYS, Key, Settings},
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// The file, at this line.
    File(usize),
    /// This variable of the environment.
    Environment(String),
    /// A flag.
    Flag,
}

/// What is read.
pub struct Sources<'a> {
    /// `key=value` of flags, such as `http.port=0`.
    pub flags: &'a [(String, String)],
    /// The environment.
    pub environment: &'a HashMap<String, String>,
    /// Name and text of the file, if there is one.
    pub file: Option<(&'a str, &'a str)>,
    /// Reads the files that `NAME_FILE` variables name.
    pub read_file: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a file with its line, a variable, a flag.
    pub place: String,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Everything that is wrong. No value is shown: it might be a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the configuration is not valid:\n{}", .0.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

/// The settings and where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Where each key's value came from, by the key's name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// Variables that begin like ours and mean nothing to any command: perhaps a mistake, perhaps another program's.
    pub strangers: Vec<String>,
}

/// Variables of other commands and of the tests.
const OTHERS: [&str; 3] = ["FARMGATE_CONFIG", "FARMGATE_TOKEN", "FARMGATE_PASSWORD"];
/// What variables of the tests begin with.
const TESTS: &str = "FARMGATE_TEST_";

#[derive(Default)]
struct Gathered {
    values: BTreeMap<&'static str, (String, Origin)>,
    features: BTreeMap<String, bool>,
    strangers: Vec<String>,
    problems: Vec<Problem>,
}

/// Reads all sources.
///
/// # Errors
/// Everything that is unknown or cannot be read.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let mut gathered = Gathered::default();
    gathered.file(sources);
    gathered.environment(sources);
    gathered.flags(sources);
    let Gathered {
        values,
        features,
        strangers,
        problems,
    } = gathered;
    if !problems.is_empty() {
        return Err(ConfigError(problems));
    }
    let text = |key: &Key| match values.get(key.name) {
        Some((text, _)) => text.clone(),
        None => key.default.to_owned(),
    };
    let settings = Settings::read(text, features).map_err(|text| ConfigError(vec![general(text)]))?;
    let contradictions = contradictions(&settings);
    if !contradictions.is_empty() {
        return Err(ConfigError(contradictions));
    }
    let origin = |key: &Key| match values.get(key.name) {
        Some((_, origin)) => origin.clone(),
        None => Origin::Default,
    };
    Ok(Loaded {
        settings,
        origins: KEYS.iter().map(|key| (key.name, origin(key))).collect(),
        strangers,
    })
}

fn general(text: impl Into<String>) -> Problem {
    Problem {
        place: "settings".to_owned(),
        text: text.into(),
    }
}

/// Time after which a request that has not answered counts as dead, and its idempotency key is free for another.
const LONGEST_REQUEST: Duration = Duration::from_secs(120);

/// Settings that are sound alone and cannot be meant together.
fn contradictions(settings: &Settings) -> Vec<Problem> {
    let tls = settings.tls_certificate.is_some();
    let mail = settings.smtp_host.is_some();
    let found = [
        (
            mail && settings.mail_from.is_none(),
            "`mail.host` needs `mail.from` (MAIL_FROM): the address that mail is sent from",
        ),
        (
            mail && settings.public_url.is_none(),
            "`mail.host` needs `http.public_url` (PUBLIC_URL): where a mail says that its reader finds this server",
        ),
        (
            settings.smtp_user.is_some() != settings.smtp_password.is_some(),
            "`mail.user` and `mail.password` need each other: set both, or none",
        ),
        (
            tls != settings.tls_key.is_some(),
            "`http.tls_certificate` and `http.tls_key` need each other: set both, or none",
        ),
        (
            settings.redirect_port.is_some() && !tls,
            "`http.redirect_port` needs TLS: set `http.tls_certificate` and `http.tls_key`",
        ),
        (
            settings.request_time >= LONGEST_REQUEST,
            "`http.request_time` must be below 2m: after that the idempotency key of a request is free again, and the request could happen twice",
        ),
    ];
    let present = found.into_iter().filter(|(present, _)| *present);
    present.map(|(_, text)| general(text)).collect()
}

impl Gathered {
    fn problem(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem {
            place: place.into(),
            text: text.into(),
        });
    }

    fn take(&mut self, key: &'static Key, text: String, origin: Origin, place: &str) {
        match (key.check)(&text) {
            Ok(()) => drop(self.values.insert(key.name, (text, origin))),
            Err(expected) => self.problem(place, format!("`{}`: {expected}", key.name)),
        }
    }

    fn feature(&mut self, name: &str, text: &str, place: &str) {
        match <bool as crate::value::Setting>::read(text) {
            Ok(on) => drop(self.features.insert(name.to_lowercase(), on)),
            Err(expected) => self.problem(place, format!("`features.{}`: {expected}", name.to_lowercase())),
        }
    }

    fn file(&mut self, sources: &Sources<'_>) {
        let Some((name, text)) = sources.file else { return };
        let entries = match file::entries(text) {
            Ok(entries) => entries,
            Err((line, text)) => return self.problem(format!("{name}:{line}"), text),
        };
        for entry in entries {
            let place = format!("{name}:{}", entry.line);
            if let Some(feature) = entry.key.strip_prefix("features.") {
                self.feature(feature, &entry.text, &place);
            } else if let Some(key) = KEYS.iter().find(|key| key.name == entry.key) {
                self.take(key, entry.text, Origin::File(entry.line), &place);
            } else {
                self.problem(place, unknown(&entry.key, KEYS.iter().map(|key| key.name)));
            }
        }
    }

    fn environment(&mut self, sources: &Sources<'_>) {
        for key in KEYS {
            let from_file = format!("{}_FILE", key.env);
            match (
                sources.environment.get(key.env),
                sources.environment.get(&from_file),
            ) {
                (Some(_), Some(_)) => {
                    self.problem(from_file, format!("`{}` is set too: keep one of them", key.env));
                }
                (Some(text), None) => {
                    self.take(
                        key,
                        text.clone(),
                        Origin::Environment(key.env.to_owned()),
                        key.env,
                    );
                }
                (None, Some(path)) => match (sources.read_file)(Path::new(path)) {
                    Ok(text) => {
                        let text = text.trim_end_matches(['\r', '\n']).to_owned();
                        self.take(key, text, Origin::Environment(from_file.clone()), &from_file);
                    }
                    Err(error) => self.problem(from_file, format!("cannot read {path}: {error}")),
                },
                (None, None) => {}
            }
        }
        let mut names: Vec<_> = sources.environment.keys().collect();
        names.sort();
        for name in names {
            if let Some(feature) = name.strip_prefix("FEATURE_") {
                self.feature(feature, &sources.environment[name], name);
            } else if name.starts_with("FARMGATE_") {
                self.ours(name);
            }
        }
    }

    /// A variable that begins like ours. One that looks like a misspelt key is an error; any other may be somebody
    /// else's, such as those that Kubernetes makes up for a service called `farmgate`.
    fn ours(&mut self, name: &str) {
        let stem = name.strip_suffix("_FILE").unwrap_or(name);
        let known = KEYS.iter().any(|key| key.env == name || key.env == stem);
        if known || OTHERS.contains(&name) || name.starts_with(TESTS) {
            return;
        }
        match near(name, KEYS.iter().map(|key| key.env)) {
            Some(near) => self.problem(name, did_you_mean(name, near)),
            None => self.strangers.push(name.to_owned()),
        }
    }

    fn flags(&mut self, sources: &Sources<'_>) {
        for (name, text) in sources.flags {
            match KEYS.iter().find(|key| key.name == name) {
                Some(key) => self.take(key, text.clone(), Origin::Flag, "flag"),
                None => self.problem("flag", unknown(name, KEYS.iter().map(|key| key.name))),
            }
        }
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    match near(name, known) {
        Some(near) => did_you_mean(name, near),
        None => format!("unknown key `{name}`: `farmgate config print` lists the known ones"),
    }
}

fn did_you_mean(name: &str, near: &str) -> String {
    format!("unknown key `{name}`: did you mean `{near}`?")
}

/// The known key that a name may be a misspelling of.
fn near(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let nearest = known.map(|known| (distance(name, known), known)).min();
    nearest
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, known)| known)
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let cost = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = cost.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
