//! XPath 1.0 over the trees of [`crate::markup`].
//!
//! The whole language with its core functions, but no variables. Prefixes are those that the document
//! declares, and `_` for its first default namespace, as in Hurl.

mod ast;
mod axes;
mod eval;
mod functions;
mod lexer;
mod number;
mod parse;

use crate::markup::{Document, NodeId};

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct XPath(ast::Expr);

/// The text is no expression, or the expression makes no sense for the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidXPath;

/// The result of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    /// In document order, each once.
    Nodes(Vec<NodeId>),
    Boolean(bool),
    Number(f64),
    Text(String),
}

impl XPath {
    pub(crate) fn parse(text: &str) -> Result<XPath, InvalidXPath> {
        Ok(XPath(parse::expression(text)?))
    }

    /// Evaluates with the root of the document as context.
    pub(crate) fn evaluate(&self, document: &Document) -> Result<Object, InvalidXPath> {
        eval::evaluate(&self.0, document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{parse_html, parse_xml};

    fn shown(document: &Document, expression: &str) -> String {
        match XPath::parse(expression).and_then(|x| x.evaluate(document)) {
            Err(InvalidXPath) => "invalid".to_string(),
            Ok(Object::Nodes(nodes)) => {
                let values: Vec<_> = nodes.iter().map(|&n| document.string_value(n)).collect();
                format!("[{}]", values.join("|"))
            }
            Ok(Object::Boolean(value)) => value.to_string(),
            Ok(Object::Number(value)) => number::to_text(value),
            Ok(Object::Text(text)) => format!("{text:?}"),
        }
    }

    const LIBRARY: &str = r#"<?xml version="1.0"?><lib xmlns:x="urn:x" xmlns="urn:d" name="L"><book id="1"><t>A &amp; B</t><p>10</p></book><!-- c --><book id="2"><t><![CDATA[<C>]]></t><p>20.5</p></book><x:book id="3"/></lib>"#;

    #[test]
    fn expressions_over_xml() {
        let document = parse_xml(LIBRARY).unwrap();
        for (expression, expected) in [
            ("//_:book/_:t", "[A & B|<C>]"),
            ("//book", "[]"),
            ("count(//_:book)", "2"),
            ("count(//*[local-name()='book'])", "3"),
            ("//x:book/@id", "[3]"),
            ("string(//_:book[2]/@id)", "\"2\""),
            ("sum(//_:p)", "30.5"),
            ("//_:book[_:p > 15]/@id", "[2]"),
            ("//_:book[last()]/@id", "[2]"),
            ("//_:book[@id='1']/following-sibling::*/@id", "[2|3]"),
            ("name(//*[@id='3'])", "\"x:book\""),
            ("normalize-space('  a  b ')", "\"a b\""),
            ("substring('12345', 2, 3)", "\"234\""),
            ("substring('12345', 1.5, 2.6)", "\"234\""),
            ("translate('bar','abc','AB')", "\"BAr\""),
            ("concat('a', 1, true())", "\"a1true\""),
            ("1 div 0", "Infinity"),
            ("-7 mod 2", "-1"),
            ("round(-2.5)", "-2"),
            ("not(//_:book) or 2 > 1 and 'a' = 'b'", "false"),
            ("//_:t/text() | //@name", "[L|A & B|<C>]"),
            ("string-length(/*/comment())", "3"),
            ("//y:book", "invalid"),
            ("foo()", "invalid"),
            ("//", "invalid"),
            ("count(1)", "invalid"),
            ("/_:lib/_:book/..//@id", "[1|2|3]"),
            ("//_:p[. = 10]/ancestor::*[1]/@id", "[1]"),
            ("boolean(//none)", "false"),
        ] {
            assert_eq!(shown(&document, expression), expected, "{expression}");
        }
    }

    #[test]
    fn html_has_the_tree_of_lenient_browsers() {
        let html = "<title>T</title><p class=a>one<p>two &eacute;<br>more<table><tr><td>1<td>2<tr><td>3</table><ul><li>x<li>y</ul>";
        let document = parse_html(html).unwrap();
        for (expression, expected) in [
            ("string(/html/head/title)", "\"T\""),
            ("//p", "[one|two émore]"),
            ("//p[@class='a']", "[one]"),
            ("//table/tr/td", "[1|2|3]"),
            ("count(//li)", "2"),
            ("/html/body/ul/li[2]", "[y]"),
        ] {
            assert_eq!(shown(&document, expression), expected, "{expression}");
        }
        assert_eq!(shown(&parse_html("hello").unwrap(), "/html/body/p"), "[hello]");
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_exhausting_the_stack() {
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(XPath::parse(&deep).is_err());
        assert!(XPath::parse(&format!("{}1", "-".repeat(100_000))).is_err());
        let document = parse_xml(&"<a>".repeat(100_000));
        assert!(document.is_some());
        assert!(parse_html(&"<div>".repeat(100_000)).is_some());
    }
}
