//! The rule `shared-store-lock`: declarations that put one lock around a whole store.

use crate::ir::{FileFacts, FnDef, Pos, TypeRef};
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
            if !through_alias(ws, &scope, &field.ty) {
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
            .filter(|inner| shared && !through_alias(ws, &scope, inner))
        {
            check(ws, &ws.ty(&scope, inner), true, def.pos, found);
        }
    }
}

/// The alias itself is reported, not each of its uses.
fn through_alias(ws: &Workspace, scope: &Scope<'_>, ty: &TypeRef) -> bool {
    matches!(ty, TypeRef::Path { path, .. } if ws.aliases.contains_key(&ws.path(scope, path)))
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
    if (counted || is_shared) && is_store(ws, &store) {
        found.push(Declared {
            pos,
            what: ty.short(),
        });
    }
}

fn is_store(ws: &Workspace, ty: &Ty) -> bool {
    let core = ty.core();
    let core = if core.name() == "Option" {
        core.arg(0).core()
    } else {
        core
    };
    if core.name() == "Vec" || core.name() == "VecDeque" {
        // A list of handles or numbers is no store; one of records is.
        let element = core.arg(0);
        let plain = [
            "u8",
            "u16",
            "u32",
            "u64",
            "i32",
            "i64",
            "f64",
            "usize",
            "bool",
            "JoinHandle",
            "Sender",
            "Waker",
        ];
        return element.is_known() && !plain.contains(&element.name());
    }
    if COLLECTIONS.contains(&core.name()) || STORES.iter().any(|ending| core.name().ends_with(ending)) {
        return true;
    }
    let Some(def) = ws.structs.get(&*core.path) else {
        return false;
    };
    let scope = Scope {
        module: &def.module,
        ..Scope::default()
    };
    def.fields.iter().any(|field| {
        let inner = ws.ty(&scope, &field.ty).core();
        COLLECTIONS.contains(&inner.name()) && !inner.name().starts_with("Vec")
    })
}
