//! An example body from a schema: what its author gives as an example, else the smallest value that its rules allow.

use serde_json::{Map, Value, json};

use super::document::Document;

/// References deeper than this are cut off; a schema may refer to itself.
const DEEPEST: usize = 12;
/// Length of a text that is made unique.
const UNIQUE: u64 = "example-00000000-0000-0000-0000-000000000000".len() as u64;

/// The example of a media type or schema: text in it may hold Hurl's placeholders.
pub(super) fn of_media(document: &Document, media: &Value) -> Value {
    let given = media.get("example").or_else(|| {
        let all = media["examples"].as_object()?;
        document.resolve(all.values().next()?).get("value")
    });
    given
        .cloned()
        .unwrap_or_else(|| of(document, &media["schema"], DEEPEST))
}

/// The example of a schema.
fn of(document: &Document, schema: &Value, depth: usize) -> Value {
    let schema = document.resolve(schema);
    if depth == 0 {
        return Value::Null;
    }
    let first = |list: &str| schema[list].as_array().and_then(|all| all.first());
    let given = schema
        .get("const")
        .or(schema.get("example"))
        .or(first("examples"))
        .or(schema.get("default"));
    if let Some(value) = given.or(first("enum")) {
        return value.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return merged(
            parts
                .iter()
                .map(|part| of(document, part, depth - 1))
                .chain([object(document, schema, depth)]),
        );
    }
    for choice in ["oneOf", "anyOf"] {
        let options = schema[choice].as_array().into_iter().flatten();
        if let Some(option) = options.map(|o| document.resolve(o)).find(|o| o["type"] != "null") {
            return of(document, option, depth - 1);
        }
    }
    match kind(schema) {
        "string" => text(schema),
        "integer" => json!(least(schema).ceil() as i64),
        "number" => json!(least(schema)),
        "boolean" => json!(true),
        "array" => {
            let count = schema["minItems"].as_u64().unwrap_or(0).min(100) as usize;
            Value::Array(vec![of(document, &schema["items"], depth - 1); count])
        }
        "object" => object(document, schema, depth),
        _ => Value::Null,
    }
}

/// The type; of several (OpenAPI 3.1) the first that is not null; without one, what the keys say.
fn kind(schema: &Value) -> &str {
    let named = match &schema["type"] {
        Value::String(name) => Some(name.as_str()),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null"),
        _ => None,
    };
    let guessed = if schema["properties"].is_object() {
        "object"
    } else {
        ""
    };
    named.unwrap_or(guessed)
}

/// Only what is required: every further field is one more guess.
fn object(document: &Document, schema: &Value, depth: usize) -> Value {
    let names = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let fields = names.map(|name| {
        (
            name.to_owned(),
            of(document, &schema["properties"][name], depth - 1),
        )
    });
    Value::Object(fields.collect())
}

fn merged(parts: impl Iterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for part in parts {
        match part {
            Value::Object(fields) => all.extend(fields),
            Value::Null => {}
            other => return other,
        }
    }
    Value::Object(all)
}

fn text(schema: &Value) -> Value {
    let value = match schema["format"].as_str() {
        Some("uuid") => "{{newUuid}}".to_owned(),
        Some("date-time") => "2026-01-01T00:00:00Z".to_owned(),
        Some("date") => "2026-01-01".to_owned(),
        Some("time") => "12:00:00Z".to_owned(),
        Some("email") => "example-{{newUuid}}@example.org".to_owned(),
        Some("uri" | "url") => "https://example.org/".to_owned(),
        Some("ipv4") => "192.0.2.1".to_owned(),
        Some("ipv6") => "2001:db8::1".to_owned(),
        Some("byte") => "ZXhhbXBsZQ==".to_owned(),
        _ => sized(schema),
    };
    Value::String(value)
}

/// Unique if there is room for it: many services refuse a second thing of the same name.
fn sized(schema: &Value) -> String {
    let least = schema["minLength"].as_u64().unwrap_or(0).min(10_000);
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
    if most >= UNIQUE {
        return format!(
            "example-{{{{newUuid}}}}{}",
            "x".repeat(least.saturating_sub(UNIQUE) as usize)
        );
    }
    let padded = format!("example{}", "x".repeat(least.saturating_sub(7) as usize));
    padded.chars().take(most as usize).collect()
}

fn least(schema: &Value) -> f64 {
    let number = |key: &str| schema[key].as_f64();
    let above = number("exclusiveMinimum").map(|least| least + 1.0);
    let least = number("minimum").or(above).unwrap_or(1.0);
    number("maximum").map_or(least, |most| least.min(most))
}
