//! Which files are checked, and what each is called: crate, module, edition.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::Config;

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

/// Names crates and modules; remembers each manifest it has read.
#[derive(Default)]
pub struct Crates {
    manifests: HashMap<PathBuf, Option<(String, u16)>>,
}

impl Crates {
    /// The module path and edition of a file.
    pub fn name(&mut self, path: &Path) -> (String, u16) {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let mut folder = path.parent();
        while let Some(at) = folder {
            if let Some((name, edition)) = self.manifest(at) {
                return (module(&name, at, &path), edition);
            }
            folder = at.parent();
        }
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().replace('-', "_"));
        (stem.unwrap_or_default(), 2024)
    }

    fn manifest(&mut self, folder: &Path) -> Option<(String, u16)> {
        if let Some(known) = self.manifests.get(folder) {
            return known.clone();
        }
        let found = read_manifest(folder).and_then(|manifest| {
            let package = manifest.get("package")?;
            let name = package.get("name")?.as_str()?.replace('-', "_");
            let edition = match package.get("edition") {
                Some(toml::Value::String(edition)) => edition.parse().ok(),
                Some(_) => folder.ancestors().skip(1).find_map(workspace_edition),
                None => Some(2015),
            };
            Some((name, edition.unwrap_or(2021)))
        });
        self.manifests.insert(folder.to_path_buf(), found.clone());
        found
    }
}

fn read_manifest(folder: &Path) -> Option<toml::Table> {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .ok()?
        .parse()
        .ok()
}

fn workspace_edition(folder: &Path) -> Option<u16> {
    let manifest = read_manifest(folder)?;
    manifest
        .get("workspace")?
        .get("package")?
        .get("edition")?
        .as_str()?
        .parse()
        .ok()
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `crate::a::b`; every other root is a crate of its own.
fn module(name: &str, folder: &Path, path: &Path) -> String {
    let below = relative(folder, path);
    let below = below.trim_end_matches(".rs");
    let (root, rest) = match below.strip_prefix("src/") {
        Some(rest) => (name.to_owned(), rest),
        None => (
            format!("{name}__{}", below.split('/').next().unwrap_or_default()),
            below,
        ),
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let kept = parts.iter().enumerate().filter(|(index, part)| {
        let last = *index + 1 == parts.len();
        !(last && (**part == "mod" || parts.len() == 1 && (**part == "lib" || **part == "main")))
    });
    let names = kept.map(|(_, part)| part.replace('-', "_"));
    std::iter::once(root).chain(names).collect::<Vec<_>>().join("::")
}
