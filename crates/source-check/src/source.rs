//! Which files are checked, and what each is called: crate, module, edition.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::manifest::{self, Package};

/// One source file, as the check takes it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path, relative to the checked folder, with `/`.
    pub file: String,
    /// Its content.
    pub text: String,
    /// The module it is, as `crate_name::a::b`.
    pub module: String,
    /// The edition of its crate.
    pub edition: u16,
}

/// Files above this size are not parsed but reported.
pub const MAX_BYTES: u64 = 8 << 20;

/// Finds the Rust files under `root`, in order of their paths. Links are not followed.
pub fn find(root: &Path, config: &Config) -> std::io::Result<Vec<PathBuf>> {
    if root.is_file() {
        return Ok(vec![root.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            let (name, relative) = (name.to_string_lossy(), relative(root, &path));
            let kind = entry.file_type()?;
            let skipped = name.starts_with('.') || config.excludes(&relative);
            if skipped || !config.tests && kind.is_dir() && matches!(&*name, "tests" | "benches") {
                continue;
            }
            let built = kind.is_dir() && (name == "node_modules" || path.join("CACHEDIR.TAG").exists());
            if kind.is_dir() && !built {
                folders.push(path);
            } else if kind.is_file() && name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The path below `root`, with `/` on every system.
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path
        .strip_prefix(root)
        .ok()
        .filter(|below| !below.as_os_str().is_empty());
    let below = below.map_or_else(
        || path.file_name().map(PathBuf::from).unwrap_or_default(),
        Path::to_path_buf,
    );
    below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// What the source of a crate calls others, where that is not their own name: by crate, then by the name used.
pub type Renames = HashMap<String, HashMap<String, String>>;

/// Names crates and modules; remembers each manifest it has read.
pub struct Crates {
    /// The folder that is checked.
    root: PathBuf,
    packages: HashMap<PathBuf, Option<Package>>,
    /// The folders of the packages that crates belong to.
    folders: HashMap<String, PathBuf>,
}

impl Crates {
    /// For the files under `root`, a folder or one file.
    pub fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        Self {
            root,
            packages: HashMap::new(),
            folders: HashMap::new(),
        }
    }

    /// The module path and edition of a file.
    pub fn name(&mut self, path: &Path) -> (String, u16) {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        for at in path.ancestors().skip(1) {
            let package = self.packages.entry(at.to_path_buf());
            if let Some(package) = package.or_insert_with_key(|folder| manifest::read(folder)) {
                let module = module(package, at, &path);
                let name = crate::names::first(&module).to_owned();
                self.folders.insert(name, at.to_path_buf());
                return (module, package.edition);
            }
        }
        (self.without_manifest(&path), 2024)
    }

    /// No manifest tells: the nearest folder with a `main.rs` or `lib.rs` holds a crate, else all of what is checked is
    /// taken for one.
    fn without_manifest(&self, path: &Path) -> String {
        let top = match self.root.is_file() {
            true => self.root.parent().unwrap_or(&self.root),
            false => &self.root,
        };
        let has_root = |folder: &&Path| folder.join("main.rs").is_file() || folder.join("lib.rs").is_file();
        let mut above = path.ancestors().skip(1);
        let base = above.find(|folder| *folder == top || has_root(folder));
        let base = base.unwrap_or(top);
        // `a/src` holds the crate `a`.
        let named = if base.ends_with("src") {
            base.parent().unwrap_or(base)
        } else {
            base
        };
        let name = match named.strip_prefix(top) {
            Ok(below) if !below.as_os_str().is_empty() => plain(below.as_os_str()),
            _ => plain(named.file_name().unwrap_or_default()),
        };
        in_crate(&name, &relative(base, path))
    }

    /// What manifests call crates otherwise, for the crates named so far.
    pub fn renames(&self) -> Renames {
        let packages = || self.packages.values().flatten();
        let library = |name: &String| {
            let ours = packages().find(|package| package.name == *name);
            ours.map_or_else(|| manifest::in_source(name), |package| package.library.clone())
        };
        let renamed = |folder: &PathBuf| {
            let package = self.packages.get(folder).into_iter().flatten();
            package
                .flat_map(|package| &package.renamed)
                .map(|(name, package)| (name.clone(), library(package)))
                .collect()
        };
        self.folders
            .iter()
            .map(|(name, folder)| (name.clone(), renamed(folder)))
            .collect()
    }
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `crate::a::b`; every other target is a crate of its own.
fn module(package: &Package, folder: &Path, path: &Path) -> String {
    let below = relative(folder, path);
    let library = &package.library;
    let targets = &package.targets;
    let is_target = targets.iter().any(|(target, _)| *target == *below);
    if let Some((name, rest)) = by_custom(folder, &below) {
        return in_crate(&format!("{library}__{name}"), rest);
    }
    // The deepest folder of a target that is above the file.
    let folders = targets.iter().filter_map(|(target, is_library)| {
        let above = target.parent()?;
        let rest = Path::new(&below).strip_prefix(above).ok()?;
        Some((above, *is_library, rest.to_string_lossy().into_owned()))
    });
    let nearest = folders
        .filter(|(above, is_library, _)| *is_library || above.components().next().is_some())
        .max_by_key(|(above, is_library, _)| (above.components().count(), *is_library));
    let (name, rest) = match (nearest, below.strip_prefix("src/")) {
        (Some((above, is_library, rest)), _) if below != "build.rs" && above != Path::new("src") => {
            let other = format!("{library}__{}", plain(above.as_os_str()));
            (if is_library { library.clone() } else { other }, rest)
        }
        (_, Some(rest)) => (library.clone(), rest.to_owned()),
        _ => {
            let top = below
                .split('/')
                .next()
                .unwrap_or_default()
                .trim_end_matches(".rs");
            let rest = if below.contains('/') {
                below.as_str()
            } else {
                "lib.rs"
            };
            (format!("{library}__{top}"), rest.to_owned())
        }
    };
    in_crate(&name, if is_target { "lib.rs" } else { &rest })
}

/// The crate that a file belongs to where cargo finds targets by itself, and its path in it: `src/bin/one.rs`,
/// `examples/two/main.rs` and what lies beside the latter.
fn by_custom<'a>(folder: &Path, below: &'a str) -> Option<(String, &'a str)> {
    let kinds = ["src/bin", "examples", "tests", "benches"];
    let (kind, rest) = kinds
        .into_iter()
        .find_map(|kind| Some((kind, below.strip_prefix(kind)?.strip_prefix('/')?)))?;
    let (name, rest) = match rest.split_once('/') {
        Some((name, rest)) if folder.join(kind).join(name).join("main.rs").is_file() => (name, rest),
        Some(_) => return None,
        None => (rest.trim_end_matches(".rs"), "main.rs"),
    };
    let kind = kind.trim_start_matches("src/");
    Some((format!("{kind}_{}", manifest::in_source(name)), rest))
}

/// The module that a file is, by its path below the folder of its crate.
fn in_crate(name: &str, rest: &str) -> String {
    let mut parts: Vec<&str> = rest.trim_end_matches(".rs").split('/').collect();
    let is_root = parts.len() == 1 && matches!(parts[0], "lib" | "main");
    if is_root || parts.last() == Some(&"mod") {
        parts.pop();
    }
    let names = parts.into_iter().map(manifest::in_source);
    std::iter::once(name.to_owned())
        .chain(names)
        .collect::<Vec<_>>()
        .join("::")
}

/// A name of a folder or file as the name of a crate.
fn plain(name: &std::ffi::OsStr) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let name = name.to_string_lossy();
    name.chars().map(|c| if is_word(c) { c } else { '_' }).collect()
}
