//! What is known of foreign code: which functions block, and which crates call out. What becomes of a closure that is
//! handed to a function is in `closures`, what waits by blocking in `waits`.

mod closures;
mod waits;

pub use closures::{COMBINATORS, keeps, named_elsewhere, runs_elsewhere};
pub use waits::{made_by_method, made_by_path};

use crate::rules::Rule;
use crate::types::Ty;

/// Crates whose types and functions call the network or a database asynchronously.
const IO_CRATES: &[&str] = &[
    "reqwest",
    "hyper",
    "hyper_util",
    "tokio_postgres",
    "deadpool_postgres",
    "deadpool",
    "deadpool_redis",
    "bb8",
    "sqlx",
    "sea_orm",
    "diesel_async",
    "redis",
    "mongodb",
    "tonic",
    "lettre",
    "mysql_async",
    "scylla",
    "lapin",
    "rdkafka",
    "async_nats",
    "tokio_tungstenite",
    "tokio_rusqlite",
    "object_store",
    "elasticsearch",
    "clickhouse",
    "fred",
    "surf",
    "isahc",
    "neo4rs",
    "surrealdb",
    "libsql",
    "octocrab",
    "awc",
    "etcd_client",
    "tiberius",
];

/// Crates whose calls block: the crate, and the functions that do it. Empty: all that are called by path.
const BLOCKING_CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", SQL),
    ("postgres", SQL),
    ("diesel", SQL),
    ("mysql", SQL),
    ("r2d2", &["get", "build", "get_timeout"]),
    // Its asynchronous calls are named `query_async`, `invoke_async`.
    ("redis", &["query", "invoke"]),
    (
        "ureq",
        &[
            "call",
            "send",
            "send_json",
            "send_string",
            "send_bytes",
            "send_form",
            "send_empty",
            "run",
        ],
    ),
    ("attohttpc", &["send"]),
    ("minreq", &["send"]),
    ("curl", &["perform"]),
    ("tungstenite", &["connect", "read", "send", "accept"]),
    ("memcache", &["connect", "get", "set"]),
    ("ldap3::LdapConn", &["new", "search", "simple_bind"]),
];

const SQL: &[&str] = &[
    "open",
    "open_in_memory",
    "open_with_flags",
    "connect",
    "execute",
    "execute_batch",
    "batch_execute",
    "query",
    "query_row",
    "query_one",
    "query_opt",
    "query_map",
    "query_and_then",
    "query_raw",
    "prepare",
    "prepare_cached",
    "transaction",
    "commit",
    "rollback",
    "load",
    "first",
    "get_result",
    "get_results",
    "establish",
    "exec",
    "exec_drop",
    "exec_first",
    "query_drop",
    "query_first",
    "simple_query",
    "copy_in",
    "pragma_update",
    "backup",
];

const COMPRESSION_CRATES: &[&str] = &[
    "flate2",
    "zstd",
    "zstd_safe",
    "brotli",
    "lz4",
    "lz4_flex",
    "snap",
    "xz2",
    "liblzma",
    "lzma_rs",
    "bzip2",
    "zip",
    "miniz_oxide",
    "libflate",
    "libdeflater",
    "zopfli",
];

/// Functions of those crates that do the work; constructors don't.
const COMPRESSION_WORK: &[&str] = &[
    "write",
    "write_all",
    "finish",
    "try_finish",
    "flush",
    "read",
    "read_exact",
    "read_to_end",
    "read_to_string",
    "encode_all",
    "decode_all",
    "compress",
    "decompress",
    "copy_encode",
    "copy_decode",
    "encode",
    "decode",
    "bulk_compress",
    "extract",
    "by_index",
    "by_name",
    "start_file",
];

const PASSWORD_CRATES: &[&str] = &[
    "argon2",
    "bcrypt",
    "scrypt",
    "pbkdf2",
    "password_hash",
    "pwhash",
    "password_auth",
    "argonautica",
];

const PASSWORD_WORK: &[&str] = &[
    "hash",
    "hash_with_result",
    "hash_with_salt",
    "hash_bytes",
    "verify",
    "hash_password",
    "hash_password_with_salt",
    "hash_password_customized",
    "verify_password",
    "hash_password_into",
    "hash_password_into_with_memory",
    "hash_raw",
    "hash_encoded",
    "verify_encoded",
    "verify_raw",
    "scrypt",
    "pbkdf2",
    "pbkdf2_hmac",
    "pbkdf2_hmac_array",
    "pbkdf2_array",
    "bcrypt",
    "generate_hash",
    "fill_memory",
];

const BLOCK_ON: &[&str] = &["block_on", "blocking_recv", "blocking_send", "blocking_recv_many"];

/// The known fault in calling this function by path, if there is one.
pub fn path_call(path: &str) -> Option<Rule> {
    let (root, name) = (
        crate::names::first(path),
        path.rsplit("::").next().unwrap_or_default(),
    );
    match root {
        "std" => return standard_call(path),
        "fs_err" if !path.starts_with("fs_err::tokio") => return Some(Rule::BlockingFs),
        "spin_sleep" if name == "sleep" => return Some(Rule::ThreadSleep),
        "tokio" | "async_std" if name == "block_in_place" => return Some(Rule::BlockInPlace),
        "ring" | "aws_lc_rs" if path.contains("pbkdf2") => return Some(Rule::PasswordHash),
        "reqwest" if path.starts_with("reqwest::blocking::") => {
            return (name != "ClientBuilder").then_some(Rule::BlockingClient);
        }
        "ureq" if matches!(name, "run") => return Some(Rule::BlockingClient),
        "isahc" if matches!(name, "get" | "post" | "put" | "send" | "delete" | "head") => {
            return Some(Rule::BlockingClient);
        }
        _ => {}
    }
    if BLOCK_ON.contains(&name) && root != name {
        return Some(Rule::BlockOn);
    }
    crate_call(path, name)
}

