//! From a path as written to the path it means: imports, renames, globs, re-exports, `crate`, `self`, `super`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::ir::{Import, Module};
use crate::source::Renames;

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
    "diesel::prelude::PgConnection",
    "diesel::prelude::MysqlConnection",
    "diesel::prelude::SqliteConnection",
];

/// Re-exports are followed this often: a cycle of them ends here.
const MAX_STEPS: usize = 8;

/// The modules of everything that is checked.
#[derive(Debug, Default)]
pub struct Names {
    modules: Vec<Entry>,
    by_path: HashMap<String, usize>,
    crates: HashSet<String>,
    /// The modules that define or import a name themselves, by that name.
    having: HashMap<String, Vec<usize>>,
    renames: Renames,
}

#[derive(Debug, Default)]
struct Entry {
    path: String,
    imports: HashMap<String, Import>,
    globs: Vec<Import>,
    items: HashSet<String>,
    /// The modules of ours that its globs mean, and whether others see through them. Filled by [`Names::seal`].
    edges: Vec<(usize, bool)>,
    /// The foreign modules that its globs mean.
    foreign: Vec<String>,
    /// What was looked for behind its globs before. Held for one look or one insertion, never across a search.
    known: Mutex<HashMap<String, Option<Brought>>>,
}

/// Where a glob finds a name.
#[derive(Clone, Debug)]
enum Brought {
    /// In this module of ours.
    Ours(usize),
    /// In a foreign one, under this path.
    Foreign(String),
}

impl Names {
    pub fn add(&mut self, module: &Module) {
        self.crates.insert(first(&module.path).to_owned());
        let next = self.modules.len();
        let id = *self.by_path.entry(module.path.clone()).or_insert(next);
        if id == next {
            self.modules.push(Entry {
                path: module.path.clone(),
                ..Entry::default()
            });
        }
        let imports = module.imports.iter().map(|import| &import.name);
        for name in imports.chain(&module.items) {
            self.having.entry(name.clone()).or_default().push(id);
        }
        let entry = &mut self.modules[id];
        let named = module
            .imports
            .iter()
            .map(|import| (import.name.clone(), import.clone()));
        entry.imports.extend(named);
        entry.globs.extend(module.globs.iter().cloned());
        entry.items.extend(module.items.iter().cloned());
    }

    /// Makes known what manifests call crates otherwise.
    pub fn rename(&mut self, renames: &Renames) {
        self.renames.clone_from(renames);
    }

    /// Reads what the globs mean, once all modules are known. A glob may name a module that another glob brings, so
    /// this is repeated until nothing is new.
    pub fn seal(&mut self) {
        for ids in self.having.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        for _ in 0..MAX_STEPS {
            let meant: Vec<_> = (0..self.modules.len()).map(|id| self.glob_targets(id)).collect();
            let mut is_new = false;
            for (entry, (edges, foreign)) in self.modules.iter_mut().zip(meant) {
                is_new |= entry.edges != edges || entry.foreign != foreign;
                (entry.edges, entry.foreign) = (edges, foreign);
                entry.known = Mutex::default();
            }
            if !is_new {
                return;
            }
        }
    }

    fn glob_targets(&self, id: usize) -> (Vec<(usize, bool)>, Vec<String>) {
        let entry = &self.modules[id];
        let (mut edges, mut foreign) = (Vec::new(), Vec::new());
        for glob in &entry.globs {
            let target = self.absolute(&entry.path, &glob.target, MAX_STEPS);
            match self.by_path.get(&target) {
                Some(target) => edges.push((*target, glob.public)),
                None => foreign.push(target),
            }
        }
        (edges, foreign)
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
            "crate" => return self.exported(&join(self.crate_root(module, rest), rest), left),
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
        if let Some(target) = self.renamed(module, head) {
            return self.exported(&join(target, rest), left);
        }
        match self.is_ours(path) && !rest.is_empty() {
            true => self.exported(path, left),
            false => standard(path),
        }
    }

