//! A field added to a body wherever a service may look for it: an owner, a role, an id that is not the caller's to say.
//! What is sent with it, and what came of it, is judged in [`crate::phase`].

use serde_json::{Value, json};

use crate::config::Operation;

/// The operation with a field added to its body, once for each place where it can stand: at the top of JSON and in each
/// object of it that holds a template, in a form and in each of its groups (`note[title]`), as a part of `multipart`.
/// Nothing where the body has no fields.
pub fn with_field(operation: &Operation, field: &str, value: &Value) -> Vec<Operation> {
    if let Some(json) = json_of(operation) {
        return in_json(operation, &json, field, value);
    }
    if !operation.form.is_empty() {
        return in_form(operation, field, &plain(value));
    }
    let Some(text) = &operation.text else {
        return Vec::new();
    };
    let changed = in_text(text, &content_type(operation), field, &plain(value));
    let changed = changed.map(|text| Operation {
        text: Some(text),
        ..operation.clone()
    });
    changed.into_iter().collect()
}

/// The operation with somebody as a relationship of its resource, as JSON:API writes it; `None` where the body is of
/// another form.
pub fn with_relationship(operation: &Operation, name: &str, id: &str) -> Option<Operation> {
    let mut json = json_of(operation)?;
    let data = json.get_mut("data")?.as_object_mut()?;
    if !data.contains_key("attributes") && !data.contains_key("relationships") {
        return None;
    }
    let relationships = data.entry("relationships").or_insert_with(|| json!({}));
    let relationship = json!({ "data": { "type": "users", "id": id } });
    relationships
        .as_object_mut()?
        .insert(name.to_owned(), relationship);
    Some(with_json(operation, json))
}

/// The JSON of a body, also where it is given as text.
fn json_of(operation: &Operation) -> Option<Value> {
    let text = || {
        let text = operation.text.as_ref()?;
        serde_json::from_str(text).ok().filter(Value::is_object)
    };
    operation.json.clone().or_else(text)
}

/// The same operation with another JSON body, sent as the type that it says.
fn with_json(operation: &Operation, json: Value) -> Operation {
    Operation {
        json: Some(json),
        text: None,
        ..operation.clone()
    }
}

fn in_json(operation: &Operation, json: &Value, field: &str, value: &Value) -> Vec<Operation> {
    let mut places = Vec::new();
    if json.is_object() {
        places.push(String::new());
    }
    objects(json, "", &mut places);
    let added = places.iter().filter_map(|place| {
        let mut json = json.clone();
        let fields = json.pointer_mut(place)?.as_object_mut()?;
        fields.insert(field.to_owned(), value.clone());
        Some(with_json(operation, json))
    });
    added.collect()
}

/// Pointers to the objects below the top that hold a template themselves: there a resource has its own fields. What
/// stands in a list is part of a resource and not one.
fn objects(json: &Value, at: &str, found: &mut Vec<String>) {
    for (name, inner) in json.as_object().into_iter().flatten() {
        let Some(fields) = inner.as_object() else { continue };
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if fields.values().any(holds_template) {
            found.push(place.clone());
        }
        objects(inner, &place, found);
    }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(holds_template),
        _ => false,
    }
}