fn standard_call(path: &str) -> Option<Rule> {
    match path {
        "std::thread::sleep" | "std::thread::sleep_ms" | "std::thread::sleep_until" => {
            Some(Rule::ThreadSleep)
        }
        "std::fs::OpenOptions::new"
        | "std::fs::File::options"
        | "std::fs::DirBuilder::new"
        | "std::fs::FileTimes::new" => None,
        _ if path.starts_with("std::fs::") => Some(Rule::BlockingFs),
        "std::net::TcpStream::connect" | "std::net::TcpStream::connect_timeout" => Some(Rule::BlockingClient),
        _ => None,
    }
}

/// A function or method `name` of a crate whose work is known to be heavy or blocking.
fn crate_call(path: &str, name: &str) -> Option<Rule> {
    let root = crate::names::first(path);
    let compresses =
        COMPRESSION_WORK.contains(&name) || name.starts_with("compress") || name.starts_with("decompress");
    if COMPRESSION_CRATES.contains(&root) && compresses {
        return Some(Rule::Compression);
    }
    if PASSWORD_CRATES.contains(&root) && PASSWORD_WORK.contains(&name) {
        return Some(Rule::PasswordHash);
    }
    let blocks = |(prefix, names): &(&str, &[&str])| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with("::"))
            && names.contains(&name)
    };
    BLOCKING_CRATES.iter().any(blocks).then_some(Rule::BlockingClient)
}

/// Methods of `std::fs` types that only prepare or look at what is in memory.
const FILE_IN_MEMORY: &[&str] = &[
    "clone",
    "into",
    "try_into",
    "as_ref",
    "as_fd",
    "as_raw_fd",
    "path",
    "file_name",
    "mode",
    "recursive",
    "append",
    "create",
    "truncate",
    "create_new",
    // They do not wait.
    "try_lock",
    "try_lock_shared",
];

const PATH_ON_DISK: &[&str] = &[
    "exists",
    "try_exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "metadata",
    "symlink_metadata",
    "read_dir",
    "canonicalize",
    "read_link",
];

const SOCKET_CALLS: &[&str] = &[
    "read",
    "read_exact",
    "read_to_end",
    "read_to_string",
    "write",
    "write_all",
    "accept",
    "recv",
    "recv_from",
    "send",
    "send_to",
];

/// The known fault in calling method `name` on a value of type `ty`, if there is one.
pub fn method_call(ty: &Ty, name: &str, arity: usize) -> Option<Rule> {
    if BLOCK_ON.contains(&name) || waits::method_waits(ty, name) {
        return Some(Rule::BlockOn);
    }
    // A look-up of a name by the system's resolver; tokio's is a function, `lookup_host`.
    if name == "to_socket_addrs" && arity == 0 {
        return Some(Rule::BlockingClient);
    }
    let finding = |is_found: bool, rule: Rule| is_found.then_some(rule);
    match &*ty.path {
        "std::fs::File" | "std::fs::DirEntry" => finding(!FILE_IN_MEMORY.contains(&name), Rule::BlockingFs),
        "std::fs::OpenOptions" => finding(name == "open", Rule::BlockingFs),
        "std::fs::DirBuilder" => finding(name == "create", Rule::BlockingFs),
        "std::path::Path" | "std::path::PathBuf" => finding(PATH_ON_DISK.contains(&name), Rule::BlockingFs),
        "std::net::TcpStream" | "std::net::TcpListener" | "std::net::UdpSocket" => {
            finding(SOCKET_CALLS.contains(&name), Rule::BlockingClient)
        }
        "redis::Client" => finding(
            matches!(name, "get_connection" | "get_connection_with_timeout"),
            Rule::BlockingClient,
        ),
        "lettre::SmtpTransport" => finding(name == "send", Rule::BlockingClient),
        path if path.starts_with("reqwest::blocking") => {
            let waits = matches!(
                name,
                "send" | "execute" | "build" | "text" | "json" | "bytes" | "copy_to"
            );
            finding(waits, Rule::BlockingClient)
        }
        path if hashes_password(ty, name, arity) || path.is_empty() => {
            finding(hashes_password(ty, name, arity), Rule::PasswordHash)
        }
        path => crate_call(&format!("{path}::{name}"), name),
    }
}

/// The known fault in calling method `name` with `given`: a query of diesel is run on the connection that it is given.
pub fn call_with(given: &Ty, name: &str) -> Option<Rule> {
    const RUNS: &[&str] = &[
        "load",
        "first",
        "execute",
        "get_result",
        "get_results",
        "save_changes",
    ];
    (given.root() == "diesel" && RUNS.contains(&name)).then_some(Rule::BlockingClient)
}

/// The traits of `password_hash` are in scope under many types: their names are telling enough.
fn hashes_password(ty: &Ty, name: &str, arity: usize) -> bool {
    let theirs = PASSWORD_CRATES.contains(&ty.root());
    match (name, arity) {
        ("hash_password" | "verify_password", 2) | ("hash_password_into", 3) => theirs || !ty.is_known(),
        ("hash_password", 1) => theirs,
        _ => false,
    }
}

/// A value of this type, or a future made from it, calls the network or a database.
pub fn calls_out(ty: &Ty, network: &[String]) -> bool {
    IO_CRATES.contains(&ty.root())
        || ty.path.starts_with("tokio::net::") && !ty.path.contains("Builder")
        || network.iter().any(|known| **known == *ty.path)
}
