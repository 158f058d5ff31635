//! Where a closure runs that is handed to a function: elsewhere, later, or here and at once.

/// Functions and methods that run a closure on another thread, by their last segment.
const ELSEWHERE: &[&str] = &[
    "spawn_blocking",
    "unblock",
    "asyncify",
    "interact",
    "spawn_local_blocking",
    "set_hook",
    "set_handler",
    "par_iter",
    "install",
];

/// A closure given to this function does not run on the caller's worker thread.
pub fn runs_elsewhere(path: &str, pools: &[String]) -> bool {
    let name = path.rsplit("::").next().unwrap_or_default();
    let root = crate::names::first(path);
    ELSEWHERE.contains(&name)
        || path.starts_with("std::thread::")
        || root == "rayon"
        || root == "crossbeam"
        // A closure, not a future: `thread::Builder::spawn`, `scope.spawn`, a pool's `spawn` or `execute`.
        || matches!(name, "spawn" | "execute" | "spawn_fifo" | "spawn_scoped" | "spawn_unchecked") && root != "tokio"
        || matches!(path, "tokio_rusqlite::Connection::call" | "actix_web::web::block" | "actix_threadpool::run")
        || pools.iter().any(|pool| pool == path)
}

/// The name alone tells that a closure runs elsewhere, even if the function is one of ours.
pub fn named_elsewhere(name: &str) -> bool {
    matches!(name, "spawn_blocking" | "unblock" | "asyncify")
}

/// A closure given to this function is only kept, or sent to somebody else.
pub fn keeps(path: &str) -> bool {
    let name = path.rsplit("::").next().unwrap_or_default();
    matches!(path, "Some" | "Ok" | "Err")
        || name == "new"
            && matches!(
                path.rsplit("::").nth(1),
                Some("Box" | "Arc" | "Rc" | "Lazy" | "LazyLock" | "LazyCell")
            )
        || matches!(
            name,
            "pin" | "send" | "try_send" | "push" | "push_back" | "from_fn" | "set" | "blocking_send"
        )
}

/// Methods of `Option`, `Result` and iterators that call the function they are given at once.
pub const COMBINATORS: &[&str] = &[
    "map",
    "map_err",
    "and_then",
    "or_else",
    "unwrap_or_else",
    "map_or",
    "map_or_else",
    "ok_or_else",
    "filter",
    "filter_map",
    "flat_map",
    "for_each",
    "fold",
    "any",
    "all",
    "find",
    "find_map",
    "position",
    "retain",
    "inspect",
    "inspect_err",
    "is_some_and",
    "is_ok_and",
    "take_while",
    "skip_while",
    "try_for_each",
    "sort_by",
    "sort_by_key",
    "max_by_key",
    "min_by_key",
    "then",
    "get_or_insert_with",
    "or_insert_with",
    "unwrap_or_default",
    "get_or_init",
    "with_context",
    "and_modify",
];
