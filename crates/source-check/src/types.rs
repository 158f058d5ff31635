//! Types as far as the rules need them: a full path and its arguments, locks and their guards.

use std::sync::Arc;

/// A type without references and lifetimes. The empty path means that it isn't known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ty {
    pub path: Arc<str>,
    pub args: Vec<Ty>,
}

/// Whose lock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Blocks the thread: `std`, `parking_lot`, and those named in the configuration.
    Blocking,
    /// Waits without blocking: tokio, futures, async-lock.
    Async,
}

/// Types that are looked through when a field or a method is searched.
const TRANSPARENT: &[&str] = &[
    "Arc",
    "Rc",
    "Box",
    "Pin",
    "Cow",
    "LazyLock",
    "Lazy",
    "LazyCell",
    "Ref",
    "RefMut",
    "State",
    "Extension",
    "Data",
    "CachePadded",
    "ManuallyDrop",
    "ArcSwap",
    "Guard",
];

impl Ty {
    pub fn new(path: &str, args: Vec<Ty>) -> Self {
        Self {
            path: path.into(),
            args,
        }
    }

    pub fn unknown() -> Self {
        Self::default()
    }

    pub fn is_known(&self) -> bool {
        !self.path.is_empty()
    }

    /// The last segment of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    /// The crate it comes from.
    pub fn root(&self) -> &str {
        crate::names::first(&self.path)
    }

    pub fn arg(&self, index: usize) -> Ty {
        self.args.get(index).cloned().unwrap_or_default()
    }

    pub fn is_future(&self) -> bool {
        matches!(
            self.name(),
            "Future" | "BoxFuture" | "LocalBoxFuture" | "IntoFuture"
        )
    }

    pub fn future(output: Ty) -> Self {
        Self::new("Future", vec![output])
    }

    /// What `?`, `unwrap` and their like leave.
    pub fn unwrapped(&self) -> Ty {
        match self.name() {
            "Option" | "Result" | "LockResult" | "TryLockResult" | "Poll" | "PoisonError" => self.arg(0),
            _ if self.is_tainted() => self.clone(),
            _ => Ty::unknown(),
        }
    }

    /// The type inside a `Result` or `Option`, or the type itself.
    pub fn unwrapped_or_self(&self) -> Ty {
        if matches!(self.name(), "Option" | "Result" | "LockResult" | "TryLockResult") {
            self.arg(0)
        } else {
            self.clone()
        }
    }

    /// Some type of a foreign crate, reached by calls whose signatures are not known.
    pub fn tainted(root: &str) -> Self {
        Self::new(&format!("{root}::?"), Vec::new())
    }

    pub fn is_tainted(&self) -> bool {
        self.path.ends_with("::?")
    }

    /// The family and the kind (`Mutex`, `RwLock`) if this is a lock.
    pub fn lock(&self, extra: &[String]) -> Option<Family> {
        let is_lock = matches!(
            self.name(),
            "Mutex" | "RwLock" | "FairMutex" | "ReentrantMutex" | "ReentrantLock"
        );
        if extra.iter().any(|path| **path == *self.path) {
            return Some(Family::Blocking);
        }
        if !is_lock {
            return None;
        }
        family(&self.path)
    }

    /// The family if this is a guard of a lock.
    pub fn guard(&self) -> Option<Family> {
        let name = self.name();
        let is_guard = name.ends_with("MutexGuard")
            || name.ends_with("LockReadGuard")
            || name.ends_with("LockWriteGuard")
            || matches!(
                name,
                "RwLockUpgradableReadGuard" | "ReentrantLockGuard" | "RwLockMappedWriteGuard"
            );
        if is_guard { family(&self.path) } else { None }
    }

    /// The guard that taking this lock with `method` gives.
    pub fn guard_of(&self, method: &str) -> Ty {
        let name = match method.trim_start_matches("try_").trim_start_matches("blocking_") {
            "read" | "read_recursive" => "RwLockReadGuard",
            "write" => "RwLockWriteGuard",
            "upgradable_read" => "RwLockUpgradableReadGuard",
            _ => "MutexGuard",
        };
        let module = match family(&self.path) {
            Some(_) => self
                .path
                .rsplit_once("::")
                .map_or("std::sync", |(module, _)| module),
            None => "parking_lot",
        };
        Ty::new(&format!("{module}::{name}"), vec![self.arg(0)])
    }

