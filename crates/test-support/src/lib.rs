//! Private PostgreSQL and Redis servers, and SQLite files, for tests.
