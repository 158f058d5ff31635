//! From text to a compiled query.

use super::functions;
use super::strings;
use super::{Comparable, InvalidPath, Logical, Operator, Query, Segment, Selector};
use crate::value::{Number, Value};

/// Filters nested deeper than this are refused.
const MAX_DEPTH: usize = 32;

pub(super) type Parse<T> = Result<T, InvalidPath>;

pub(super) struct Parser<'a> {
    pub(super) rest: &'a str,
    depth: usize,
}

pub(super) fn query(text: &str) -> Parse<Vec<Segment>> {
    let mut parser = Parser { rest: text, depth: 0 };
    parser.expect("$")?;
    let segments = parser.segments()?;
    if parser.rest.is_empty() {
        Ok(segments)
    } else {
        Err(InvalidPath)
    }
}

impl Parser<'_> {
    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn expect(&mut self, text: &str) -> Parse<()> {
        if self.take(text) { Ok(()) } else { Err(InvalidPath) }
    }

    pub(super) fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn segments(&mut self) -> Parse<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            let before = self.rest;
            self.spaces();
            if self.take("..") {
                segments.push(Segment::Descendant(self.selection()?));
            } else if self.rest.starts_with(['[', '.']) {
                self.take(".");
                segments.push(Segment::Child(self.selection_after(before)?));
            } else {
                self.rest = before;
                return Ok(segments);
            }
        }
    }

    /// After a dot: a name or `*`. Without a dot: brackets.
    fn selection_after(&mut self, before: &str) -> Parse<Vec<Selector>> {
        let dotted = before
            .trim_start_matches([' ', '\t', '\n', '\r'])
            .starts_with('.');
        if dotted && self.rest.starts_with('[') {
            return Err(InvalidPath);
        }
        self.selection()
    }

    fn selection(&mut self) -> Parse<Vec<Selector>> {
        if self.take("*") {
            return Ok(vec![Selector::Wildcard]);
        }
        if !self.take("[") {
            return Ok(vec![Selector::Name(self.name()?)]);
        }
        self.spaces();
        let mut selectors = vec![self.selector()?];
        self.spaces();
        while self.take(",") {
            self.spaces();
            selectors.push(self.selector()?);
            self.spaces();
        }
        self.expect("]")?;
        Ok(selectors)
    }

    fn name(&mut self) -> Parse<String> {
        let first = |c: char| c.is_alphabetic() || c == '_' || u32::from(c) >= 0x80;
        if !self.rest.starts_with(first) {
            return Err(InvalidPath);
        }
        let end = self
            .rest
            .find(|c: char| !first(c) && !c.is_ascii_digit())
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(name.to_string())
    }

    fn selector(&mut self) -> Parse<Selector> {
        if let Some(name) = self.string()? {
            return Ok(Selector::Name(name));
        }
        if self.take("*") {
            return Ok(Selector::Wildcard);
        }
        if self.take("?") {
            self.spaces();
            return Ok(Selector::Filter(self.or()?));
        }
        let start = self.integer()?;
        let before = self.rest;
        self.spaces();
        if !self.take(":") {
            self.rest = before;
            return start.map(Selector::Index).ok_or(InvalidPath);
        }
        self.spaces();
        let end = self.integer()?;
        self.spaces();
        let step = if self.take(":") {
            self.spaces();
            self.integer()?.unwrap_or(1)
        } else {
            1
        };
        Ok(Selector::Slice { start, end, step })
    }

    pub(super) fn string(&mut self) -> Parse<Option<String>> {
        let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return Ok(None);
        };
        let (value, rest) = strings::quoted(&self.rest[1..], quote)?;
        self.rest = rest;
        Ok(Some(value))
    }

    /// Digits as written, without leading zeros and not `-0`.
    fn digits(&mut self) -> Parse<Option<String>> {
        if self.take("0") {
            return Ok(Some("0".to_string()));
        }
        let negative = self.take("-");
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(length);
        if digits.is_empty() || digits.starts_with('0') {
            return if negative { Err(InvalidPath) } else { Ok(None) };
        }
        self.rest = rest;
        Ok(Some(format!("{}{digits}", if negative { "-" } else { "" })))
    }

    fn integer(&mut self) -> Parse<Option<i64>> {
        /// The largest integer that every JSON reader keeps (RFC 9535, section 2.1).
        const LARGEST: i64 = 9_007_199_254_740_991;
        let Some(digits) = self.digits()? else {
            return Ok(None);
        };
        let value: i64 = digits.parse().map_err(|_| InvalidPath)?;
        if (-LARGEST..=LARGEST).contains(&value) {
            Ok(Some(value))
        } else {
            Err(InvalidPath)
        }
    }

    fn number(&mut self) -> Parse<Option<Number>> {
        let negative_zero = self.rest.starts_with("-0") && self.take("-");
        let Some(mut text) = self.digits()? else {
            return Ok(None);
        };
        let mut is_float = false;
        if self.take(".") {
            is_float = true;
            text = format!("{text}.{}", self.some_digits()?);
        }
        if self.take("e") || self.take("E") {
            is_float = true;
            let sign = if self.take("-") { "-" } else { "" };
            if sign.is_empty() {
                self.take("+");
            }
            text = format!("{text}e{sign}{}", self.some_digits()?);
        }
        if negative_zero && is_float {
            text = format!("-{text}");
        }
        let number = if is_float {
            Number::Float(text.parse().map_err(|_| InvalidPath)?)
        } else {
            text.parse().map_or(Number::Big(text), Number::Integer)
        };
        Ok(Some(number))
    }

    fn some_digits(&mut self) -> Parse<String> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        if digits.is_empty() {
            Err(InvalidPath)
        } else {
            Ok(digits.to_string())
        }
    }

    fn or(&mut self) -> Parse<Logical> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidPath);
        }
        let mut operands = vec![self.and()?];
        self.spaces();
        while self.take("||") {
            self.spaces();
            operands.push(self.and()?);
            self.spaces();
        }
        self.depth -= 1;
        Ok(single(operands, Logical::Or))
    }

    fn and(&mut self) -> Parse<Logical> {
        let mut operands = vec![self.basic()?];
        self.spaces();
        while self.take("&&") {
            self.spaces();
            operands.push(self.basic()?);
            self.spaces();
        }
        Ok(single(operands, Logical::And))
    }

    fn basic(&mut self) -> Parse<Logical> {
        let before = self.rest;
        let not = self.take("!");
        self.spaces();
        if self.take("(") {
            let inner = self.or()?;
            self.expect(")")?;
            return Ok(negated(not, inner));
        }
        self.rest = before;
        if let Some(comparison) = self.comparison()? {
            return Ok(comparison);
        }
        self.rest = before;
        let not = self.take("!");
        self.spaces();
        if let Some(query) = self.filter_query()? {
            return Ok(negated(not, Logical::Exists(query)));
        }
        functions::logical(self)?
            .map(|test| negated(not, test))
            .ok_or(InvalidPath)
    }

    fn comparison(&mut self) -> Parse<Option<Logical>> {
        let Some(left) = self.comparable()? else {
            return Ok(None);
        };
        self.spaces();
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            ("<", Operator::Less),
            (">=", Operator::GreaterOrEqual),
            (">", Operator::Greater),
        ];
        let Some((_, operator)) = operators.into_iter().find(|(text, _)| self.take(text)) else {
            return Ok(None);
        };
        self.spaces();
        let right = self.comparable()?.ok_or(InvalidPath)?;
        Ok(Some(Logical::Compare {
            left,
            operator,
            right,
        }))
    }

    /// A literal, a query that finds at most one node, or a function that gives a value.
    pub(super) fn comparable(&mut self) -> Parse<Option<Comparable>> {
        for (word, value) in [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
        ] {
            if self.take(word) {
                return Ok(Some(Comparable::Literal(value)));
            }
        }
        if let Some(number) = self.number()? {
            return Ok(Some(Comparable::Literal(Value::Number(number))));
        }
        if let Some(text) = self.string()? {
            return Ok(Some(Comparable::Literal(Value::String(text))));
        }
        if let Some(query) = self.singular_query()? {
            return Ok(Some(Comparable::Query(query)));
        }
        functions::value(self)
    }

    fn singular_query(&mut self) -> Parse<Option<Query>> {
        let from_root = self.take("$");
        if !from_root && !self.take("@") {
            return Ok(None);
        }
        let mut segments = Vec::new();
        self.spaces();
        loop {
            let before = self.rest;
            let selector = if self.take("[") {
                let selector = match self.string()? {
                    Some(name) => Some(Selector::Name(name)),
                    None => self.integer()?.map(Selector::Index),
                };
                if selector.is_some() {
                    self.expect("]")?;
                }
                selector
            } else if self.take(".") {
                self.name().ok().map(Selector::Name)
            } else {
                None
            };
            let Some(selector) = selector else {
                self.rest = before;
                return Ok(Some(Query { from_root, segments }));
            };
            segments.push(Segment::Child(vec![selector]));
            self.spaces();
        }
    }

    pub(super) fn filter_query(&mut self) -> Parse<Option<Query>> {
        let from_root = self.take("$");
        if !from_root && !self.take("@") {
            return Ok(None);
        }
        Ok(Some(Query {
            from_root,
            segments: self.segments()?,
        }))
    }
}

fn single(mut operands: Vec<Logical>, join: fn(Vec<Logical>) -> Logical) -> Logical {
    if operands.len() == 1 {
        operands.remove(0)
    } else {
        join(operands)
    }
}

fn negated(not: bool, inner: Logical) -> Logical {
    if not { Logical::Not(Box::new(inner)) } else { inner }
}
