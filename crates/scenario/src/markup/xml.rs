//! XML 1.0 with namespaces, without external entities: what a response body or a request body holds.

use super::tree::{Document, Kind, Name, NodeId};
use super::{MAX_DEPTH, entities};

/// Where a text stops being XML, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) at: usize,
}

type Step<T> = Result<T, Malformed>;

/// Reads a document. What is malformed ends the reading, and what was read so far counts, as in the published
/// tool; `None` if there is no root element.
pub(crate) fn parse_xml(text: &str) -> Option<Document> {
    let mut parser = Parser::new(text, true);
    // The error is the lenient end of the document, not a failure.
    let _ = parser.document();
    parser.document.has_element().then_some(parser.document)
}

/// The length of the XML document at the beginning of a text: up to the end of its root element.
///
/// # Errors
/// The place where it is not well formed.
pub(crate) fn element_length(text: &str) -> Step<usize> {
    let mut parser = Parser::new(text, false);
    parser.document()?;
    Ok(parser.at)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    lenient: bool,
    document: Document,
    /// Open elements with their names as written.
    open: Vec<(NodeId, String)>,
    /// Prefix and namespace, the innermost last.
    scope: Vec<(String, String)>,
    /// Size of `scope` at the start of each open element.
    scopes: Vec<usize>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, lenient: bool) -> Parser<'a> {
        let xml = (
            "xml".to_string(),
            "http://www.w3.org/XML/1998/namespace".to_string(),
        );
        Parser {
            text,
            at: 0,
            lenient,
            document: Document::new(),
            open: Vec::new(),
            scope: vec![xml],
            scopes: Vec::new(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail<T>(&self) -> Step<T> {
        Err(Malformed { at: self.at })
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn spaces(&mut self) -> bool {
        let before = self.at;
        self.at += self
            .rest()
            .bytes()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
            .count();
        self.at > before
    }

    /// The text up to a delimiter, which is taken too.
    fn until(&mut self, delimiter: &str) -> Step<&'a str> {
        let rest = self.rest();
        match rest.find(delimiter) {
            Some(length) => {
                self.at += length + delimiter.len();
                Ok(&rest[..length])
            }
            None => {
                self.at = self.text.len();
                self.fail()
            }
        }
    }

    /// Prolog, root element.
    fn document(&mut self) -> Step<()> {
        self.take("\u{feff}");
        if self.lenient {
            self.spaces();
        }
        if self.rest().starts_with("<?xml") {
            self.until("?>")?;
        }
        loop {
            self.spaces();
            if self.rest().starts_with("<!DOCTYPE") {
                self.doctype()?;
            } else if !self.comment(0)? && !self.instruction(0)? {
                break;
            }
        }
        self.start_tag()?;
        while !self.open.is_empty() {
            self.content()?;
        }
        Ok(())
    }

    /// Skipped; an internal subset is not read, so that its entities stay undefined.
    fn doctype(&mut self) -> Step<()> {
        let mut depth = 0_usize;
        for (i, c) in self.rest().char_indices() {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                '>' if depth == 0 => {
                    self.at += i + 1;
                    return Ok(());
                }
                _ => {}
            }
        }
        self.fail()
    }

    fn comment(&mut self, parent: NodeId) -> Step<bool> {
        if !self.take("<!--") {
            return Ok(false);
        }
        let text = self.until("--")?;
        if !self.take(">") {
            return self.fail();
        }
        self.document.append(parent, Kind::Comment(text.to_string()));
        Ok(true)
    }

    fn instruction(&mut self, parent: NodeId) -> Step<bool> {
        if !self.take("<?") {
            return Ok(false);
        }
        let target = self.name()?;
        if target.eq_ignore_ascii_case("xml") {
            return self.fail();
        }
        self.spaces();
        let data = self.until("?>")?.to_string();
        self.document.append(parent, Kind::Instruction { target, data });
        Ok(true)
    }

    fn content(&mut self) -> Step<()> {
        let Some((parent, _)) = self.open.last() else {
            return Ok(());
        };
        let parent = *parent;
        if self.take("</") {
            return self.end_tag();
        }
        if self.take("<![CDATA[") {
            let text = self.until("]]>")?;
            self.document.append_text(parent, text);
            return Ok(());
        }
        if self.comment(parent)? || self.instruction(parent)? {
            return Ok(());
        }
        if self.rest().starts_with('<') {
            return self.start_tag();
        }
        let length = self.rest().find('<').unwrap_or(self.rest().len());
        let raw = &self.rest()[..length];
        if length == 0 {
            return self.fail();
        }
        if let Some(at) = raw.find("]]>") {
            return Err(Malformed { at: self.at + at });
        }
        let text = self.resolve(raw)?;
        self.document.append_text(parent, &text);
        self.at += length;
        Ok(())
    }

    /// Replaces references; only the five that XML defines, and numbers.
    fn resolve(&self, raw: &str) -> Step<String> {
        let mut out = String::with_capacity(raw.len());
        let mut at = 0;
        while let Some(offset) = raw[at..].find('&') {
            out.push_str(&raw[at..at + offset]);
            at += offset;
            let failed = Malformed { at: self.at + at };
            let length = raw[at..].find(';').ok_or(failed)? + 1;
            let reference = &raw[at..at + length];
            let known = ["&lt;", "&gt;", "&amp;", "&quot;", "&apos;"].contains(&reference);
            let numeric = reference.starts_with("&#");
            let value = if known || numeric {
                entities::unescape(reference)
            } else {
                String::new()
            };
            if (numeric && value == reference) || (!known && !numeric && !self.lenient) {
                return Err(failed);
            }
            out.push_str(&value);
            at += length;
        }
        out.push_str(&raw[at..]);
        let allowed = |c: char| c >= ' ' || matches!(c, '\t' | '\n' | '\r');
        if raw.chars().all(allowed) {
            Ok(out.replace("\r\n", "\n"))
        } else {
            self.fail()
        }
    }

    fn name(&mut self) -> Step<String> {
        let rest = self.rest();
        let is_start = |c: char| c.is_alphabetic() || c == '_' || c == ':';
        if !rest.starts_with(is_start) {
            return self.fail();
        }
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '\u{b7}');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += length;
        Ok(rest[..length].to_string())
    }

    fn start_tag(&mut self) -> Step<()> {
        if !self.take("<") || self.open.len() >= MAX_DEPTH {
            return self.fail();
        }
        let start = self.at;
        let name = self.name()?;
        let attributes = self.attributes()?;
        let empty = self.take("/");
        if !self.take(">") {
            return self.fail();
        }
        self.scopes.push(self.scope.len());
        self.declare(&attributes);
        let parent = self.open.last().map_or(0, |(id, _)| *id);
        let resolved = self.resolve_name(&name, true, start)?;
        let element = self.document.append(parent, Kind::Element(resolved));
        for (name, value) in attributes {
            if name != "xmlns" && !name.starts_with("xmlns:") {
                let name = self.resolve_name(&name, false, start)?;
                self.document.append(element, Kind::Attribute(name, value));
            }
        }
        if empty {
            self.leave();
        } else {
            self.open.push((element, name));
        }
        Ok(())
    }

    fn leave(&mut self) {
        let size = self.scopes.pop().unwrap_or(1);
        self.scope.truncate(size);
    }

    fn attributes(&mut self) -> Step<Vec<(String, String)>> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        loop {
            let spaced = self.spaces();
            if self.rest().starts_with(['>', '/']) || self.rest().is_empty() {
                return Ok(attributes);
            }
            if !spaced {
                return self.fail();
            }
            let name = self.name()?;
            self.spaces();
            if !self.take("=") || attributes.iter().any(|(known, _)| *known == name) {
                return self.fail();
            }
            self.spaces();
            let quote = if self.take("\"") { "\"" } else { "'" };
            if quote == "'" && !self.take("'") {
                return self.fail();
            }
            let start = self.at;
            let raw = self.until(quote)?;
            if let Some(at) = raw.find('<') {
                return Err(Malformed { at: start + at });
            }
            let value = self.resolve(&raw.replace(['\t', '\n', '\r'], " "))?;
            attributes.push((name, value));
        }
    }

    /// Takes the declarations of an element into scope, and makes them known to expressions.
    fn declare(&mut self, attributes: &[(String, String)]) {
        for (name, uri) in attributes {
            let prefix = match name.strip_prefix("xmlns:") {
                Some(prefix) => prefix,
                None if name == "xmlns" => "",
                None => continue,
            };
            self.scope.push((prefix.to_string(), uri.clone()));
            let known = &mut self.document.namespaces;
            if prefix.is_empty() {
                if !known.iter().any(|(prefix, _)| prefix == "_") {
                    known.push(("_".to_string(), uri.clone()));
                }
            } else {
                known.retain(|(existing, _)| existing != prefix);
                known.push((prefix.to_string(), uri.clone()));
            }
        }
    }

    /// An undeclared prefix is an error, or part of the name when leniently read.
    fn resolve_name(&self, name: &str, is_element: bool, at: usize) -> Step<Name> {
        let find = |prefix: &str| {
            self.scope
                .iter()
                .rev()
                .find(|(p, _)| p == prefix)
                .map(|(_, u)| u.clone())
        };
        match name.split_once(':') {
            None if is_element => Ok(Name {
                uri: find("").unwrap_or_default(),
                ..Name::local(name)
            }),
            None => Ok(Name::local(name)),
            Some((prefix, local)) => match find(prefix) {
                Some(uri) => Ok(Name {
                    prefix: prefix.to_string(),
                    local: local.to_string(),
                    uri,
                }),
                None if self.lenient => Ok(Name::local(name)),
                None => Err(Malformed { at }),
            },
        }
    }

    fn end_tag(&mut self) -> Step<()> {
        let start = self.at;
        let name = self.name()?;
        self.spaces();
        if !self.take(">") {
            return self.fail();
        }
        let matches = self.open.last().is_some_and(|(_, open)| *open == name);
        if !matches && !self.lenient {
            return Err(Malformed { at: start });
        }
        self.open.pop();
        self.leave();
        Ok(())
    }
}
