//! All files together: which functions, types and statics exist, and what a type as written means.

use std::collections::HashMap;

use crate::config::Config;
use crate::ir::{AliasDef, FnDef, StructDef, TypeRef};
use crate::names::{Names, join};
use crate::types::Ty;

/// Index of a function in [`Workspace::fns`].
pub type FnId = usize;

/// A function and the file it stands in.
#[derive(Debug)]
pub struct Function {
    pub def: FnDef,
    pub file: usize,
    /// `crate::module::Type::name`.
    pub path: String,
    pub self_ty: Ty,
    pub trait_: Option<String>,
}

/// What callers must know of a function before their own bodies can be read.
#[derive(Clone, Debug, Default)]
pub struct Hint {
    /// Parameters that it runs elsewhere or only keeps.
    pub offloads: Vec<usize>,
    /// It returns the guard of this lock behind `impl Deref`.
    pub guard: Option<Ty>,
}

/// The index over everything that is checked.
#[derive(Debug, Default)]
pub struct Workspace {
    pub names: Names,
    pub config: Config,
    pub fns: Vec<Function>,
    pub hints: HashMap<FnId, Hint>,
    pub structs: HashMap<String, StructDef>,
    pub aliases: HashMap<String, AliasDef>,
    pub statics: HashMap<String, Ty>,
    by_path: HashMap<String, Vec<FnId>>,
    by_name: HashMap<String, Vec<FnId>>,
    by_trait: HashMap<(String, String), Vec<FnId>>,
}

/// Where a type or path stands: what `Self`, the type parameters and local imports mean there.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    pub module: &'a str,
    pub self_ty: Ty,
    pub generics: &'a [(String, TypeRef)],
    pub uses: &'a [(String, String)],
}

/// Aliases and type parameters are followed this deep.
const MAX_DEPTH: usize = 12;

