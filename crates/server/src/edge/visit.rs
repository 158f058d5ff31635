//! A client that leaves before its answer: it is seen here, and accounted for like any other.

use super::{Edge, Finish};

/// A request until its answer. Dropped before, its client has left.
pub(super) struct Visit<'a> {
    edge: &'a Edge,
    pub(super) finish: &'a mut Finish,
    answered: bool,
}

impl<'a> Visit<'a> {
    pub(super) const fn new(edge: &'a Edge, finish: &'a mut Finish) -> Self {
        Self {
            edge,
            finish,
            answered: false,
        }
    }

    /// There is an answer: whoever gives it accounts for the request.
    pub(super) const fn answered(&mut self) -> &mut Finish {
        self.answered = true;
        self.finish
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.edge.left(self.finish);
        }
    }
}
