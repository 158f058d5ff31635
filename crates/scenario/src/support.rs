//! What of the Hurl format is supported: one table, from which `docs/hurl.md` is generated.
