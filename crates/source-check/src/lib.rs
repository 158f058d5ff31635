//! The static check of Rust source: blocking locks and blocking work in async code.
