//! The run: find the files, parse them side by side, put them together, judge, apply silences.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::finding::{Finding, Note, Raw, Report, Unread};
use crate::flow::{self, Facts};
use crate::graph;
use crate::ir::FileFacts;
use crate::parallel::in_parallel;
use crate::parse::{Parsed, parse_or_give_up};
use crate::rules::Rule;
use crate::silence::Silences;
use crate::source::{self, Crates, MAX_BYTES, Renames, Source};
use crate::state;
use crate::workspace::Workspace;

/// The check could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file or folder could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration is wrong.
    #[error("{path}: {reason}")]
    Config {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

const CONFIG_NAME: &str = "farmgate-check.toml";

/// Reads the configuration `given`, or the nearest `farmgate-check.toml` at or above `path`, or takes the defaults.
pub fn load_config(path: &Path, given: Option<&Path>) -> Result<Config, CheckError> {
    let absolute = path.canonicalize().map_err(|source| CheckError::Read {
        path: path.to_owned(),
        source,
    })?;
    let nearest = || {
        absolute
            .ancestors()
            .map(|folder| folder.join(CONFIG_NAME))
            .find(|file| file.is_file())
    };
    let Some(file) = given.map(Path::to_path_buf).or_else(nearest) else {
        return Ok(Config::default());
    };
    let text = std::fs::read_to_string(&file).map_err(|source| CheckError::Read {
        path: file.clone(),
        source,
    })?;
    Config::parse(&text).map_err(|reason| CheckError::Config { path: file, reason })
}

/// Checks all Rust files under `root`, a folder or one file.
pub fn check(root: &Path, config: &Config) -> Result<Report, CheckError> {
    let fail = |path: &Path, source| CheckError::Read {
        path: path.to_owned(),
        source,
    };
    let files = source::find(root, config).map_err(|error| fail(root, error))?;
    let mut crates = Crates::new(root);
    let (mut sources, mut unread) = (Vec::new(), Vec::new());
    for path in files {
        let file = source::relative(root, &path);
        let (module, edition) = crates.name(&path);
        match read(&path) {
            Ok(text) => sources.push(Source {
                file,
                text,
                module,
                edition,
            }),
            Err(reason) => unread.push(Unread {
                file,
                line: 0,
                column: 0,
                reason,
            }),
        }
    }
    let mut report = check_named(&sources, &crates.renames(), config);
    report.unread.extend(unread);
    Ok(report)
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!(
            "the file has {size} bytes; files over {MAX_BYTES} are not parsed"
        ));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Checks texts. The result does not depend on the order of threads.
pub fn check_sources(sources: &[Source], config: &Config) -> Report {
    check_named(sources, &Renames::new(), config)
}

fn check_named(sources: &[Source], renames: &Renames, config: &Config) -> Report {
    // What was lowered is as deep as its source, so even dropping it needs the large stack.
    in_parallel(1, |_| check_here(sources, renames, config))
        .pop()
        .unwrap_or_default()
}

fn check_here(sources: &[Source], renames: &Renames, config: &Config) -> Report {
    let parsed = in_parallel(sources.len(), |index| {
        parse_or_give_up(&sources[index], config.tests)
    });
    let mut report = Report {
        files: sources.len(),
        lines: sources.iter().map(|source| source.text.lines().count()).sum(),
        ..Report::default()
    };
    let mut files = Vec::new();
    for (source, parsed) in sources.iter().zip(parsed) {
        files.push(parsed.unwrap_or_else(|(pos, reason)| {
            report.unread.push(Unread {
                file: source.file.clone(),
                line: pos.line,
                column: pos.col,
                reason,
            });
            Parsed::default()
        }));
    }
    drop_test_modules(&mut files);
    let silences = Silences::new(&files);
    let mut ws = Workspace::new(config);
    ws.names.rename(renames);
    let mut raw = find(sources, files, ws, &silences);
    raw.retain(|raw| {
        config.applies(raw.rule, &sources[raw.file].file) && !silences.silenced(raw.file, raw.pos, raw.rule)
    });
    raw.extend(silences.faults(config, sources));
    report.findings = finish(raw, sources);
    report
}

/// Leaves out files that are modules under `#[cfg(test)]`.
fn drop_test_modules(files: &mut [Parsed]) {
    let tests: HashSet<String> = files
        .iter()
        .flat_map(|file| file.facts.test_modules.clone())
        .collect();
    for file in files.iter_mut() {
        let path = file
            .facts
            .modules
            .last()
            .map(|module| module.path.clone())
            .unwrap_or_default();
        if tests.iter().any(|test| {
            path == *test
                || path
                    .strip_prefix(test.as_str())
                    .is_some_and(|rest| rest.starts_with("::"))
        }) {
            *file = Parsed::default();
        }
    }
}

fn find(sources: &[Source], files: Vec<Parsed>, mut ws: Workspace, silences: &Silences) -> Vec<Raw> {
    let files: Vec<FileFacts> = files.into_iter().map(|file| file.facts).collect();
    declare(&mut ws, &files);
    let mut raw = shared_stores(&ws, &files);
    for (file, facts) in files.into_iter().enumerate() {
        facts.fns.into_iter().for_each(|def| ws.add_fn(file, def));
    }
    let facts = bodies(&mut ws, sources);
    raw.extend(graph::judge(&ws, &facts, &|file, pos, rule| {
        silences.silenced(file, pos, rule)
    }));
    raw
}

/// Makes known what the files declare, besides functions.
fn declare(ws: &mut Workspace, files: &[FileFacts]) {
    for facts in files {
        facts.modules.iter().for_each(|module| ws.names.add(module));
        let key = |module: &str, name: &str| crate::names::join(module, name);
        ws.structs.extend(
            facts
                .structs
                .iter()
                .map(|def| (key(&def.module, &def.name), def.clone())),
        );
        ws.aliases.extend(
            facts
                .aliases
                .iter()
                .map(|def| (key(&def.module, &def.name), def.clone())),
        );
    }
    ws.names.seal();
    // Their types can be read only when all names are known.
    for facts in files {
        for def in &facts.statics {
            let scope = crate::workspace::Scope {
                module: &def.module,
                ..Default::default()
            };
            let ty = ws.ty(&scope, &def.ty);
            ws.statics.insert(crate::names::join(&def.module, &def.name), ty);
        }
    }
}

fn shared_stores(ws: &Workspace, files: &[FileFacts]) -> Vec<Raw> {
    let mut raw = Vec::new();
    for (file, facts) in files.iter().enumerate() {
        for declared in state::find(ws, facts) {
            let message = format!("`{}` is one lock around a whole store", declared.what);
            let function = facts
                .modules
                .last()
                .map(|module| module.path.clone())
                .unwrap_or_default();
            raw.push(Raw {
                rule: Rule::SharedStoreLock,
                file,
                pos: declared.pos,
                function,
                message,
                notes: Vec::new(),
            });
        }
    }
    raw
}

/// Reads all bodies; first those that callers must know something of.
fn bodies(ws: &mut Workspace, sources: &[Source]) -> Vec<Facts> {
    let takes_function = |name: &str| name.starts_with("Fn");
    let hinting: Vec<usize> = (0..ws.fns.len())
        .filter(|id| {
            let scope = ws.scope(*id);
            let def = &ws.fns[*id].def;
            let gives_guard = def
                .ret
                .as_ref()
                .is_some_and(|ret| ws.ty(&scope, ret).name().starts_with("Deref"));
            gives_guard
                || def
                    .params
                    .iter()
                    .any(|(_, ty)| takes_function(ws.ty(&scope, ty).core().name()))
        })
        .collect();
    // Twice, so that a function that only hands its closure on is known too.
    for _ in 0..2 {
        for id in &hinting {
            let hint = flow::run(ws, *id, sources[ws.fns[*id].file].edition).hint;
            ws.hints.insert(*id, hint);
        }
    }
    let ws = &*ws;
    in_parallel(ws.fns.len(), |id| {
        flow::run(ws, id, sources[ws.fns[id].file].edition)
    })
}

/// Sorts, keeps one finding per rule and line, and adds texts and fingerprints.
fn finish(raw: Vec<Raw>, sources: &[Source]) -> Vec<Finding> {
    let mut by_place = BTreeMap::new();
    for raw in raw {
        by_place
            .entry((sources[raw.file].file.as_str(), raw.pos.line, raw.rule))
            .or_insert(raw);
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    by_place
        .into_values()
        .map(|raw| {
            let source = line_of(&sources[raw.file], raw.pos.line).trim_end().to_owned();
            let file = sources[raw.file].file.clone();
            let key = format!("{}\n{file}\n{}\n{}", raw.rule.id(), raw.function, source.trim());
            let nth = seen.entry(key.clone()).or_default();
            *nth += 1;
            let digest = Sha256::digest(format!("{key}\n{nth}"));
            let note = |(file, line, text): (usize, u32, String)| Note {
                file: sources[file].file.clone(),
                line,
                text,
            };
            Finding {
                rule: raw.rule,
                file,
                line: raw.pos.line,
                column: raw.pos.col,
                function: raw.function,
                message: raw.message,
                source,
                notes: raw.notes.into_iter().map(note).collect(),
                fingerprint: hex::encode(&digest[..12]),
            }
        })
        .collect()
}

fn line_of(source: &Source, line: u32) -> &str {
    let index = line.saturating_sub(1) as usize;
    source.text.lines().nth(index).unwrap_or_default()
}
