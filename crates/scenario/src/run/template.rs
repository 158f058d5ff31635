//! Putting values in place of placeholders.

use std::borrow::Cow;
use std::path::Path;

use super::failure::{Failure, Run};
use super::variables::Variables;
use crate::outcome::ErrorKind;
use crate::settings::Settings;
use crate::syntax::{Expr, ExprKind, JsonPart, Part, Setting, Template, is_bare_json_text};
use crate::value::Value;

/// Where the values of placeholders come from.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) variables: &'a Variables,
    pub(super) settings: &'a Settings,
    /// Files that are sent or compared lie below this folder.
    pub(super) files: &'a Path,
}

impl<'a> Scope<'a> {
    pub(super) fn value(&self, expr: &Expr) -> Run<Cow<'a, Value>> {
        match &expr.kind {
            ExprKind::Variable(name) => self.variables.get(name).map(Cow::Borrowed).ok_or_else(|| {
                let message = format!("the variable {name} is not defined");
                Failure::new(expr.pos, ErrorKind::Template, message)
            }),
            ExprKind::NewDate => Ok(Cow::Owned(Value::Date((self.settings.clock)()))),
            ExprKind::NewUuid => Ok(Cow::Owned(Value::String((self.settings.uuids)().to_string()))),
        }
    }

    fn rendered(&self, expr: &Expr) -> Run<String> {
        let value = self.value(expr)?;
        value.render().ok_or_else(|| {
            let message = format!("a {} cannot stand in a text", value.kind());
            Failure::new(expr.pos, ErrorKind::Template, message)
        })
    }

    pub(super) fn text<'t>(&self, template: &'t Template) -> Run<Cow<'t, str>> {
        if let Some(text) = template.constant() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(64);
        for part in &template.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expr(expr) => match self.value(expr)?.as_ref() {
                    Value::String(text) => out.push_str(text),
                    _ => out.push_str(&self.rendered(expr)?),
                },
            }
        }
        Ok(Cow::Owned(out))
    }

    pub(super) fn json(&self, parts: &[JsonPart]) -> Run<String> {
        let mut out = String::new();
        for part in parts {
            match part {
                JsonPart::Text(text) => out.push_str(text),
                JsonPart::InString(expr) => escape_json(&self.rendered(expr)?, &mut out),
                JsonPart::Bare(expr) => {
                    let text = self.rendered(expr)?;
                    if !is_bare_json_text(&text) {
                        let message = format!("<{text}> is neither a number, nor a boolean, nor null");
                        return Err(Failure::new(expr.pos, ErrorKind::Template, message));
                    }
                    out.push_str(&text);
                }
            }
        }
        Ok(out)
    }

    /// A setting, which a placeholder may hold if its value has the right type.
    pub(super) fn setting<T: Copy>(
        &self,
        setting: &Setting<T>,
        expecting: &str,
        convert: impl FnOnce(&Value) -> Option<T>,
    ) -> Run<T> {
        match setting {
            Setting::Literal(value) => Ok(*value),
            Setting::Expr(expr) => {
                let value = self.value(expr)?;
                convert(&value).ok_or_else(|| {
                    let message = format!("expecting {expecting}, the value is {}", value.describe());
                    Failure::new(expr.pos, ErrorKind::Template, message)
                })
            }
        }
    }
}

fn escape_json(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}
