//! Evaluating a query over a value, without copying what is passed by.

use std::borrow::Cow;

use super::functions::compile;
use super::{Comparable, Logical, Operator, Pattern, Query, Segment, Selector};
use crate::value::{Number, Value};

/// Numbers closer than this are equal.
const TOLERANCE: f64 = 1e-12;

pub(super) fn find<'v>(segments: &[Segment], from: &'v Value, root: &'v Value) -> Vec<&'v Value> {
    let mut nodes = vec![from];
    for segment in segments {
        let mut next = Vec::new();
        for node in nodes {
            match segment {
                Segment::Child(selectors) => select(selectors, node, root, &mut next),
                Segment::Descendant(selectors) => descend(selectors, node, root, &mut next),
            }
        }
        nodes = next;
    }
    nodes
}

/// Follows the names and indexes that a query begins with, each to one node at most; what is left of the query.
pub(super) fn lead<'v, 's>(segments: &'s [Segment], root: &'v Value) -> Option<(&'v Value, &'s [Segment])> {
    let (mut node, mut rest) = (root, segments);
    while let [Segment::Child(selectors), after @ ..] = rest
        && let [selector @ (Selector::Name(_) | Selector::Index(_))] = selectors.as_slice()
    {
        node = child(selector, node)?;
        rest = after;
    }
    Some((node, rest))
}

fn child<'v>(selector: &Selector, node: &'v Value) -> Option<&'v Value> {
    match (selector, node) {
        (Selector::Name(name), Value::Object(members)) => {
            members.iter().find(|(n, _)| n == name).map(|(_, v)| v)
        }
        (Selector::Index(index), Value::List(values)) => at(values, *index),
        _ => None,
    }
}

fn select<'v>(selectors: &[Selector], node: &'v Value, root: &'v Value, out: &mut Vec<&'v Value>) {
    for selector in selectors {
        match (selector, node) {
            (Selector::Name(_) | Selector::Index(_), _) => out.extend(child(selector, node)),
            (Selector::Wildcard, _) => out.extend(children(node)),
            (Selector::Slice { start, end, step }, Value::List(values)) => {
                slice(values, *start, *end, *step, out);
            }
            (Selector::Filter(test), _) => {
                out.extend(children(node).filter(|child| holds(test, child, root)));
            }
            _ => {}
        }
    }
}

fn children(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match node {
        Value::List(values) => Box::new(values.iter()),
        Value::Object(members) => Box::new(members.iter().map(|(_, value)| value)),
        _ => Box::new(std::iter::empty()),
    }
}

/// The depth of a value is limited where it is read.
fn descend<'v>(selectors: &[Selector], node: &'v Value, root: &'v Value, out: &mut Vec<&'v Value>) {
    select(selectors, node, root, out);
    for child in children(node) {
        descend(selectors, child, root, out);
    }
}

fn length_of(values: &[Value]) -> i64 {
    i64::try_from(values.len()).unwrap_or(i64::MAX)
}

fn at(values: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 {
        length_of(values) + index
    } else {
        index
    };
    values.get(usize::try_from(index).ok()?)
}

/// RFC 9535, section 2.3.4.2.2.
fn slice<'v>(values: &'v [Value], start: Option<i64>, end: Option<i64>, step: i64, out: &mut Vec<&'v Value>) {
    let length = length_of(values);
    let normal = |i: i64| if i >= 0 { i } else { length + i };
    let mut push = |i: i64| out.extend(usize::try_from(i).ok().and_then(|i| values.get(i)));
    if step > 0 {
        let upper = normal(end.unwrap_or(length)).clamp(0, length);
        let mut i = normal(start.unwrap_or(0)).clamp(0, length);
        while i < upper {
            push(i);
            i = i.saturating_add(step);
        }
    } else if step < 0 {
        let lower = normal(end.unwrap_or(-length - 1)).clamp(-1, length - 1);
        let mut i = normal(start.unwrap_or(length - 1)).clamp(-1, length - 1);
        while lower < i {
            push(i);
            i = i.saturating_add(step);
        }
    }
}

fn query<'v>(query: &Query, current: &'v Value, root: &'v Value) -> Vec<&'v Value> {
    find(
        &query.segments,
        if query.from_root { root } else { current },
        root,
    )
}

fn holds(test: &Logical, current: &Value, root: &Value) -> bool {
    match test {
        Logical::Or(operands) => operands.iter().any(|o| holds(o, current, root)),
        Logical::And(operands) => operands.iter().all(|o| holds(o, current, root)),
        Logical::Not(operand) => !holds(operand, current, root),
        Logical::Exists(found) => !query(found, current, root).is_empty(),
        Logical::Compare {
            left,
            operator,
            right,
        } => {
            let (left, right) = (value(left, current, root), value(right, current, root));
            compare(left.as_deref(), *operator, right.as_deref())
        }
        Logical::Match { text, pattern, whole } => {
            let text = value(text, current, root);
            let Some(Value::String(text)) = text.as_deref() else {
                return false;
            };
            match pattern {
                Pattern::Literal(regex) => regex.is_match(text),
                Pattern::Computed(pattern) => match value(pattern, current, root).as_deref() {
                    Some(Value::String(p)) => compile(p, *whole).is_some_and(|regex| regex.is_match(text)),
                    _ => false,
                },
            }
        }
    }
}

fn value<'v>(comparable: &'v Comparable, current: &'v Value, root: &'v Value) -> Option<Cow<'v, Value>> {
    match comparable {
        Comparable::Literal(literal) => Some(Cow::Borrowed(literal)),
        Comparable::Query(q) => query(q, current, root).first().map(|v| Cow::Borrowed(*v)),
        Comparable::Value(q) => match query(q, current, root).as_slice() {
            [one] => Some(Cow::Borrowed(*one)),
            _ => None,
        },
        Comparable::Count(q) => Some(Cow::Owned(Value::integer(query(q, current, root).len()))),
        Comparable::Length(of) => {
            let length = match value(of, current, root)?.as_ref() {
                Value::List(values) => values.len(),
                Value::Object(members) => members.len(),
                Value::String(text) => text.chars().count(),
                _ => return None,
            };
            Some(Cow::Owned(Value::integer(length)))
        }
    }
}

fn compare(left: Option<&Value>, operator: Operator, right: Option<&Value>) -> bool {
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => less(left, right),
        Operator::LessOrEqual => less(left, right) || equal(left, right),
        Operator::Greater => less(right, left),
        Operator::GreaterOrEqual => less(right, left) || equal(left, right),
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(Value::Number(a)), Some(Value::Number(b))) => (float(a) - float(b)).abs() < TOLERANCE,
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn less(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::String(a)), Some(Value::String(b))) => a < b,
        (Some(Value::Number(a)), Some(Value::Number(b))) => float(b) - float(a) > TOLERANCE,
        _ => false,
    }
}

#[allow(clippy::cast_precision_loss, reason = "the comparison has a tolerance anyway")]
fn float(number: &Number) -> f64 {
    match number {
        Number::Integer(v) => *v as f64,
        Number::Float(v) => *v,
        Number::Big(digits) => digits.parse().unwrap_or(f64::INFINITY),
    }
}