    /// The type that `Deref` leads to, for smart pointers and guards.
    pub fn deref(&self) -> Option<Ty> {
        let through = TRANSPARENT.contains(&self.name()) || self.guard().is_some();
        if through {
            self.args.first().filter(|inner| inner.is_known()).cloned()
        } else {
            None
        }
    }

    /// This type and everything its smart pointers lead to.
    pub fn layers(&self) -> Vec<Ty> {
        let mut layers = vec![self.clone()];
        while let Some(next) = layers.last().and_then(Ty::deref).filter(|_| layers.len() < 8) {
            layers.push(next);
        }
        layers
    }

    /// The innermost type.
    pub fn core(&self) -> Ty {
        self.layers().pop().unwrap_or_default()
    }

    /// What iterating over it gives.
    pub fn element(&self) -> Ty {
        let core = self.core();
        match core.name() {
            "HashMap" | "BTreeMap" | "IndexMap" | "DashMap" => Ty::new("(tuple)", core.args.clone()),
            "(tuple)" => Ty::unknown(),
            _ => core.arg(0),
        }
    }

    /// How people write it.
    pub fn short(&self) -> String {
        let name = if &*self.path == "(tuple)" {
            "(..)"
        } else {
            self.name()
        };
        match self.args.is_empty() {
            true => name.to_owned(),
            false => format!(
                "{name}<{}>",
                self.args.iter().map(Ty::short).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

fn family(path: &str) -> Option<Family> {
    match crate::names::first(path) {
        "std" | "parking_lot" | "lock_api" => Some(Family::Blocking),
        "tokio" | "futures" | "futures_util" | "async_lock" | "async_std" | "smol" => Some(Family::Async),
        _ => None,
    }
}

/// The type of a method of the standard library (or shaped like one) on `receiver`; unknown if it isn't known.
pub fn method(receiver: &Ty, name: &str) -> Ty {
    match name {
        "clone" | "to_owned" | "as_ref" | "as_mut" | "borrow" | "borrow_mut" | "as_deref"
        | "as_deref_mut" | "by_ref" | "map_err" | "or_else" | "inspect" | "inspect_err" | "take"
        | "cloned" | "copied" | "iter" | "iter_mut" | "into_iter" | "filter" | "skip" | "rev"
        | "as_slice" | "as_mut_slice" | "to_vec" | "collect" | "boxed" | "context" | "with_context"
        | "or" | "or_insert" | "or_default" | "or_insert_with" | "leak" => receiver.clone(),
        "unwrap" | "expect" | "unwrap_or" | "unwrap_or_else" | "unwrap_or_default" | "unwrap_unchecked" => {
            receiver.unwrapped()
        }
        "into_inner" | "get_ref" | "get_mut" if receiver.name() == "PoisonError" => receiver.arg(0),
        "ok" | "err" | "ok_or" | "ok_or_else"
            if matches!(
                receiver.name(),
                "Result" | "Option" | "LockResult" | "TryLockResult"
            ) =>
        {
            Ty::new("Option", vec![receiver.arg(0)])
        }
        _ => container(&receiver.core(), name),
    }
}

fn container(core: &Ty, name: &str) -> Ty {
    let option = |inner: Ty| Ty::new("Option", vec![inner]);
    let is_map = matches!(core.name(), "HashMap" | "BTreeMap" | "IndexMap");
    let is_list = matches!(
        core.name(),
        "Vec" | "VecDeque" | "[slice]" | "HashSet" | "BTreeSet" | "Option"
    );
    match name {
        "get" | "get_mut" | "remove" | "insert" if is_map => option(core.arg(1)),
        "values" | "values_mut" | "into_values" if is_map => Ty::new("[slice]", vec![core.arg(1)]),
        "entry" if is_map => core.arg(1),
        "next" | "find" | "first" | "last" | "nth" if is_map => option(core.element()),
        "get" | "get_mut" | "first" | "last" | "next" | "pop" | "pop_front" | "pop_back" | "nth" | "find"
            if is_list =>
        {
            option(core.arg(0))
        }
        "get_or_init" | "upgrade" | "load" | "load_full" => core.arg(0),
        // Builders give themselves back.
        "read" | "write" | "append" | "create" | "create_new" | "truncate" | "mode"
            if &*core.path == "std::fs::OpenOptions" =>
        {
            core.clone()
        }
        "open" if &*core.path == "std::fs::OpenOptions" => {
            Ty::new("Result", vec![Ty::new("std::fs::File", Vec::new())])
        }
        _ => Ty::unknown(),
    }
}
