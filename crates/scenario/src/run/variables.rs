//! The variables of one user, and which of their values are secret.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::settings::Settings;
use crate::value::Value;

pub(super) const REDACTED: &str = "***";

#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    values: HashMap<String, Value>,
    /// Secret texts, as they are and as a URL has them; the longest first, lest a part be left over.
    secrets: Vec<String>,
}

impl Variables {
    pub(super) fn new(settings: &Settings) -> Variables {
        let mut variables = Variables::default();
        for (name, value) in &settings.variables {
            variables.set(name, value.clone());
        }
        for (name, value) in &settings.secrets {
            variables.set_secret(name, value);
        }
        variables
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        match self.values.get_mut(name) {
            Some(known) => *known = value,
            None => {
                self.values.insert(name.to_string(), value);
            }
        }
    }

    pub(super) fn set_secret(&mut self, name: &str, value: &str) {
        self.set(name, Value::String(value.to_string()));
        let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        for form in [value.to_string(), encoded] {
            if !form.is_empty() && !self.secrets.contains(&form) {
                self.secrets.push(form);
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), REDACTED));
            }
        }
        text
    }

    /// The value with every text in it redacted.
    pub(super) fn redact_value(&self, value: Value) -> Value {
        if self.secrets.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.redact(&text).into_owned()),
            Value::List(values) => Value::List(values.into_iter().map(|v| self.redact_value(v)).collect()),
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(n, v)| (n, self.redact_value(v)))
                    .collect(),
            ),
            Value::Bytes(bytes) => match std::str::from_utf8(&bytes).map(|text| self.redact(text)) {
                Ok(Cow::Owned(text)) => Value::Bytes(text.into()),
                _ => Value::Bytes(bytes),
            },
            Value::Redirect { status, location } => Value::Redirect {
                status,
                location: self.redact(&location).into_owned(),
            },
            other => other,
        }
    }
}
