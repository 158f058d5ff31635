//! Named statements: their texts, and the markers that stand for what the engines spell differently.

use std::fmt::Write as _;

/// The two database engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// SQLite, in process, one file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// The engine's name in lower case, as used in configuration and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A named statement: one text for both engines, or two where they must differ.
///
/// Parameters are `$1` to `$n` on both engines. Markers are expanded once per connection, when the statement
/// is prepared:
///
/// | marker | PostgreSQL | SQLite |
/// | --- | --- | --- |
/// | `{for_update}` | `for update` | nothing: there is one writer |
/// | `{for_update_skip_locked}` | `for update skip locked` | nothing |
/// | `{any:$1}` | `= any($1)` | `in (select value from json_each($1))` |
/// | `{bucket:hour:col}` (`minute`, `hour`, `day`) | `date_trunc('hour', col, 'UTC')` | `col` rounded down, in microseconds |
/// | `{like}` | `ilike` | `like`, which ignores the case of ASCII letters |
/// | `{uuid}`, `{json}`, `{timestamp}`, ... | the type's name, for `cast` | the type's name |
///
/// Declared with [`statements!`](crate::statements); its address is its identity, so it is always used as
/// `&'static`.
#[derive(Debug)]
pub struct Sql {
    /// The name for metrics, traces and errors, `resource.what`.
    pub name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Sql {
    /// A statement whose text serves both engines.
    #[must_use]
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            sqlite: text,
            postgres: text,
        }
    }

    /// A statement with a text for each engine.
    #[must_use]
    pub const fn two(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self {
            name,
            sqlite,
            postgres,
        }
    }

    /// The text as written for this engine, markers unexpanded.
    #[must_use]
    pub const fn source(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }

    /// The text as this engine receives it.
    ///
    /// # Errors
    /// Names a marker that does not exist.
    pub fn expand(&self, engine: Engine) -> Result<String, String> {
        expand(self.source(engine), engine)
            .map_err(|marker| format!("{}: unknown marker {{{marker}}}", self.name))
    }

    /// What a prepared statement is found by: the address of the one static that declares it.
    pub(crate) fn key(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// Expands markers outside quotes and, for SQLite, turns `$n` into `?n`.
///
/// SQLite reads `$2` as a *name* and numbers names by first appearance; `?2` is the number two.
fn expand(text: &str, engine: Engine) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 32);
    let mut quoted = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let numbered = rest[c.len_utf8()..].starts_with(|d: char| d.is_ascii_digit());
        match c {
            '\'' => quoted = !quoted,
            '{' if !quoted => {
                let end = rest.find('}').ok_or_else(|| rest.to_owned())?;
                let marker = marker(&rest[1..end], engine)?;
                out.push_str(&marker);
                rest = &rest[end + 1..];
                continue;
            }
            '$' if !quoted && numbered && engine == Engine::Sqlite => {
                out.push('?');
                rest = &rest[1..];
                continue;
            }
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Ok(out)
}

fn marker(marker: &str, engine: Engine) -> Result<String, String> {
    let postgres = engine == Engine::Postgres;
    let (name, rest) = marker.split_once(':').unwrap_or((marker, ""));
    let text = match (name, rest) {
        ("for_update", "") => if postgres { "for update" } else { "" }.to_owned(),
        ("for_update_skip_locked", "") => if postgres { "for update skip locked" } else { "" }.to_owned(),
        ("like", "") => if postgres { "ilike" } else { "like" }.to_owned(),
        ("any", argument) if argument.starts_with('$') => {
            if postgres {
                format!("= any({argument})")
            } else {
                json_each(argument)
            }
        }
        ("bucket", of) => bucket(of, postgres).ok_or_else(|| marker.to_owned())?,
        (token, "") => type_name(token, engine)
            .ok_or_else(|| marker.to_owned())?
            .to_owned(),
        _ => return Err(marker.to_owned()),
    };
    Ok(text)
}

fn json_each(argument: &str) -> String {
    let mut out = String::from("in (select value from json_each(?");
    let _ = write!(out, "{}))", &argument[1..]);
    out
}

fn bucket(of: &str, postgres: bool) -> Option<String> {
    let (unit, column) = of.split_once(':')?;
    let micros: i64 = match unit {
        "minute" => 60_000_000,
        "hour" => 3_600_000_000,
        "day" => 86_400_000_000,
        _ => return None,
    };
    Some(if postgres {
        format!("date_trunc('{unit}', {column}, 'UTC')")
    } else {
        // Down, not towards zero, before 1970 too.
        format!("({column} - (({column} % {micros}) + {micros}) % {micros})")
    })
}

/// The name of a column type on this engine; the tokens of migrations and of casts.
pub(crate) fn type_name(token: &str, engine: Engine) -> Option<&'static str> {
    let (sqlite, postgres) = match token {
        "uuid" => ("text", "uuid"),
        "text" => ("text", "text"),
        "timestamp" | "timestamptz" => ("integer", "timestamptz"),
        "json" => ("text", "json"),
        "bytes" => ("blob", "bytea"),
        "bigint" => ("integer", "bigint"),
        "int" => ("integer", "integer"),
        "bool" => ("integer", "boolean"),
        "real" => ("real", "double precision"),
        "bigserial" => ("integer", "bigint generated by default as identity"),
        _ => return None,
    };
    Some(match engine {
        Engine::Sqlite => sqlite,
        Engine::Postgres => postgres,
    })
}

/// Declares statements as constants of type `&'static Sql`, and the module's list of them, `STATEMENTS`.
///
/// ```
/// db::statements! {
///     /// Finds an item of the workspace by its id.
///     FIND = "items.find", "select id, code from items where workspace_id = $1 and id = $2";
///     /// The clock's resolution differs.
///     LOAD = "items.load", sqlite: "select 1", postgres: "select 1::bigint";
///     /// Parts that several statements share are macros of the module.
///     COUNT = "items.count", concat!("select count(*) as n", " from items where workspace_id = $1");
/// }
/// assert_eq!(STATEMENTS.len(), 3);
/// assert_eq!(FIND.name, "items.find");
/// ```
#[macro_export]
macro_rules! statements {
    ($($(#[$meta:meta])* $vis:vis $id:ident = $name:literal, $(sqlite: $sqlite:literal, postgres: $postgres:literal)? $($text:literal)? $(concat!($($part:tt)*))?;)*) => {
        $(
            $(#[$meta])*
            $vis const $id: &$crate::Sql = {
                static STATEMENT: $crate::Sql =
                    $crate::statements!(@sql $name, $($text)? $(sqlite $sqlite, postgres $postgres)? $(concat $($part)*)?);
                &STATEMENT
            };
        )*
        /// Every statement of this module, for the test that prepares them on both engines.
        pub const STATEMENTS: &[&$crate::Sql] = &[$($id),*];
    };
    (@sql $name:literal, $text:literal) => { $crate::Sql::new($name, $text) };
    (@sql $name:literal, concat $($part:tt)*) => { $crate::Sql::new($name, concat!($($part)*)) };
    (@sql $name:literal, sqlite $sqlite:literal, postgres $postgres:literal) => {
        $crate::Sql::two($name, $sqlite, $postgres)
    };
}
