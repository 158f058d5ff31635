//! HTML, read leniently: every text has a tree.

use super::tree::{Document, Kind, Name, NodeId};
use super::{MAX_DEPTH, entities, html_rules as rules};

/// Reads a document; `None` if the text holds neither an element nor text.
pub(crate) fn parse_html(text: &str) -> Option<Document> {
    let mut parser = Parser {
        rest: text,
        document: Document::new(),
        open: Vec::new(),
        head: false,
        body: false,
    };
    parser.run();
    parser.document.has_element().then_some(parser.document)
}

struct Parser<'a> {
    rest: &'a str,
    document: Document,
    open: Vec<(NodeId, String)>,
    /// Whether a head and a body were begun.
    head: bool,
    body: bool,
}

impl<'a> Parser<'a> {
    fn run(&mut self) {
        while !self.rest.is_empty() {
            if let Some(comment) = self.rest.strip_prefix("<!--") {
                let (text, rest) = comment.split_once("-->").unwrap_or((comment, ""));
                self.rest = rest;
                let parent = self.current();
                self.document.append(parent, Kind::Comment(text.to_string()));
            } else if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
                self.rest = self.rest.split_once('>').map_or("", |(_, rest)| rest);
            } else if self.begins("</") {
                self.end_tag();
            } else if self.begins("<") {
                self.start_tag();
            } else {
                self.text();
            }
        }
    }

    /// The text comes next, and a letter after it.
    fn begins(&self, text: &str) -> bool {
        self.rest
            .strip_prefix(text)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    }

    fn current(&self) -> NodeId {
        self.open.last().map_or(0, |(id, _)| *id)
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|(_, open)| open == name)
    }

    fn text(&mut self) {
        // A `<` that begins no tag is text.
        let length = self.rest[1..].find('<').map_or(self.rest.len(), |i| i + 1);
        let (raw, rest) = self.rest.split_at(length);
        self.rest = rest;
        let outside = self
            .open
            .last()
            .is_none_or(|(_, name)| name == "html" || name == "head");
        if outside {
            if raw.trim().is_empty() {
                return;
            }
            self.imply("p");
            self.close_for("p");
            if !self.is_open("p") {
                self.push("p", Vec::new());
            }
        }
        let parent = self.current();
        self.document.append_text(parent, &entities::unescape(raw));
    }

    fn push(&mut self, name: &str, attributes: Vec<(String, String)>) {
        let parent = self.current();
        let id = self.document.append(parent, Kind::Element(Name::local(name)));
        for (name, value) in attributes {
            self.document
                .append(id, Kind::Attribute(Name::local(&name), value));
        }
        self.head |= name == "head";
        self.body |= name == "body";
        self.open.push((id, name.to_string()));
    }

    /// Opens the elements that a document has even if nobody writes them.
    fn imply(&mut self, new: &str) {
        if new == "html" {
            return;
        }
        if self.open.is_empty() {
            self.push("html", Vec::new());
        }
        if matches!(new, "head" | "body" | "frameset" | "frame" | "noframes") {
            return;
        }
        if self.open.len() == 1 && rules::is_head_content(new) {
            if !self.head {
                self.push("head", Vec::new());
            }
        } else if !self.body && !self.is_open("head") {
            self.push("body", Vec::new());
        }
    }

    fn close_for(&mut self, new: &str) {
        while self
            .open
            .last()
            .is_some_and(|(_, old)| rules::start_closes(old, new))
        {
            self.open.pop();
        }
    }

    fn start_tag(&mut self) {
        self.rest = &self.rest[1..];
        let name = self.name();
        let attributes = self.attributes();
        let empty = self.rest.starts_with("/>");
        self.rest = self.rest.split_once('>').map_or("", |(_, rest)| rest);
        self.close_for(&name);
        self.imply(&name);
        let again =
            matches!(name.as_str(), "html" | "body") && self.is_open(&name) || name == "head" && self.head;
        if again || self.open.len() >= MAX_DEPTH {
            return;
        }
        self.push(&name, attributes);
        if rules::is_void(&name) || empty {
            self.open.pop();
        } else if rules::is_raw_text(&name) {
            self.raw_text(&name);
        }
    }

    fn raw_text(&mut self, name: &str) {
        let close = format!("</{name}");
        let lower = self.rest.to_ascii_lowercase();
        let length = lower.find(&close).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(length);
        let parent = self.current();
        self.document.append_text(parent, text);
        self.rest = rest.split_once('>').map_or("", |(_, rest)| rest);
        self.open.pop();
    }

    fn name(&mut self) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.');
        let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name.to_ascii_lowercase()
    }

    fn attributes(&mut self) -> Vec<(String, String)> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with('>') || self.rest.starts_with("/>") {
                return attributes;
            }
            let name = self.name();
            if name.is_empty() {
                // Something that is no attribute: skipped, one character at a time.
                let first = self.rest.chars().next().map_or(0, char::len_utf8);
                self.rest = &self.rest[first..];
                continue;
            }
            let value = self.attribute_value();
            if !attributes.iter().any(|(known, _)| *known == name) {
                attributes.push((name, value));
            }
        }
    }

    fn attribute_value(&mut self) -> String {
        let Some(rest) = self.rest.trim_start().strip_prefix('=') else {
            return String::new();
        };
        let rest = rest.trim_start();
        let (raw, rest) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
            _ => rest.split_at(
                rest.find(|c: char| c.is_ascii_whitespace() || c == '>')
                    .unwrap_or(rest.len()),
            ),
        };
        self.rest = rest;
        entities::unescape(raw)
    }

    fn end_tag(&mut self) {
        self.rest = &self.rest[2..];
        let name = self.name();
        self.rest = self.rest.split_once('>').map_or("", |(_, rest)| rest);
        if matches!(name.as_str(), "html" | "body") {
            // Whatever follows belongs to the body all the same.
            return;
        }
        if name == "p" && !self.is_open("p") {
            self.imply("p");
            self.push("p", Vec::new());
            self.open.pop();
            return;
        }
        let priority = rules::end_priority(&name);
        for depth in (0..self.open.len()).rev() {
            let open = &self.open[depth].1;
            if *open == name {
                self.open.truncate(depth);
                return;
            }
            if rules::end_priority(open) > priority {
                return;
            }
        }
    }
}