fn in_form(operation: &Operation, field: &str, value: &str) -> Vec<Operation> {
    let mut names = vec![field.to_owned()];
    for (group, _) in operation.form.keys().filter_map(|name| name.split_once('[')) {
        let name = format!("{group}[{field}]");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let added = names.into_iter().map(|name| {
        let mut operation = operation.clone();
        operation.form.insert(name, value.to_owned());
        operation
    });
    added.collect()
}

/// A form that is given as text, urlencoded or in parts.
fn in_text(text: &str, kind: &str, field: &str, value: &str) -> Option<String> {
    if kind.starts_with("application/x-www-form-urlencoded") {
        let (name, value) = (crate::template::encode(field), crate::template::encode(value));
        return Some(format!("{}&{name}={value}", text.trim_end()));
    }
    let boundary = kind
        .strip_prefix("multipart/form-data")?
        .split_once("boundary=")?
        .1;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    let end = text.rfind(&format!("--{boundary}--"))?;
    let (before, after) = text.split_at(end);
    let part = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
    Some(format!("{before}{part}{after}"))
}

fn content_type(operation: &Operation) -> String {
    let headers = operation.headers.iter();
    let mut kinds = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    kinds.next().map_or(String::new(), |(_, kind)| kind.clone())
}

/// A value as forms write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// An id as JSON: a number if it looks like one.
pub fn as_json(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| Value::from(id), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(table: &str) -> Operation {
        let mut read: std::collections::BTreeMap<String, Operation> =
            toml::from_str(&format!("o = {{ path = 'POST /a', {table} }}")).unwrap();
        read.remove("o").unwrap()
    }

    fn bodies(table: &str) -> Vec<String> {
        let added = with_field(&operation(table), "owner", &json!(7));
        let body = |operation: Operation| match (operation.json, operation.text) {
            (Some(json), _) => json.to_string(),
            (None, Some(text)) => text,
            (None, None) => format!("{:?}", operation.form),
        };
        added.into_iter().map(body).collect()
    }

    #[test]
    fn a_field_is_added_at_the_top_and_where_a_resource_has_its_fields() {
        let table =
            "json = { data = { type = 'a', attributes = { a = '{{canary}}', b = [{ n = '{{canary}}' }] } } }";
        assert_eq!(
            bodies(table),
            [
                r#"{"data":{"attributes":{"a":"{{canary}}","b":[{"n":"{{canary}}"}]},"type":"a"},"owner":7}"#,
                r#"{"data":{"attributes":{"a":"{{canary}}","b":[{"n":"{{canary}}"}],"owner":7},"type":"a"}}"#,
            ]
        );
        assert_eq!(bodies("json = {}"), [r#"{"owner":7}"#]);
        assert_eq!(bodies(r#"text = '{"a": "x"}'"#), [r#"{"a":"x","owner":7}"#]);
    }

    #[test]
    fn a_field_is_added_to_forms_of_every_kind() {
        assert_eq!(
            bodies("form = { 'note[title]' = 'x' }"),
            [
                r#"{"note[title]": "x", "owner": "7"}"#,
                r#"{"note[owner]": "7", "note[title]": "x"}"#
            ]
        );
        let urlencoded = "headers = { Content-Type = 'application/x-www-form-urlencoded' }, text = 'a=b'";
        assert_eq!(bodies(urlencoded), ["a=b&owner=7"]);
        let parts = r#"headers = { content-type = 'multipart/form-data; boundary=B' }, text = "--B\r\nx\r\n--B--\r\n""#;
        let part = "--B\r\nContent-Disposition: form-data; name=\"owner\"\r\n\r\n7\r\n";
        assert_eq!(bodies(parts), [format!("--B\r\nx\r\n{part}--B--\r\n")]);
    }

    #[test]
    fn where_there_are_no_fields_none_is_added() {
        for table in ["text = '{{canary}}'", "json = ['{{canary}}']", "headers = {}"] {
            assert!(bodies(table).is_empty(), "{table}");
        }
    }

    #[test]
    fn somebody_is_a_relationship_where_the_body_is_of_that_form() {
        let owned = |table| with_relationship(&operation(table), "owner", "7").and_then(|it| it.json);
        assert_eq!(
            owned("json = { data = { attributes = { t = 'x' } } }").unwrap(),
            json!({ "data": { "attributes": { "t": "x" },
                "relationships": { "owner": { "data": { "type": "users", "id": "7" } } } } })
        );
        assert_eq!(owned("json = { data = { t = 'x' } }"), None);
        assert_eq!(owned("form = { t = 'x' }"), None);
    }
}
