//! Evaluating an expression over a document.

use super::ast::{Arithmetic, Axis, Comparison, Expr, Step};
use super::{InvalidXPath, Object, axes, functions, number};
use crate::markup::{Document, NodeId};

pub(super) type Eval<T> = Result<T, InvalidXPath>;

/// Section 1: node, position and size.
#[derive(Clone, Copy)]
pub(super) struct Context<'d> {
    pub(super) document: &'d Document,
    pub(super) node: NodeId,
    pub(super) position: usize,
    pub(super) size: usize,
}

pub(super) fn evaluate(expr: &Expr, document: &Document) -> Eval<Object> {
    Context {
        document,
        node: 0,
        position: 1,
        size: 1,
    }
    .eval(expr)
}

impl Context<'_> {
    pub(super) fn eval(&self, expr: &Expr) -> Eval<Object> {
        Ok(match expr {
            Expr::Literal(text) => Object::Text(text.clone()),
            Expr::Number(value) => Object::Number(*value),
            Expr::Or(left, right) => Object::Boolean(self.truth(left)? || self.truth(right)?),
            Expr::And(left, right) => Object::Boolean(self.truth(left)? && self.truth(right)?),
            Expr::Compare(operator, left, right) => {
                Object::Boolean(self.compare(*operator, &self.eval(left)?, &self.eval(right)?))
            }
            Expr::Arithmetic(operator, left, right) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                Object::Number(arithmetic(*operator, left, right))
            }
            Expr::Negate(inner) => Object::Number(-self.number(inner)?),
            Expr::Union(left, right) => {
                let mut nodes = self.nodes(left)?;
                nodes.extend(self.nodes(right)?);
                Object::Nodes(in_order(nodes))
            }
            Expr::Call(name, arguments) => functions::call(self, name, arguments)?,
            Expr::Path { absolute, steps } => {
                let from = if *absolute { 0 } else { self.node };
                Object::Nodes(self.walk(vec![from], steps)?)
            }
            Expr::Filter {
                base,
                predicates,
                steps,
            } => {
                let mut nodes = self.nodes(base)?;
                for predicate in predicates {
                    nodes = self.keep(nodes, predicate)?;
                }
                Object::Nodes(self.walk(nodes, steps)?)
            }
        })
    }

    pub(super) fn nodes(&self, expr: &Expr) -> Eval<Vec<NodeId>> {
        match self.eval(expr)? {
            Object::Nodes(nodes) => Ok(nodes),
            _ => Err(InvalidXPath),
        }
    }

    pub(super) fn number(&self, expr: &Expr) -> Eval<f64> {
        Ok(self.number_of(&self.eval(expr)?))
    }

    pub(super) fn text(&self, expr: &Expr) -> Eval<String> {
        Ok(self.text_of(&self.eval(expr)?))
    }

    pub(super) fn truth(&self, expr: &Expr) -> Eval<bool> {
        Ok(to_boolean(&self.eval(expr)?))
    }

    pub(super) fn text_of(&self, object: &Object) -> String {
        match object {
            Object::Nodes(nodes) => nodes
                .first()
                .map(|&n| self.document.string_value(n))
                .unwrap_or_default(),
            Object::Boolean(value) => value.to_string(),
            Object::Number(value) => number::to_text(*value),
            Object::Text(text) => text.clone(),
        }
    }

    pub(super) fn number_of(&self, object: &Object) -> f64 {
        match object {
            Object::Boolean(value) => f64::from(u8::from(*value)),
            Object::Number(value) => *value,
            other => number::from_text(&self.text_of(other)),
        }
    }

    fn walk(&self, from: Vec<NodeId>, steps: &[Step]) -> Eval<Vec<NodeId>> {
        let mut nodes = from;
        for step in steps {
            let mut next = Vec::new();
            for &node in &nodes {
                next.extend(self.step(node, step)?);
            }
            nodes = in_order(next);
        }
        Ok(nodes)
    }

    fn step(&self, from: NodeId, step: &Step) -> Eval<Vec<NodeId>> {
        let mut nodes = Vec::new();
        for node in axes::nodes(self.document, from, step.axis) {
            if axes::passes(self.document, node, step.axis, &step.test)? {
                nodes.push(node);
            }
        }
        // An empty set must not hide that a prefix is unknown.
        if nodes.is_empty() {
            axes::passes(self.document, from, Axis::Itself, &step.test)?;
        }
        for predicate in &step.predicates {
            nodes = self.keep(nodes, predicate)?;
        }
        Ok(nodes)
    }

    /// Section 2.4: a number selects by position.
    fn keep(&self, nodes: Vec<NodeId>, predicate: &Expr) -> Eval<Vec<NodeId>> {
        let size = nodes.len();
        let mut kept = Vec::new();
        for (i, node) in nodes.into_iter().enumerate() {
            let context = Context {
                document: self.document,
                node,
                position: i + 1,
                size,
            };
            let holds = match context.eval(predicate)? {
                Object::Number(wanted) => (functions::float(i + 1) - wanted).abs() < f64::EPSILON,
                other => to_boolean(&other),
            };
            if holds {
                kept.push(node);
            }
        }
        Ok(kept)
    }

    /// Section 3.4.
    fn compare(&self, operator: Comparison, left: &Object, right: &Object) -> bool {
        match (left, right) {
            (Object::Boolean(_), _) | (_, Object::Boolean(_)) => {
                let value = |object| f64::from(u8::from(to_boolean(object)));
                numbers(operator, value(left), value(right))
            }
            (Object::Nodes(nodes), other) => nodes
                .iter()
                .any(|&n| self.compare(operator, &Object::Text(self.document.string_value(n)), other)),
            (other, Object::Nodes(nodes)) => nodes
                .iter()
                .any(|&n| self.compare(operator, other, &Object::Text(self.document.string_value(n)))),
            (Object::Text(left), Object::Text(right)) if operator == Comparison::Equal => left == right,
            (Object::Text(left), Object::Text(right)) if operator == Comparison::NotEqual => left != right,
            _ => numbers(operator, self.number_of(left), self.number_of(right)),
        }
    }
}

fn to_boolean(object: &Object) -> bool {
    match object {
        Object::Nodes(nodes) => !nodes.is_empty(),
        Object::Boolean(value) => *value,
        Object::Number(value) => *value != 0.0 && !value.is_nan(),
        Object::Text(text) => !text.is_empty(),
    }
}

#[allow(clippy::float_cmp, reason = "equality of numbers as the language defines it")]
fn numbers(operator: Comparison, left: f64, right: f64) -> bool {
    match operator {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}

fn arithmetic(operator: Arithmetic, left: f64, right: f64) -> f64 {
    match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
    }
}

fn in_order(mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}
