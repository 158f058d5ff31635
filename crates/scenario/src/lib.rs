//! Hurl files: reading and executing them asynchronously.