impl Workspace {
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            ..Self::default()
        }
    }

    /// Adds a function once all modules, types and aliases are known.
    pub fn add_fn(&mut self, file: usize, def: FnDef) {
        let scope = Scope {
            module: &def.module,
            self_ty: Ty::unknown(),
            generics: &def.generics,
            uses: &[],
        };
        let self_ty = def
            .self_ty
            .as_ref()
            .map(|ty| self.ty(&scope, ty))
            .unwrap_or_default();
        let trait_ = def
            .trait_
            .as_ref()
            .map(|path| self.names.resolve(&def.module, path, &[]));
        let owner = if def.self_ty.is_some() {
            self_ty.path.to_string()
        } else {
            def.module.clone()
        };
        let path = join(&owner, &def.name);
        let id = self.fns.len();
        self.by_path.entry(path.clone()).or_default().push(id);
        if def.has_self {
            self.by_name.entry(def.name.clone()).or_default().push(id);
        }
        if let Some(trait_) = &trait_ {
            self.by_trait
                .entry((trait_.clone(), def.name.clone()))
                .or_default()
                .push(id);
        }
        self.fns.push(Function {
            def,
            file,
            path,
            self_ty,
            trait_,
        });
    }

    pub fn scope(&self, id: FnId) -> Scope<'_> {
        let function = &self.fns[id];
        Scope {
            module: &function.def.module,
            self_ty: function.self_ty.clone(),
            generics: &function.def.generics,
            uses: &function.def.uses,
        }
    }

    /// The full path of a path as written; `Self` is the type it stands for.
    pub fn path(&self, scope: &Scope<'_>, path: &str) -> String {
        match path.strip_prefix("Self") {
            Some("") => scope.self_ty.path.to_string(),
            Some(rest) if rest.starts_with("::") => format!("{}{rest}", scope.self_ty.path),
            _ => self.names.resolve(scope.module, path, scope.uses),
        }
    }

    pub fn ty(&self, scope: &Scope<'_>, ty: &TypeRef) -> Ty {
        self.ty_at(scope, ty, MAX_DEPTH)
    }

    fn ty_at(&self, scope: &Scope<'_>, ty: &TypeRef, depth: usize) -> Ty {
        let Some(depth) = depth.checked_sub(1) else {
            return Ty::unknown();
        };
        let (path, args) = match ty {
            TypeRef::Unknown => return Ty::unknown(),
            TypeRef::Tuple(parts) => {
                return Ty::new(
                    "(tuple)",
                    parts.iter().map(|part| self.ty_at(scope, part, depth)).collect(),
                );
            }
            TypeRef::Slice(inner) => return Ty::new("[slice]", vec![self.ty_at(scope, inner, depth)]),
            TypeRef::Path { path, args } => (path, args),
        };
        if path == "Self" {
            return scope.self_ty.clone();
        }
        if let Some((_, bound)) = scope.generics.iter().find(|(name, _)| name == path) {
            // A bound may name the parameter again; it is looked up without the parameters.
            return self.ty_at(
                &Scope {
                    generics: &[],
                    ..scope.clone()
                },
                bound,
                depth,
            );
        }
        let args: Vec<Ty> = args.iter().map(|arg| self.ty_at(scope, arg, depth)).collect();
        let full = self.path(scope, path);
        match self.aliases.get(&full) {
            Some(alias) => self.alias(alias, &args, depth),
            None => Ty::new(&full, args),
        }
    }

    fn alias(&self, alias: &AliasDef, args: &[Ty], depth: usize) -> Ty {
        let scope = Scope {
            module: &alias.module,
            generics: &[],
            ..Scope::default()
        };
        let ty = self.ty_at(&scope, &alias.ty, depth);
        let names: Vec<String> = alias.generics.iter().map(|(name, _)| name.clone()).collect();
        substitute(&ty, &alias.module, &names, args)
    }

    /// The type of a field, looked for through smart pointers and guards.
    pub fn field(&self, ty: &Ty, name: &str) -> Option<(Ty, Ty)> {
        for layer in ty.layers() {
            if &*layer.path == "(tuple)" {
                return name
                    .parse()
                    .ok()
                    .map(|index: usize| (layer.arg(index), layer.clone()));
            }
            let Some(def) = self.structs.get(&*layer.path) else {
                continue;
            };
            let Some(field) = def.fields.iter().find(|field| field.name == name) else {
                continue;
            };
            let scope = Scope {
                module: &def.module,
                self_ty: layer.clone(),
                ..Scope::default()
            };
            let ty = self.ty(&scope, &field.ty);
            let names: Vec<String> = def.generics.iter().map(|(name, _)| name.clone()).collect();
            return Some((substitute(&ty, &def.module, &names, &layer.args), layer));
        }
        None
    }

    /// Functions of ours that `path` calls.
    pub fn by_path(&self, path: &str) -> Vec<FnId> {
        if let Some(found) = self.by_path.get(path) {
            return found.clone();
        }
        let Some((owner, name)) = path.rsplit_once("::") else {
            return Vec::new();
        };
        // `Trait::method(..)`, or a method that a trait gives to the type.
        self.by_trait
            .get(&(owner.to_owned(), name.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Functions of ours that calling method `name` on `ty` may reach.
    pub fn methods(&self, ty: &Ty, name: &str) -> Vec<FnId> {
        for layer in ty.layers() {
            let found = self.by_path(&format!("{}::{name}", layer.path));
            let through_trait = self.by_trait.get(&(layer.path.to_string(), name.to_owned()));
            let mut all = through_trait.cloned().unwrap_or(found);
            if all.is_empty() && layer.is_known() {
                all = self.trait_default(&layer, name);
            }
            if !all.is_empty() {
                return all;
            }
        }
        if ty.is_known() {
            Vec::new()
        } else {
            self.only_method(name)
        }
    }

    /// A trait's own body of a method, for types that implement the trait without it.
    fn trait_default(&self, ty: &Ty, name: &str) -> Vec<FnId> {
        let implements = |trait_: &str| {
            self.fns
                .iter()
                .any(|other| other.trait_.as_deref() == Some(trait_) && other.self_ty.path == ty.path)
        };
        let candidates = self.by_name.get(name).into_iter().flatten();
        candidates
            .copied()
            .filter(|id| {
                let function = &self.fns[*id];
                function.def.declared_in_trait
                    && function.def.body.is_some()
                    && function.trait_.as_deref().is_some_and(implements)
            })
            .collect()
    }

    /// The method, if the receiver's type is unknown but only one of ours has this telling a name.
    fn only_method(&self, name: &str) -> Vec<FnId> {
        match self.by_name.get(name).map(Vec::as_slice) {
            Some([only]) if name.contains('_') && !COMMON.contains(&name) => vec![*only],
            _ => Vec::new(),
        }
    }
}

/// Names with an underscore that foreign types have too.
const COMMON: &[&str] = &[
    "is_empty",
    "as_str",
    "as_bytes",
    "as_ref",
    "as_mut",
    "into_iter",
    "to_string",
    "to_owned",
    "to_vec",
    "read_to_string",
    "read_to_end",
    "write_all",
    "write_str",
    "read_exact",
    "is_some",
    "is_none",
    "is_ok",
    "is_err",
    "unwrap_or",
    "map_err",
    "and_then",
    "or_else",
    "get_mut",
    "get_ref",
    "into_inner",
    "set_len",
    "poll_next",
    "poll_ready",
    "poll_flush",
    "with_capacity",
    "try_lock",
    "try_read",
    "try_write",
    "try_send",
    "try_recv",
    "local_addr",
    "peer_addr",
    "size_hint",
    "from_str",
    "into_response",
    "call_once",
    "is_closed",
    "is_finished",
    "get_or_init",
    "push_str",
    "starts_with",
    "contains_key",
    "or_insert_with",
];

/// Puts the arguments of a generic type in the place of its parameters.
fn substitute(ty: &Ty, module: &str, names: &[String], args: &[Ty]) -> Ty {
    if names.is_empty() || args.is_empty() {
        return ty.clone();
    }
    let own = |name: &String| **name == *ty.path || *ty.path == join(module, name);
    if let Some(index) = names.iter().position(own) {
        return args.get(index).cloned().unwrap_or_default();
    }
    let inner = ty
        .args
        .iter()
        .map(|arg| substitute(arg, module, names, args))
        .collect();
    Ty {
        path: ty.path.clone(),
        args: inner,
    }
}
