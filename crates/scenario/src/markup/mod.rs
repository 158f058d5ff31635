//! XML and HTML as a tree that XPath can walk.
//!
//! Both readers do what the library behind the published tool does: XML with namespaces, read as far as it is
//! well formed; HTML in the lenient manner of old browsers, in which a table has no `tbody` unless it is
//! written. A maintained HTML 5 reader would build another tree, and expressions would find other nodes.

mod entities;
mod html;
mod html_rules;
mod tree;
mod xml;

pub(crate) use entities::unescape;
pub(crate) use html::parse_html;
pub(crate) use tree::{Document, Kind, Name, NodeId};
pub(crate) use xml::{element_length, parse_xml};

/// Deeper nesting is refused, in XML, or flattened, in HTML.
const MAX_DEPTH: usize = 256;
