//! The core functions of XPath 1.0, section 4.

use super::ast::Expr;
use super::eval::{Context, Eval};
use super::{InvalidXPath, Object, number};
use crate::markup::{Kind, NodeId};

pub(super) fn call(context: &Context<'_>, name: &str, arguments: &[Expr]) -> Eval<Object> {
    let text = |i: usize| context.text(&arguments[i]);
    Ok(match (name, arguments.len()) {
        ("last", 0) => Object::Number(float(context.size)),
        ("position", 0) => Object::Number(float(context.position)),
        ("count", 1) => Object::Number(float(context.nodes(&arguments[0])?.len())),
        ("id", 1) => Object::Nodes(by_id(context, &arguments[0])?),
        ("local-name" | "name" | "namespace-uri", 0 | 1) => {
            Object::Text(node_name(context, name, arguments)?)
        }
        ("string", 0 | 1) => Object::Text(text_or_context(context, arguments)?),
        ("concat", 2..) => Object::Text(
            arguments
                .iter()
                .map(|a| context.text(a))
                .collect::<Eval<Vec<_>>>()?
                .concat(),
        ),
        ("starts-with", 2) => Object::Boolean(text(0)?.starts_with(&text(1)?)),
        ("contains", 2) => Object::Boolean(text(0)?.contains(&text(1)?)),
        ("substring-before", 2) => Object::Text(before(&text(0)?, &text(1)?)),
        ("substring-after", 2) => Object::Text(after(&text(0)?, &text(1)?)),
        ("substring", 2 | 3) => Object::Text(substring(context, arguments)?),
        ("string-length", 0 | 1) => {
            Object::Number(float(text_or_context(context, arguments)?.chars().count()))
        }
        ("normalize-space", 0 | 1) => {
            let text = text_or_context(context, arguments)?;
            Object::Text(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        }
        ("translate", 3) => Object::Text(translate(&text(0)?, &text(1)?, &text(2)?)),
        _ => return numeric_or_boolean(context, name, arguments),
    })
}

fn before(text: &str, part: &str) -> String {
    text.split_once(part).map_or("", |(before, _)| before).to_string()
}

fn after(text: &str, part: &str) -> String {
    text.split_once(part).map_or("", |(_, after)| after).to_string()
}

fn numeric_or_boolean(context: &Context<'_>, name: &str, arguments: &[Expr]) -> Eval<Object> {
    Ok(match (name, arguments.len()) {
        ("boolean", 1) => Object::Boolean(context.truth(&arguments[0])?),
        ("not", 1) => Object::Boolean(!context.truth(&arguments[0])?),
        ("true", 0) => Object::Boolean(true),
        ("false", 0) => Object::Boolean(false),
        ("lang", 1) => Object::Boolean(lang(context, &context.text(&arguments[0])?)),
        ("number", 0) => Object::Number(number::from_text(&context.document.string_value(context.node))),
        ("number", 1) => Object::Number(context.number(&arguments[0])?),
        ("sum", 1) => {
            let nodes = context.nodes(&arguments[0])?;
            Object::Number(
                nodes
                    .iter()
                    .map(|&n| number::from_text(&context.document.string_value(n)))
                    .sum(),
            )
        }
        ("floor", 1) => Object::Number(context.number(&arguments[0])?.floor()),
        ("ceiling", 1) => Object::Number(context.number(&arguments[0])?.ceil()),
        ("round", 1) => Object::Number(number::round(context.number(&arguments[0])?)),
        _ => return Err(InvalidXPath),
    })
}

#[allow(clippy::cast_precision_loss, reason = "no document has 2^52 nodes")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

fn text_or_context(context: &Context<'_>, arguments: &[Expr]) -> Eval<String> {
    match arguments.first() {
        Some(argument) => context.text(argument),
        None => Ok(context.document.string_value(context.node)),
    }
}

fn node_name(context: &Context<'_>, function: &str, arguments: &[Expr]) -> Eval<String> {
    let node = match arguments.first() {
        Some(argument) => context.nodes(argument)?.first().copied(),
        None => Some(context.node),
    };
    let Some(node) = node else {
        return Ok(String::new());
    };
    if let Kind::Instruction { target, .. } = &context.document.node(node).kind {
        return Ok(if function == "namespace-uri" {
            String::new()
        } else {
            target.clone()
        });
    }
    let name = context.document.name(node);
    Ok(match function {
        "local-name" => name.map(|n| n.local.clone()),
        "namespace-uri" => name.map(|n| n.uri.clone()),
        _ => name.map(crate::markup::Name::qualified),
    }
    .unwrap_or_default())
}

fn by_id(context: &Context<'_>, argument: &Expr) -> Eval<Vec<NodeId>> {
    let wanted = match context.eval(argument)? {
        Object::Nodes(nodes) => nodes
            .iter()
            .map(|&n| context.document.string_value(n))
            .collect::<Vec<_>>()
            .join(" "),
        other => context.text_of(&other),
    };
    let wanted: Vec<&str> = wanted.split_ascii_whitespace().collect();
    let has_id = |id: &NodeId| {
        context.document.node(*id).attributes.iter().any(|&attribute| {
            matches!(&context.document.node(attribute).kind,
                Kind::Attribute(name, value) if name.local == "id" && wanted.contains(&value.as_str()))
        })
    };
    Ok(context
        .document
        .descendants(0)
        .into_iter()
        .filter(has_id)
        .collect())
}

fn substring(context: &Context<'_>, arguments: &[Expr]) -> Eval<String> {
    let text = context.text(&arguments[0])?;
    let start = number::round(context.number(&arguments[1])?);
    let end = match arguments.get(2) {
        Some(length) => start + number::round(context.number(length)?),
        None => f64::INFINITY,
    };
    let within = |(i, _): &(usize, char)| float(i + 1) >= start && float(i + 1) < end;
    Ok(text.chars().enumerate().filter(within).map(|(_, c)| c).collect())
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    text.chars()
        .filter_map(|c| match from.chars().position(|f| f == c) {
            Some(i) => to.get(i).copied(),
            None => Some(c),
        })
        .collect()
}

fn lang(context: &Context<'_>, wanted: &str) -> bool {
    let document = context.document;
    let declared = std::iter::once(context.node)
        .chain(document.ancestors(context.node))
        .find_map(|node| {
            document
                .node(node)
                .attributes
                .iter()
                .find_map(|&a| match &document.node(a).kind {
                    Kind::Attribute(name, value) if name.qualified() == "xml:lang" => {
                        Some(value.to_lowercase())
                    }
                    _ => None,
                })
        });
    let wanted = wanted.to_lowercase();
    declared.is_some_and(|lang| lang == wanted || lang.starts_with(&format!("{wanted}-")))
}
