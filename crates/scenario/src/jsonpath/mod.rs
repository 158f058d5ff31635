//! JSONPath as Hurl has it: RFC 9535, read and evaluated over [`Value`].
//!
//! Where the tool is more lenient or stricter than the standard, the tool is followed: `match` anchors its
//! pattern as `^pattern$`, numbers are equal within 1e-12, and no space may stand before the first `$`.

mod eval;
mod functions;
mod parse;
mod strings;

use regex::Regex;

use crate::value::Value;

/// A compiled query.
#[derive(Debug)]
pub(crate) struct JsonPath {
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Child(Vec<Selector>),
    Descendant(Vec<Selector>),
}

#[derive(Debug)]
enum Selector {
    Name(String),
    Wildcard,
    Index(i64),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Filter(Logical),
}

#[derive(Debug)]
enum Logical {
    Or(Vec<Logical>),
    And(Vec<Logical>),
    Not(Box<Logical>),
    Compare {
        left: Comparable,
        operator: Operator,
        right: Comparable,
    },
    Exists(Query),
    Match {
        text: Comparable,
        pattern: Pattern,
        whole: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    NotEqual,
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
}

#[derive(Debug)]
enum Comparable {
    Literal(Value),
    /// A query of names and indexes only, which finds at most one node.
    Query(Query),
    Length(Box<Comparable>),
    Count(Query),
    Value(Query),
}

#[derive(Debug)]
enum Pattern {
    Literal(Regex),
    Computed(Comparable),
}

/// A query inside a filter.
#[derive(Debug)]
struct Query {
    from_root: bool,
    segments: Vec<Segment>,
}

/// The text is not a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidPath;

impl JsonPath {
    pub(crate) fn parse(text: &str) -> Result<JsonPath, InvalidPath> {
        Ok(JsonPath {
            segments: parse::query(text)?,
        })
    }

    /// The nodes found, in order.
    pub(crate) fn find<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        eval::find(&self.segments, root, root)
    }

    /// What Hurl makes of the nodes: nothing, the one value, or a list of several.
    pub(crate) fn coerced(&self, root: &Value) -> Option<Value> {
        let (node, rest) = eval::lead(&self.segments, root)?;
        if rest.is_empty() {
            return Some(node.clone());
        }
        match eval::find(rest, node, root).as_slice() {
            [] => None,
            [one] => Some((*one).clone()),
            several => Some(Value::List(several.iter().map(|v| (*v).clone()).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse_json;

    fn found(path: &str, json: &str) -> String {
        let root = parse_json(json).unwrap();
        match JsonPath::parse(path) {
            Err(InvalidPath) => "invalid".to_string(),
            Ok(path) => serde_json::to_string(&path.find(&root)).unwrap(),
        }
    }

    const STORE: &str = r#"{"books":[{"t":"a","p":8.5,"i":"x1"},{"t":"b","p":12},{"t":"c","p":9,"i":null}],
        "o":{"j":1,"k":{"j":2}},"n":[0,1,2,3,4,5]}"#;

    #[test]
    fn selectors_find_nodes_in_order() {
        for (path, expected) in [
            ("$.books[0].t", r#"["a"]"#),
            ("$['books'][-1][\"t\"]", r#"["c"]"#),
            ("$..j", "[1,2]"),
            ("$.n[1:5:2]", "[1,3]"),
            ("$.n[::-1]", "[5,4,3,2,1,0]"),
            ("$.n[5:1:-2]", "[5,3]"),
            ("$.n[0,2,-1]", "[0,2,5]"),
            ("$.o.*", r#"[1,{"j":2}]"#),
            ("$.books[?@.p < 10].t", r#"["a","c"]"#),
            ("$.books[?@.i].t", r#"["a","c"]"#),
            ("$.books[?!@.i].t", r#"["b"]"#),
            ("$.books[?@.i == null].t", r#"["c"]"#),
            ("$.books[?(@.t == 'a' || @.p == 12) && @.p > 1].t", r#"["a","b"]"#),
            ("$.books[?length(@.t) == 1 && count(@.*) == 2].t", r#"["b"]"#),
            ("$.books[?match(@.i, 'x.')].t", r#"["a"]"#),
            ("$.books[?search(@.t, '[bc]')].t", r#"["b","c"]"#),
            ("$.books[?value(@..p) == $.n[3]]", "[]"),
            ("$.missing", "[]"),
            ("$.n[10]", "[]"),
        ] {
            assert_eq!(found(path, STORE), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for path in [
            "",
            "books",
            " $.a",
            "$.",
            "$..",
            "$[",
            "$['a'",
            "$.a ",
            "$[01]",
            "$[?@.a ==]",
            "$.1a",
            "$[-0]",
        ] {
            assert_eq!(found(path, STORE), "invalid", "{path}");
        }
    }

    #[test]
    fn deep_nesting_of_filters_is_refused_instead_of_exhausting_the_stack() {
        let deep = format!("$[?{}@.a{}]", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(found(&deep, "[]"), "invalid");
        let calls = format!("$[?{}@{} == 1]", "length(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(found(&calls, "[]"), "invalid");
    }
}
