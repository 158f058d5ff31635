//! The rule `shared-store-lock`: declarations that put one lock around a whole store.

use crate::ir::{FieldDef, FileFacts, FnDef, Pos, StructDef, TypeRef};
use crate::types::Ty;
use crate::workspace::{Scope, Workspace};

const COLLECTIONS: &[&str] = &[
    "HashMap",
    "BTreeMap",
    "IndexMap",
    "HashSet",
    "BTreeSet",
    "IndexSet",
    "Vec",
    "VecDeque",
    "Slab",
    "LruCache",
    "FxHashMap",
    "AHashMap",
];
/// Endings of the names that stores go by.
const STORES: &[&str] = &[
    "Store",
    "Storage",
    "Repository",
    "Repo",
    "Database",
    "Db",
    "DB",
    "Cache",
    "Registry",
    "Backend",
    "Engine",
    "State",
    "Connection",
    "Client",
];
/// Extractors that hand shared state to a handler.
const SHARED: &[&str] = &["State", "Extension", "Data"];

/// Fields are followed this deep: a structure may hold itself.
const MAX_DEPTH: usize = 4;

/// A declaration and what it is.
pub struct Declared {
    pub pos: Pos,
    pub what: String,
}

/// The declarations of one file that share a store behind one lock.
pub fn find(ws: &Workspace, facts: &FileFacts) -> Vec<Declared> {
    let mut found = Vec::new();
    for def in &facts.structs {
        let scope = Scope {
            module: &def.module,
            generics: &def.generics,
            ..Scope::default()
        };
        let state = def.name.ends_with("State") || def.name.ends_with("Context") || def.name == "App";
        for field in &def.fields {
            if !reported_at_alias(ws, &scope, &field.ty) {
                check(ws, &ws.ty(&scope, &field.ty), state, field.pos, &mut found);
            }
        }
    }
    for alias in &facts.aliases {
        let scope = Scope {
            module: &alias.module,
            ..Scope::default()
        };
        check(ws, &ws.ty(&scope, &alias.ty), false, alias.pos, &mut found);
    }
    for def in &facts.statics {
        let scope = Scope {
            module: &def.module,
            ..Scope::default()
        };
        check(ws, &ws.ty(&scope, &def.ty), true, def.pos, &mut found);
    }
    for def in &facts.fns {
        parameters(ws, def, &mut found);
    }
    found
}

/// Parameters of a function by which state is shared.
fn parameters(ws: &Workspace, def: &FnDef, found: &mut Vec<Declared>) {
    let scope = Scope {
        module: &def.module,
        generics: &def.generics,
        uses: &def.uses,
        ..Scope::default()
    };
    for (_, ty) in &def.params {
        let TypeRef::Path { path, args } = ty else {
            continue;
        };
        let shared = SHARED.contains(&path.rsplit("::").next().unwrap_or_default());
        if let Some(inner) = args
            .first()
            .filter(|inner| shared && !reported_at_alias(ws, &scope, inner))
        {
            check(ws, &ws.ty(&scope, inner), true, def.pos, found);
        }
    }
}

/// The alias itself is reported, not each of its uses; unless only a use tells what is in the lock.
fn reported_at_alias(ws: &Workspace, scope: &Scope<'_>, ty: &TypeRef) -> bool {
    let TypeRef::Path { path, .. } = ty else {
        return false;
    };
    let Some(alias) = ws.aliases.get(&ws.path(scope, path)) else {
        return false;
    };
    let scope = Scope {
        module: &alias.module,
        ..Scope::default()
    };
    let mut found = Vec::new();
    check(ws, &ws.ty(&scope, &alias.ty), false, alias.pos, &mut found);
    !found.is_empty()
}

fn check(ws: &Workspace, ty: &Ty, is_shared: bool, pos: Pos, found: &mut Vec<Declared>) {
    let layers = ty.layers();
    let Some(at) = layers
        .iter()
        .position(|layer| layer.lock(&ws.config.locks).is_some())
    else {
        return;
    };
    let counted = layers[..at].iter().any(|layer| layer.name() == "Arc");
    let store = layers[at].arg(0);
    if (counted || is_shared) && is_store(ws, &store, MAX_DEPTH) {
        found.push(Declared {
            pos,
            what: ty.short(),
        });
    }
}

fn is_store(ws: &Workspace, ty: &Ty, depth: usize) -> bool {
    let core = ty.core();
    let core = if core.name() == "Option" {
        core.arg(0).core()
    } else {
        core
    };
    if core.name() == "Vec" || core.name() == "VecDeque" {
        // A list of handles or numbers is no store; one of records is.
        let element = core.arg(0);
        let handles = ["JoinHandle", "Sender", "Waker"];
        return element.is_known() && !is_plain(&element) && !handles.contains(&element.name());
    }
    if COLLECTIONS.contains(&core.name()) {
        return true;
    }
    let is_named = STORES.iter().any(|ending| core.name().ends_with(ending));
    let def = ws.structs.get(&*core.path).filter(|def| !def.fields.is_empty());
    let (Some(def), Some(depth)) = (def, depth.checked_sub(1)) else {
        return is_named;
    };
    let inner = inside(ws, def);
    let holds_map = |ty: &Ty| COLLECTIONS.contains(&ty.name()) && !ty.name().starts_with("Vec");
    if inner.iter().any(holds_map) || !is_named {
        return inner.iter().any(holds_map);
    }
    // What is inside says more than the name; "state" alone says nothing.
    let says_little = core.name().ends_with("State") || inner.iter().all(is_plain);
    !says_little || inner.iter().any(|ty| is_store(ws, ty, depth))
}

/// The types of the fields, out of their smart pointers and locks.
fn inside(ws: &Workspace, def: &StructDef) -> Vec<Ty> {
    let scope = Scope {
        module: &def.module,
        ..Scope::default()
    };
    let field = |field: &FieldDef| {
        let core = ws.ty(&scope, &field.ty).core();
        match core.lock(&ws.config.locks) {
            Some(_) => core.arg(0).core(),
            None => core,
        }
    };
    def.fields.iter().map(field).collect()
}

/// Numbers, flags, texts and times.
fn is_plain(ty: &Ty) -> bool {
    match ty.name() {
        "Option" => is_plain(&ty.arg(0)),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize"
        | "f32" | "f64" | "bool" | "char" | "String" | "str" | "Duration" | "Instant" | "SystemTime" => true,
        name => name.starts_with("Atomic"),
    }
}
