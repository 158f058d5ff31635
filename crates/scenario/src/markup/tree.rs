//! The tree: nodes in one vector, in document order, so that comparing ids compares positions.

/// Index of a node. Ids grow in document order: an element, its attributes, its content.
pub(crate) type NodeId = usize;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// Empty if the name has none.
    pub(crate) prefix: String,
    pub(crate) local: String,
    /// The namespace; empty if the name is in none.
    pub(crate) uri: String,
}

impl Name {
    pub(crate) fn local(local: &str) -> Name {
        Name {
            local: local.to_string(),
            ..Name::default()
        }
    }

    /// As written, with its prefix.
    pub(crate) fn qualified(&self) -> String {
        if self.prefix.is_empty() {
            self.local.clone()
        } else {
            format!("{}:{}", self.prefix, self.local)
        }
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Root,
    Element(Name),
    Attribute(Name, String),
    Text(String),
    Comment(String),
    Instruction { target: String, data: String },
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) parent: Option<NodeId>,
    pub(crate) attributes: Vec<NodeId>,
    pub(crate) children: Vec<NodeId>,
}

#[derive(Debug)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    /// Prefixes that an expression may use, and their namespaces. `_` is the first default namespace.
    pub(crate) namespaces: Vec<(String, String)>,
}

impl Document {
    pub(super) fn new() -> Document {
        let root = Node {
            kind: Kind::Root,
            parent: None,
            attributes: Vec::new(),
            children: Vec::new(),
        };
        Document {
            nodes: vec![root],
            namespaces: Vec::new(),
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(super) fn append(&mut self, parent: NodeId, kind: Kind) -> NodeId {
        let id = self.nodes.len();
        let is_attribute = matches!(kind, Kind::Attribute(..));
        self.nodes.push(Node {
            kind,
            parent: Some(parent),
            attributes: Vec::new(),
            children: Vec::new(),
        });
        let parent = &mut self.nodes[parent];
        if is_attribute {
            parent.attributes.push(id)
        } else {
            parent.children.push(id)
        }
        id
    }

    /// Adds text; neighbouring pieces become one node.
    pub(super) fn append_text(&mut self, parent: NodeId, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(&last) = self.nodes[parent].children.last()
            && let Kind::Text(known) = &mut self.nodes[last].kind
        {
            known.push_str(text);
            return;
        }
        self.append(parent, Kind::Text(text.to_string()));
    }

    pub(super) fn has_element(&self) -> bool {
        self.nodes
            .iter()
            .any(|node| matches!(node.kind, Kind::Element(_)))
    }

    pub(crate) fn name(&self, id: NodeId) -> Option<&Name> {
        match &self.nodes[id].kind {
            Kind::Element(name) | Kind::Attribute(name, _) => Some(name),
            _ => None,
        }
    }

    /// The string value of XPath 1.0, section 5.
    pub(crate) fn string_value(&self, id: NodeId) -> String {
        match &self.nodes[id].kind {
            Kind::Attribute(_, text) | Kind::Text(text) | Kind::Comment(text) => text.clone(),
            Kind::Instruction { data, .. } => data.clone(),
            Kind::Root | Kind::Element(_) => {
                let mut text = String::new();
                for descendant in self.descendants(id) {
                    if let Kind::Text(piece) = &self.nodes[descendant].kind {
                        text.push_str(piece);
                    }
                }
                text
            }
        }
    }

    /// All nodes below, in document order, without attributes.
    pub(crate) fn descendants(&self, id: NodeId) -> Vec<NodeId> {
        let mut all = Vec::new();
        let mut open: Vec<NodeId> = self.nodes[id].children.iter().rev().copied().collect();
        while let Some(next) = open.pop() {
            all.push(next);
            open.extend(self.nodes[next].children.iter().rev());
        }
        all
    }

    pub(crate) fn ancestors(&self, id: NodeId) -> Vec<NodeId> {
        std::iter::successors(self.nodes[id].parent, |&parent| self.nodes[parent].parent).collect()
    }
}
