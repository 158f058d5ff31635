//! Reads without an id: the caller's own, administrators', and public ones.

use std::collections::BTreeMap;

use super::{Entry, path_name, shape};
use crate::config::{AdminOperation, Config, Operation, View};

/// Reads without an id: the caller's own, administrators', and public ones.
pub(super) fn views(config: &mut Config, entries: &[Entry<'_>]) {
    let known = known(config);
    for entry in entries
        .iter()
        .filter(|entry| entry.method == "GET" && entry.params() == 0)
    {
        let path = shape(&entry.path);
        if known.contains(&path) || config.admin.iter().any(|admin| shape(&admin.call.path) == path) {
            continue;
        }
        let read = Operation::new("GET", &entry.path);
        let name = path_name(&entry.parts);
        if entry.public {
            if !config.policy.public.contains(&entry.path) {
                config.policy.public.push(entry.path.clone());
            }
        } else if entry.parts.iter().any(|part| part == "admin") {
            config.admin.push(AdminOperation { name, call: read });
        } else if !needs_query(entry)
            && !["search", "suggest", "openapi.json", "docs"].contains(&entry.last())
        {
            config.views.push(View {
                name,
                read,
                identity: identity_of(entry),
                ..View::default()
            });
        }
    }
}

/// Lists, searches and views that the configuration has already.
fn known(config: &Config) -> Vec<String> {
    let resources = config.resources.iter();
    let lists = resources.flat_map(|resource| resource.list.iter().chain(&resource.search));
    let views = config.views.iter().map(|view| &view.read);
    lists
        .chain(views)
        .map(|operation| shape(&operation.path))
        .collect()
}

fn needs_query(entry: &Entry<'_>) -> bool {
    let parameters = entry.item["parameters"].as_array().into_iter().flatten();
    let mut query = parameters.filter(|parameter| parameter["in"] == "query");
    query.any(|parameter| parameter["required"] == true)
}

pub(super) fn identity_of(entry: &Entry<'_>) -> BTreeMap<String, String> {
    if ["me", "profile", "whoami", "self"].contains(&entry.last()) {
        return BTreeMap::from([
            ("/username".to_owned(), "{{username}}".to_owned()),
            ("/email".to_owned(), "{{email}}".to_owned()),
        ]);
    }
    BTreeMap::new()
}
