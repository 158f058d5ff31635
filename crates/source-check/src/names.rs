//! From a path as written to the path it means: imports, renames, globs, re-exports, `crate`, `self`, `super`.

use std::collections::{HashMap, HashSet};

use crate::ir::Module;

/// Names that a glob import of a foreign crate is known to bring, by their full path.
const GLOB_NAMES: &[&str] = &[
    "std::sync::Arc",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::MutexGuard",
    "std::sync::RwLockReadGuard",
    "std::sync::RwLockWriteGuard",
    "std::sync::LazyLock",
    "std::sync::OnceLock",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::BTreeMap",
    "std::collections::BTreeSet",
    "std::collections::VecDeque",
    "std::thread::sleep",
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::fs::read",
    "std::fs::write",
    "std::fs::read_to_string",
    "std::fs::read_dir",
    "std::fs::create_dir_all",
    "std::fs::remove_file",
    "parking_lot::Mutex",
    "parking_lot::RwLock",
    "parking_lot::MutexGuard",
    "parking_lot::RwLockReadGuard",
    "parking_lot::RwLockWriteGuard",
    "tokio::sync::Mutex",
    "tokio::sync::RwLock",
    "tokio::sync::MutexGuard",
];

/// Re-exports are followed this often: a cycle of them ends here.
const MAX_STEPS: usize = 8;

/// The modules of everything that is checked, by path.
#[derive(Debug, Default)]
pub struct Names {
    modules: HashMap<String, Entry>,
    crates: HashSet<String>,
}

#[derive(Debug, Default)]
struct Entry {
    imports: HashMap<String, String>,
    globs: Vec<String>,
    items: HashSet<String>,
}

impl Names {
    pub fn add(&mut self, module: &Module) {
        self.crates.insert(first(&module.path).to_owned());
        let entry = self.modules.entry(module.path.clone()).or_default();
        entry.imports.extend(module.imports.iter().cloned());
        entry.globs.extend(module.globs.iter().cloned());
        entry.items.extend(module.items.iter().cloned());
    }

    pub fn is_ours(&self, path: &str) -> bool {
        self.crates.contains(first(path))
    }

    /// The full path of `path` written in `module` under the further imports `uses`.
    pub fn resolve(&self, module: &str, path: &str, uses: &[(String, String)]) -> String {
        let (head, rest) = split(path);
        if let Some((_, target)) = uses
            .iter()
            .find(|(name, target)| name == head && !starts_with(target, head))
        {
            return self.absolute(module, &join(target, rest), MAX_STEPS);
        }
        self.absolute(module, path, MAX_STEPS)
    }

    fn absolute(&self, module: &str, path: &str, steps: usize) -> String {
        let (head, rest) = split(path);
        let Some(left) = steps.checked_sub(1) else {
            return path.to_owned();
        };
        match head {
            "crate" => return self.exported(&join(first(module), rest), left),
            "self" => return self.exported(&join(module, rest), left),
            "super" => {
                let parent = module.rsplit_once("::").map_or(module, |(parent, _)| parent);
                // `super::super::x`: what is left is again relative to the parent.
                return match rest.starts_with("super") {
                    true => self.absolute(parent, rest, left),
                    false => self.exported(&join(parent, rest), left),
                };
            }
            _ => {}
        }
        if let Some(found) = self.in_module(module, head, left) {
            return match rest.is_empty() {
                true => found,
                false => self.exported(&join(&found, rest), left),
            };
        }
        match self.is_ours(path) && !rest.is_empty() {
            true => self.exported(path, left),
            false => standard(path),
        }
    }

    /// What `name` alone means in a module of ours.
    fn in_module(&self, module: &str, name: &str, steps: usize) -> Option<String> {
        let entry = self.modules.get(module)?;
        if let Some(target) = entry.imports.get(name) {
            return Some(match first(target) == name {
                // `use tokio;`, `use log::{self}`: the name is the crate itself.
                true => standard(target),
                false => self.absolute(module, target, steps),
            });
        }
        if entry.items.contains(name) {
            return Some(join(module, name));
        }
        entry
            .globs
            .iter()
            .find_map(|glob| self.in_glob(module, glob, name, steps))
    }

    fn in_glob(&self, module: &str, glob: &str, name: &str, steps: usize) -> Option<String> {
        let steps = steps.checked_sub(1)?;
        let target = self.absolute(module, glob, steps);
        if target != module && self.modules.contains_key(&target) {
            return self.in_module(&target, name, steps);
        }
        let full = join(&target, name);
        GLOB_NAMES.contains(&full.as_str()).then_some(full)
    }

    /// Follows re-exports inside our own modules.
    fn exported(&self, path: &str, steps: usize) -> String {
        let Some(left) = steps.checked_sub(1) else {
            return path.to_owned();
        };
        let mut end = path.len();
        while let Some(cut) = path[..end].rfind("::") {
            let (module, tail) = (&path[..cut], &path[cut + 2..]);
            if self.modules.contains_key(module) {
                let (name, rest) = split(tail);
                return match self.in_module(module, name, left) {
                    Some(found) if found == join(module, name) => path.to_owned(),
                    Some(found) => self.exported(&join(&found, rest), left),
                    None => path.to_owned(),
                };
            }
            end = cut;
        }
        standard(path)
    }
}

/// `core` and `alloc` are parts of `std`.
fn standard(path: &str) -> String {
    match split(path) {
        ("core" | "alloc", rest) if !rest.is_empty() => join("std", rest),
        _ => path.to_owned(),
    }
}

pub fn first(path: &str) -> &str {
    split(path).0
}

fn split(path: &str) -> (&str, &str) {
    path.split_once("::").unwrap_or((path, ""))
}

fn starts_with(path: &str, head: &str) -> bool {
    first(path) == head
}

pub fn join(path: &str, rest: &str) -> String {
    if rest.is_empty() {
        path.to_owned()
    } else {
        format!("{path}::{rest}")
    }
}