    /// What `crate` means before `rest`. Where the root of a crate was not read, as in a folder of single files, it is
    /// the file itself unless another file has that name.
    fn crate_root<'a>(&self, module: &'a str, rest: &str) -> &'a str {
        let root = first(module);
        let is_known = |path: &str| self.by_path.contains_key(path);
        if is_known(root) || is_known(&join(root, first(rest))) {
            return root;
        }
        let ends = module.match_indices("::").map(|(end, _)| &module[..end]);
        ends.chain([module]).find(|path| is_known(path)).unwrap_or(root)
    }

    /// The crate that the manifest of the module's crate means by `name`.
    fn renamed(&self, module: &str, name: &str) -> Option<&str> {
        let names = self.renames.get(first(module))?;
        names.get(name).map(String::as_str)
    }

    /// What `name` alone means in a module of ours.
    fn in_module(&self, module: &str, name: &str, steps: usize) -> Option<String> {
        let id = *self.by_path.get(module)?;
        let found = self.own(id, name, steps);
        found.or_else(|| match self.through_globs(id, name)? {
            Brought::Ours(id) => self.own(id, name, steps),
            Brought::Foreign(path) => Some(path),
        })
    }

    /// What `name` means that the module itself imports or defines.
    fn own(&self, id: usize, name: &str, steps: usize) -> Option<String> {
        let entry = &self.modules[id];
        if let Some(import) = entry.imports.get(name) {
            let target = &import.target;
            return Some(match first(target) == name {
                // `use tokio;`, `use log::{self}`: the name is the crate itself.
                true => {
                    let target = self
                        .renamed(&entry.path, name)
                        .map(|to| target.replacen(name, to, 1));
                    target.unwrap_or_else(|| standard(&import.target))
                }
                false => self.absolute(&entry.path, target, steps),
            });
        }
        entry.items.contains(name).then(|| join(&entry.path, name))
    }

    /// Where the globs of a module find `name`. The answer is kept: the same few names are asked for again and again.
    fn through_globs(&self, id: usize, name: &str) -> Option<Brought> {
        let entry = &self.modules[id];
        let ours = self.having.get(name).map_or(&[][..], Vec::as_slice);
        let is_foreign = |path: &&str| last(path) == name;
        if entry.globs.is_empty() || ours.is_empty() && !GLOB_NAMES.iter().any(is_foreign) {
            return None;
        }
        let known = || entry.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(name) {
            return found.clone();
        }
        let found = self.reached(id).find_map(|at| {
            if at != id && ours.binary_search(&at).is_ok() && self.offers(at, name, id) {
                return Some(Brought::Ours(at));
            }
            let foreign = self.modules[at].foreign.iter().map(|target| join(target, name));
            foreign
                .into_iter()
                .find(|full| GLOB_NAMES.contains(&full.as_str()))
                .map(Brought::Foreign)
        });
        known().insert(name.to_owned(), found.clone());
        found
    }

    /// The modules whose names the globs of `from` bring, nearest first, each once however the globs are knotted.
    fn reached(&self, from: usize) -> impl Iterator<Item = usize> {
        let mut seen = vec![false; self.modules.len()];
        seen[from] = true;
        let mut queue = VecDeque::from([from]);
        std::iter::from_fn(move || {
            let at = queue.pop_front()?;
            for (to, public) in &self.modules[at].edges {
                let is_seen =
                    !(*public || self.is_inside(from, at)) || std::mem::replace(&mut seen[*to], true);
                if !is_seen {
                    queue.push_back(*to);
                }
            }
            Some(at)
        })
    }

    /// Whether a glob in `to` takes `name` from a module that has it: private imports only reach the modules inside.
    fn offers(&self, module: usize, name: &str, to: usize) -> bool {
        let import = self.modules[module].imports.get(name);
        import.is_none_or(|import| import.public) || self.is_inside(to, module)
    }

    fn is_inside(&self, module: usize, of: usize) -> bool {
        let rest = self.modules[module].path.strip_prefix(&self.modules[of].path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// Follows re-exports inside our own modules.
    fn exported(&self, path: &str, steps: usize) -> String {
        let Some(left) = steps.checked_sub(1) else {
            return path.to_owned();
        };
        let mut end = path.len();
        while let Some(cut) = path[..end].rfind("::") {
            let (module, tail) = (&path[..cut], &path[cut + 2..]);
            if self.by_path.contains_key(module) {
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

fn last(path: &str) -> &str {
    path.rsplit_once("::").map_or(path, |(_, last)| last)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(target: String, public: bool) -> Import {
        Import {
            name: String::new(),
            target,
            public,
        }
    }

    /// `count` modules that take all of their parent's names, and a parent that gives all of theirs on.
    fn knotted(count: usize, public: bool) -> Names {
        let mut names = Names::default();
        let children = || (0..count).map(|index| format!("a{index}"));
        names.add(&Module {
            path: "c".to_owned(),
            globs: children().map(|name| glob(name, true)).collect(),
            items: children().collect(),
            ..Module::default()
        });
        for name in children() {
            names.add(&Module {
                path: format!("c::{name}"),
                globs: vec![glob("super".to_owned(), public)],
                items: vec![format!("T{name}")],
                ..Module::default()
            });
        }
        names.seal();
        names
    }

    #[test]
    fn knotted_globs_are_walked_once() {
        for public in [true, false] {
            let names = knotted(400, public);
            assert_eq!(names.resolve("c::a7", "Ta399", &[]), "c::a399::Ta399");
            assert_eq!(names.resolve("c::a7", "Option", &[]), "Option");
            for from in [0, 1, 400] {
                // Twice as many as there are: a walk that does not end must fail, not hang.
                let reached: Vec<usize> = names.reached(from).take(802).collect();
                assert_eq!(reached.len(), 401);
            }
        }
    }

    #[test]
    fn a_private_import_stays_inside_its_module() {
        let mut names = knotted(2, false);
        names.add(&Module {
            path: "c::a0".to_owned(),
            imports: vec![Import {
                name: "Result".to_owned(),
                target: "anyhow::Result".to_owned(),
                public: false,
            }],
            ..Module::default()
        });
        names.seal();
        assert_eq!(names.resolve("c::a0", "Result", &[]), "anyhow::Result");
        assert_eq!(names.resolve("c::a1", "Result", &[]), "Result");
    }
}
