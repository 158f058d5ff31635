//! A migration's text: blocks for one engine, tokens, checksum.

use sha2::{Digest, Sha256};

use super::Migration;
use crate::Engine;
use crate::sql::type_name;

/// The digest of both texts as written, in hexadecimal.
pub(super) fn checksum(migration: &Migration) -> String {
    let mut hash = Sha256::new();
    hash.update(migration.up);
    hash.update([0]);
    hash.update(migration.down);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text as this engine receives it. The error names the unknown token or unclosed block.
pub(super) fn expand(text: &str, engine: Engine, app: &str, system: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut only: Option<bool> = None;
    for line in text.lines() {
        match (line.trim(), only) {
            ("-- only: postgres", None) => only = Some(engine == Engine::Postgres),
            ("-- only: sqlite", None) => only = Some(engine == Engine::Sqlite),
            ("-- end", Some(_)) => only = None,
            (_, Some(false)) => {}
            (comment, _) if comment.starts_with("--") => {}
            _ => {
                out += &tokens(line, engine, app, system)?;
                out.push('\n');
            }
        }
    }
    if only.is_some() {
        Err("a block `-- only:` has no `-- end`".to_owned())
    } else {
        Ok(out)
    }
}

fn tokens(line: &str, engine: Engine, app: &str, system: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (token, tail) = after
            .split_once('}')
            .ok_or_else(|| format!("unclosed token in: {line}"))?;
        out += before;
        match (token, token.strip_prefix("rls:")) {
            _ if token.starts_with("rls_circuit:") => {
                out += &circuit_security(&token["rls_circuit:".len()..], engine, app, system);
            }
            (_, Some(table)) => out += &row_level_security(table, engine, app, system),
            ("app_role", _) => out += app,
            ("system_role", _) => out += system,
            // A table of SQLite that holds columns to their types, as PostgreSQL always does.
            ("strict", _) => out += if engine == Engine::Sqlite { "strict" } else { "" },
            // An empty JSON document as a default, `'{}'`.
            ("", _) => out += "{}",
            _ => out += type_name(token, engine).ok_or_else(|| format!("unknown token {{{token}}}"))?,
        }
        rest = tail;
    }
    Ok(out + rest)
}

/// The subquery makes the planner ask for the workspaces once per query, and keeps the index usable.
fn row_level_security(table: &str, engine: Engine, app: &str, system: &str) -> String {
    if engine == Engine::Sqlite {
        return String::new();
    }
    let mine = "workspace_id = any ((select app_workspaces())::uuid[])";
    format!(
        "alter table {table} enable row level security;
alter table {table} force row level security;
create policy {table}_app on {table} to \"{app}\" using ({mine}) with check ({mine});
create policy {table}_system on {table} to \"{system}\" using (true) with check (true);
grant select, insert, update, delete on {table} to \"{app}\", \"{system}\";"
    )
}

/// The same for a table whose rows belong to a circuit: its members' workspaces see and change them.
fn circuit_security(table: &str, engine: Engine, app: &str, system: &str) -> String {
    if engine == Engine::Sqlite {
        return String::new();
    }
    let mine = format!(
        "exists (select 1 from circuit_workspaces w where w.circuit_id = {table}.circuit_id
    and w.workspace_id = any ((select app_workspaces())::uuid[]))"
    );
    format!(
        "alter table {table} enable row level security;
alter table {table} force row level security;
create policy {table}_app on {table} to \"{app}\" using ({mine}) with check ({mine});
create policy {table}_system on {table} to \"{system}\" using (true) with check (true);
grant select, insert, update, delete on {table} to \"{app}\", \"{system}\";"
    )
}
