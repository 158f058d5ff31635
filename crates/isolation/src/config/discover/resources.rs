//! Resources: collections that are posted to and have items, and what can be done with them.

use serde_json::Value;

use super::{Entry, operation, path_name, shape};
use crate::config::{Config, Operation, Resource, Visibility};

/// Every collection that something can be posted to and that has items, with what can be done with them.
pub(super) fn resources(entries: &[Entry<'_>]) -> Vec<(String, Resource)> {
    let mut found = Vec::new();
    for create in entries
        .iter()
        .filter(|entry| entry.method == "POST" && entry.is_collection())
    {
        let collection = create.path.trim_end_matches('/').to_owned();
        let item = |entry: &&Entry<'_>| {
            entry.parts.len() == create.parts.len() + 1
                && starts(entry, create)
                && entry.last().starts_with('{')
        };
        let has_item = entries.iter().any(|entry| item(&entry));
        if !has_item {
            continue;
        }
        let name = name_of(create);
        let at = create.parts.len();
        let mut resource = Resource {
            name,
            parent: parent_of(create),
            ..Resource::default()
        };
        let path = |entry: &Entry<'_>| template(entry, at);
        resource.create = Some(operation(create, &path(create)));
        for entry in entries.iter().filter(|entry| starts(entry, create)) {
            place(&mut resource, entry, at, &path(entry));
        }
        if resource.read.as_ref().is_some_and(|_| {
            entries
                .iter()
                .any(|entry| item(&entry) && entry.method == "GET" && entry.public)
        }) {
            resource.visibility = Visibility::Public;
        }
        found.push((collection, resource));
    }
    // Parents first.
    found.sort_by_key(|(collection, _)| collection.matches('/').count());
    found
}

/// Says whether the configuration has the resource already, by its name or by what makes it.
pub(super) fn known(config: &Config, resource: &Resource) -> bool {
    let create = |resource: &Resource| resource.create.as_ref().map(|create| shape(&create.path));
    config
        .resources
        .iter()
        .any(|known| create(known) == create(resource) || known.name == resource.name)
}

/// Puts an operation below a collection where it belongs.
pub(super) fn place(resource: &mut Resource, entry: &Entry<'_>, at: usize, path: &str) {
    let depth = entry.parts.len() - at;
    let is_item = depth >= 1 && entry.parts[at].starts_with('{');
    let deeper = entry.parts[at..].iter().skip(1).any(|part| part.starts_with('{'));
    let made = operation(entry, path);
    match (entry.method.as_str(), depth, is_item) {
        ("GET", 0, _) => {
            let query = entry.query();
            if let Some(term) = query
                .iter()
                .find(|name| ["q", "query", "search", "term", "text"].contains(name))
            {
                resource.search.push(Operation {
                    path: format!("{path}?{term}={{{{term}}}}"),
                    ..made.clone()
                });
            }
            resource.list = Some(made);
        }
        ("GET", 1, false)
            if entry.last().contains("search")
                || entry.last().contains("suggest")
                || entry.last().contains("autocomplete") =>
        {
            let term = entry.query().first().copied().unwrap_or("q").to_owned();
            resource.search.push(Operation {
                path: format!("{path}?{term}={{{{term}}}}"),
                ..made
            });
        }
        ("GET", 1, true) => resource.read = Some(made),
        ("PUT", 1, true) => resource.update = Some(made),
        ("PATCH", 1, true) if resource.update.is_none() => resource.update = Some(made),
        ("PATCH", 1, true) => resource.actions.push(made),
        ("DELETE", 1, true) => resource.delete = Some(made),
        ("GET", 2, true) if !deeper => resource.views.push(made),
        ("POST" | "PUT" | "PATCH", 2, true) if !deeper && entry.body.is_none() => resource.actions.push(made),
        _ => {}
    }
}

pub(super) fn starts(entry: &Entry<'_>, prefix: &Entry<'_>) -> bool {
    entry.parts.len() >= prefix.parts.len()
        && entry
            .parts
            .iter()
            .zip(&prefix.parts)
            .all(|(one, two)| one == two || (one.starts_with('{') && two.starts_with('{')))
}

/// The path as a template: the parameter behind the collection is the item's id, those before are ids of parents.
pub(super) fn template(entry: &Entry<'_>, at: usize) -> String {
    let named = entry
        .parts
        .iter()
        .enumerate()
        .map(|(index, part)| match part.starts_with('{') {
            true if index == at => "{{id}}".to_owned(),
            true if index > 0 && index < at => format!("{{{{{}.id}}}}", path_name(&entry.parts[..index])),
            true => format!("{{{}}}", part.trim_matches(['{', '}']))
                .replace('{', "{{")
                .replace('}', "}}"),
            false => part.clone(),
        });
    let slash = if entry.path.ends_with('/') { "/" } else { "" };
    format!("/{}{slash}", named.collect::<Vec<_>>().join("/"))
}

pub(super) fn name_of(entry: &Entry<'_>) -> String {
    path_name(&entry.parts)
}

pub(super) fn parent_of(entry: &Entry<'_>) -> Option<String> {
    let at = entry.parts.iter().rposition(|part| part.starts_with('{'))?;
    Some(path_name(&entry.parts[..at]))
}

pub(super) fn skipped(collection: &str) -> bool {
    let last = collection.rsplit('/').next().unwrap_or_default().to_lowercase();
    collection.contains("/admin")
        || [
            "login", "logout", "register", "signup", "token", "refresh", "sessions",
        ]
        .contains(&last.as_str())
}

/// A create that names another resource's id in its body needs one of those first.
pub(super) fn references(found: &mut [(String, Resource)]) {
    let names: Vec<String> = found.iter().map(|(_, resource)| resource.name.clone()).collect();
    let meant = |field: &str, own: &str| {
        let stem = field
            .strip_suffix("_id")
            .or_else(|| field.strip_suffix("Id"))?
            .to_lowercase();
        let last = |name: &str| name.rsplit('-').next().unwrap_or_default().to_lowercase();
        let fits = |name: &&String| {
            name.as_str() != own
                && [
                    format!("{stem}s"),
                    format!("{stem}es"),
                    stem.clone(),
                    format!("{}ies", stem.trim_end_matches('y')),
                ]
                .contains(&last(name))
        };
        names.iter().find(fits).cloned()
    };
    for (_, resource) in found.iter_mut().filter(|(_, resource)| resource.parent.is_none()) {
        let own = resource.name.clone();
        let Some(Value::Object(fields)) = resource.create.as_mut().and_then(|create| create.json.as_mut())
        else {
            continue;
        };
        for (field, value) in fields.iter_mut() {
            if let Some(parent) = meant(field, &own)
                .filter(|parent| resource.parent.as_ref().is_none_or(|known| known == parent))
            {
                *value = Value::from(format!("{{{{number:{parent}.id}}}}"));
                resource.parent = Some(parent);
            }
        }
    }
}
