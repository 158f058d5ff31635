//! Bodies after their schemas, with canaries wherever free text may stand.

use serde_json::{Map, Value};

use super::Reader;

/// How deep a schema is followed.
const DEPTH: usize = 6;

impl Reader<'_> {
    /// A body after its schema, with canaries wherever free text may stand.
    pub(super) fn example(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if depth > DEPTH {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
            return fixed.clone();
        }
        for union in ["allOf", "oneOf", "anyOf"] {
            let Some(members) = schema.get(union).and_then(Value::as_array) else {
                continue;
            };
            return self.union(members, union == "allOf", name, depth);
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => {
                let few = schema["minItems"].as_u64().unwrap_or(0).max(1);
                (0..few.min(3))
                    .map(|_| self.example(&schema["items"], name, depth + 1))
                    .collect()
            }
            "integer" => Value::from(
                schema["minimum"]
                    .as_i64()
                    .or_else(|| schema["default"].as_i64())
                    .unwrap_or(1),
            ),
            "number" => Value::from(schema["minimum"].as_f64().unwrap_or(1.0)),
            "boolean" => schema.get("default").cloned().unwrap_or(Value::Bool(false)),
            "null" => Value::Null,
            _ => Value::String(string(schema, name)),
        }
    }

    fn union(&self, members: &[Value], all: bool, name: &str, depth: usize) -> Value {
        if !all {
            let chosen = members
                .iter()
                .find(|member| self.resolve(member)["type"] != "null");
            return chosen.map_or(Value::Null, |member| self.example(member, name, depth + 1));
        }
        let mut merged = Map::new();
        for member in members {
            match self.example(member, name, depth + 1) {
                Value::Object(fields) => merged.extend(fields),
                other if members.len() == 1 => return other,
                _ => {}
            }
        }
        Value::Object(merged)
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = Map::new();
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let inner_schema = self.resolve(inner);
            if inner_schema["readOnly"] == true {
                continue;
            }
            let needed = required.contains(&name.as_str());
            // Free text is worth a canary even where it is optional; references to others are not made up.
            let text = inner_schema["type"] == "string"
                && inner_schema.get("format").is_none()
                && inner_schema.get("enum").is_none();
            if needed || (text && !names_somebody(name)) {
                fields.insert(name.clone(), self.example(inner, name, depth + 1));
            }
        }
        Value::Object(fields)
    }
}

/// The type that a schema states, of several the first that holds something; a string where it states none.
fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    }
}

fn names_somebody(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "id"
        || name.ends_with("_id")
        || name.ends_with("id") && name.len() > 4 && name.contains("owner")
        || ["owner", "user", "username", "role", "parent"].contains(&name.as_str())
}

/// A string after its schema: free text is a canary, formats are met.
fn string(schema: &Value, name: &str) -> String {
    let lower = name.to_lowercase();
    let fixed = match schema["format"].as_str().unwrap_or_default() {
        "email" => "{{unique}}@example.com",
        "uuid" => "{{uuid}}",
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "uri" | "url" => "https://example.com/{{canary:short}}",
        "password" => "{{password}}",
        "ipv4" => "192.0.2.1",
        "byte" => "ZmFybWdhdGU=",
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    match lower.as_str() {
        "email" => return "{{unique}}@example.com".to_owned(),
        "password" => return "{{password}}".to_owned(),
        _ => {}
    }
    if schema.get("pattern").is_some()
        && let Some(example) = schema["example"]
            .as_str()
            .or_else(|| schema.pointer("/examples/0").and_then(Value::as_str))
    {
        return example.to_owned();
    }
    match schema["maxLength"].as_u64() {
        Some(most) if most < 900 => format!("{{{{canary:{most}}}}}"),
        _ if ["title", "name", "slug", "subject", "label", "code", "key"].contains(&lower.as_str()) => {
            "{{canary:short}}".to_owned()
        }
        _ => "{{canary}}".to_owned(),
    }
}
