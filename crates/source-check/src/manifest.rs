//! What `Cargo.toml` says of names: packages, their targets, and what they call the crates they use. Which file is
//! which module is decided in `source`.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// One package.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its own name, as dependants write it in their manifests.
    pub name: String,
    /// The name of its library, as source writes it.
    pub library: String,
    pub edition: u16,
    /// The files that its targets name, below its folder, and whether it is the library.
    pub targets: Vec<(PathBuf, bool)>,
    /// What its source calls a crate, and the package that is meant.
    pub renamed: Vec<(String, String)>,
}

/// The package whose manifest lies in `folder`.
pub fn read(folder: &Path) -> Option<Package> {
    let manifest = table(folder)?;
    let package = manifest.get("package")?;
    let name = package.get("name")?.as_str()?.to_owned();
    let library = manifest.get("lib").and_then(|lib| lib.get("name")?.as_str());
    let edition = match package.get("edition") {
        Some(Value::String(edition)) => edition.parse().ok(),
        Some(_) => workspaces(folder).find_map(|workspace| {
            let edition = workspace.get("package")?.get("edition")?.as_str()?;
            edition.parse().ok()
        }),
        None => Some(2015),
    };
    Some(Package {
        library: in_source(library.unwrap_or(&name)),
        name,
        edition: edition.unwrap_or(2021),
        targets: targets(&manifest),
        renamed: renamed(folder, &manifest),
    })
}

/// A name of a package as source writes it.
pub fn in_source(name: &str) -> String {
    name.replace('-', "_")
}

fn table(folder: &Path) -> Option<Table> {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .ok()?
        .parse()
        .ok()
}

/// What the manifests above say for all packages of their workspace, nearest first.
fn workspaces(folder: &Path) -> impl Iterator<Item = Value> {
    folder
        .ancestors()
        .filter_map(|folder| table(folder)?.remove("workspace"))
}

fn targets(manifest: &Table) -> Vec<(PathBuf, bool)> {
    let path = |target: &Value| Some(PathBuf::from(target.get("path")?.as_str()?));
    let library = manifest.get("lib").and_then(path).map(|path| (path, true));
    let others = ["bin", "example", "test", "bench"]
        .into_iter()
        .filter_map(|kind| manifest.get(kind)?.as_array())
        .flatten()
        .filter_map(path)
        .map(|path| (path, false));
    library.into_iter().chain(others).collect()
}

fn renamed(folder: &Path, manifest: &Table) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let by_target = manifest.get("target").and_then(Value::as_table);
    let tables = by_target.into_iter().flat_map(|targets| targets.values());
    for table in std::iter::once(manifest).chain(tables.filter_map(Value::as_table)) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let named = table.get(kind).and_then(Value::as_table).into_iter().flatten();
            let package =
                named.filter_map(|(name, how)| Some((in_source(name), package(folder, name, how)?)));
            found.extend(package);
        }
    }
    found
}

/// The package that a dependency of another name stands for.
fn package(folder: &Path, name: &str, how: &Value) -> Option<String> {
    let of = |how: &Value| how.get("package")?.as_str().map(str::to_owned);
    if how.get("workspace").is_none() {
        return of(how);
    }
    workspaces(folder).find_map(|workspace| of(workspace.get("dependencies")?.get(name)?))
}
