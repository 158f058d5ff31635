//! The axes of XPath 1.0, each in its own order: the nearest node first.

use super::InvalidXPath;
use super::ast::{Axis, Test};
use crate::markup::{Document, Kind, NodeId};

pub(super) fn nodes(document: &Document, from: NodeId, axis: Axis) -> Vec<NodeId> {
    let node = document.node(from);
    match axis {
        Axis::Itself => vec![from],
        Axis::Child => node.children.clone(),
        Axis::Attribute => node.attributes.clone(),
        Axis::Parent => node.parent.into_iter().collect(),
        Axis::Ancestor => document.ancestors(from),
        Axis::AncestorOrSelf => std::iter::once(from).chain(document.ancestors(from)).collect(),
        Axis::Descendant => document.descendants(from),
        Axis::DescendantOrSelf => std::iter::once(from).chain(document.descendants(from)).collect(),
        Axis::FollowingSibling => siblings(document, from)
            .into_iter()
            .filter(|&s| s > from)
            .collect(),
        Axis::PrecedingSibling => siblings(document, from)
            .into_iter()
            .rev()
            .filter(|&s| s < from)
            .collect(),
        Axis::Following => {
            let end = document.descendants(from).last().copied().unwrap_or(from);
            document.descendants(0).into_iter().filter(|&n| n > end).collect()
        }
        Axis::Preceding => {
            let ancestors = document.ancestors(from);
            let before = document.descendants(0).into_iter().rev();
            before.filter(|n| *n < from && !ancestors.contains(n)).collect()
        }
        Axis::Namespace => Vec::new(),
    }
}

/// An attribute has no siblings.
fn siblings(document: &Document, from: NodeId) -> Vec<NodeId> {
    if matches!(document.node(from).kind, Kind::Attribute(..)) {
        return Vec::new();
    }
    document
        .node(from)
        .parent
        .map(|parent| document.node(parent).children.clone())
        .unwrap_or_default()
}

/// Whether a node passes a test; names select the main kind of node of the axis.
pub(super) fn passes(document: &Document, id: NodeId, axis: Axis, test: &Test) -> Result<bool, InvalidXPath> {
    let kind = &document.node(id).kind;
    let main = if axis == Axis::Attribute {
        matches!(kind, Kind::Attribute(..))
    } else {
        matches!(kind, Kind::Element(_))
    };
    let name = document.name(id).filter(|_| main);
    Ok(match test {
        Test::Node => true,
        Test::Text => matches!(kind, Kind::Text(_)),
        Test::Comment => matches!(kind, Kind::Comment(_)),
        Test::Instruction(wanted) => match kind {
            Kind::Instruction { target, .. } => wanted.as_ref().is_none_or(|w| w == target),
            _ => false,
        },
        Test::Any => name.is_some(),
        Test::AnyIn(prefix) => {
            let uri = namespace(document, prefix)?;
            name.is_some_and(|name| name.uri == uri)
        }
        Test::Name { prefix, local } => {
            let uri = prefix
                .as_ref()
                .map_or(Ok(""), |prefix| namespace(document, prefix))?;
            name.is_some_and(|name| name.local == *local && name.uri == uri)
        }
    })
}

fn namespace<'d>(document: &'d Document, prefix: &str) -> Result<&'d str, InvalidXPath> {
    if prefix == "xml" {
        return Ok("http://www.w3.org/XML/1998/namespace");
    }
    let found = document.namespaces.iter().find(|(known, _)| known == prefix);
    found.map(|(_, uri)| uri.as_str()).ok_or(InvalidXPath)
}
