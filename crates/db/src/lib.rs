//! The engine layer: one small face over SQLite and PostgreSQL.
