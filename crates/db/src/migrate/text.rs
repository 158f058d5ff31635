//! A migration's text: blocks for one engine, tokens, checksum.

use sha2::{Digest, Sha256};

use super::Migration;
use crate::Engine;
use crate::postgres::quoted;
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
        match token.split_once(':').unwrap_or((token, "")) {
            ("rls", table) if !table.is_empty() => out += &by_workspace(table, engine, app, system),
            ("rls_circuit", table) if !table.is_empty() => out += &by_circuit(table, engine, app, system),
            ("app_role", "") => out += &quoted(app),
            ("system_role", "") => out += &quoted(system),
            ("strict", "") => out += if engine == Engine::Sqlite { "strict" } else { "" },
            // An empty JSON document as a default, `'{}'`.
            ("", "") => out += "{}",
            _ => out += type_name(token, engine).ok_or_else(|| format!("unknown token {{{token}}}"))?,
        }
        rest = tail;
    }
    Ok(out + rest)
}

/// Rows of the workspaces in the setting.
///
/// The subquery makes the planner ask for the workspaces once per query. `is true` keeps the guard a check: each
/// statement names its workspaces itself, and a plan that looked rows up by the guard would read whole workspaces.
fn by_workspace(table: &str, engine: Engine, app: &str, system: &str) -> String {
    if engine == Engine::Sqlite {
        return String::new();
    }
    let (app, system) = (quoted(app), quoted(system));
    let mine = "(workspace_id = any ((select app_workspaces())::uuid[])) is true";
    let policies = policies(table, mine, &app, &system);
    format!("{policies}\ngrant select, insert, update, delete on {table} to {app}, {system};")
}

/// Rows of the circuits in which a workspace of the setting takes part. Leaves the grants to the migration.
fn by_circuit(table: &str, engine: Engine, app: &str, system: &str) -> String {
    if engine == Engine::Sqlite {
        return String::new();
    }
    let mine = format!(
        "exists (select 1 from circuit_workspaces w where w.circuit_id = {table}.circuit_id
            and w.workspace_id = any ((select app_workspaces())::uuid[]))"
    );
    policies(table, &mine, &quoted(app), &quoted(system))
}

/// Row-level security that binds the owner too: the tables' owner is no way around it.
fn policies(table: &str, mine: &str, app: &str, system: &str) -> String {
    format!(
        "alter table {table} enable row level security;
alter table {table} force row level security;
create policy {table}_app on {table} to {app} using ({mine}) with check ({mine});
create policy {table}_system on {table} to {system} using (true) with check (true);"
    )
}
