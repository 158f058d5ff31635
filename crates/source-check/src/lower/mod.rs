//! From `syn`'s tree to [`crate::ir`]: items and patterns. Expressions are in `expr`, macros in `macros`, types in
//! `types`.

mod expr;
mod macros;
mod types;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{
    Attribute, Fields, FnArg, Generics, ImplItem, Item, Pat as SynPat, ReturnType, Signature, TraitItem,
    Type, UseTree, Visibility,
};

use crate::ir::{
    AliasDef, FieldDef, FileFacts, FnDef, Import, Module, Pat, Pos, StaticDef, StructDef, TypeRef,
};
use types::{generics, type_ref};

/// Reduces a parsed file that is the module `module` to its facts. Test code is left out unless `tests`; extents are noted
/// if asked.
pub fn lower(file: &syn::File, module: &str, tests: bool, extents: bool) -> FileFacts {
    let mut lower = Lower {
        facts: FileFacts::default(),
        modules: Vec::new(),
        uses: Vec::new(),
        tests,
        extents,
    };
    lower.module(module, &file.items);
    lower.facts
}

/// Where a function stands: what its `Self` is and which trait it belongs to.
#[derive(Clone, Default)]
struct Owner {
    self_ty: Option<TypeRef>,
    trait_: Option<String>,
    declared: bool,
    generics: Vec<(String, TypeRef)>,
}

struct Lower {
    facts: FileFacts,
    /// The modules being read, innermost last.
    modules: Vec<Module>,
    /// Imports of the function bodies being read, innermost last.
    uses: Vec<Vec<(String, String)>>,
    tests: bool,
    extents: bool,
}

impl Lower {
    fn module(&mut self, path: &str, items: &[Item]) {
        self.modules.push(Module {
            path: path.to_owned(),
            ..Module::default()
        });
        items.iter().for_each(|item| self.item(item));
        self.facts.modules.extend(self.modules.pop());
    }

    fn path(&self) -> String {
        self.modules
            .last()
            .map(|module| module.path.clone())
            .unwrap_or_default()
    }

    fn define(&mut self, name: &syn::Ident) -> String {
        let name = ident(name);
        if let Some(module) = self.modules.last_mut() {
            module.items.push(name.clone());
        }
        name
    }

    /// Notes the lines of something that a silence may cover. Its span costs writing it out: only where one is needed.
    fn extent(&mut self, of: &impl Spanned) {
        if !self.extents {
            return;
        }
        let span = of.span();
        self.facts
            .extents
            .push((line(span.start().line), line(span.end().line)));
    }

    fn item(&mut self, item: &Item) {
        self.extent(item);
        if !self.tests && item_attrs(item).iter().any(is_test) {
            if let Item::Mod(inner) = item {
                self.facts
                    .test_modules
                    .push(format!("{}::{}", self.path(), ident(&inner.ident)));
            }
            return;
        }
        match item {
            Item::Fn(item) => {
                self.define(&item.sig.ident);
                self.function(&item.sig, Some(&item.block), &Owner::default());
            }
            Item::Impl(item) => self.implementation(item),
            Item::Trait(item) => self.trait_definition(item),
            Item::Struct(item) => self.structure(&item.ident, &item.generics, &item.fields),
            Item::Enum(item) => {
                self.define(&item.ident);
            }
            Item::Type(item) => self.alias(item),
            Item::Static(item) => self.fixed(&item.ident, &item.ty),
            Item::Const(item) => self.fixed(&item.ident, &item.ty),
            Item::Mod(item) => {
                let name = self.define(&item.ident);
                if let Some((_, items)) = &item.content {
                    let path = format!("{}::{name}", self.path());
                    self.module(&path, items);
                }
            }
            Item::Use(item) => self.import(item),
            Item::Macro(item) => self.item_macro(&item.mac),
            _ => {}
        }
    }

    fn alias(&mut self, item: &syn::ItemType) {
        let alias = AliasDef {
            name: self.define(&item.ident),
            module: self.path(),
            generics: generics(&item.generics),
            ty: type_ref(&item.ty),
            pos: pos(item.ident.span()),
        };
        self.facts.aliases.push(alias);
    }

    fn import(&mut self, item: &syn::ItemUse) {
        let mut found = (Vec::new(), Vec::new());
        use_tree(&item.tree, String::new(), &mut found);
        let public = !matches!(item.vis, Visibility::Inherited);
        let import = |(name, target)| Import { name, target, public };
        if let Some(module) = self.modules.last_mut() {
            module.imports.extend(found.0.into_iter().map(import));
            let globs = found.1.into_iter().map(|target| (String::new(), target));
            module.globs.extend(globs.map(import));
        }
    }

    fn fixed(&mut self, name: &syn::Ident, ty: &Type) {
        let def = StaticDef {
            name: self.define(name),
            module: self.path(),
            ty: type_ref(ty),
            pos: pos(name.span()),
        };
        self.facts.statics.push(def);
    }

    fn structure(&mut self, name: &syn::Ident, params: &Generics, fields: &Fields) {
        let mut defs = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            self.extent(field);
            defs.push(FieldDef {
                name: field.ident.as_ref().map_or_else(|| index.to_string(), ident),
                ty: type_ref(&field.ty),
                pos: pos(field
                    .ident
                    .as_ref()
                    .map_or_else(|| field.ty.span(), syn::Ident::span)),
            });
        }
        let def = StructDef {
            name: self.define(name),
            module: self.path(),
            generics: generics(params),
            fields: defs,
        };
        self.facts.structs.push(def);
    }

    fn implementation(&mut self, item: &syn::ItemImpl) {
        let owner = Owner {
            self_ty: Some(type_ref(&item.self_ty)),
            trait_: item.trait_.as_ref().map(|(path, _)| path_text(path)),
            declared: false,
            generics: generics(&item.generics),
        };
        for inner in &item.items {
            self.extent(inner);
            if let ImplItem::Fn(function) = inner
                && (self.tests || !function.attrs.iter().any(is_test))
            {
                self.function(&function.sig, Some(&function.block), &owner);
            }
        }
    }

    fn trait_definition(&mut self, item: &syn::ItemTrait) {
        let name = self.define(&item.ident);
        self.facts.traits.push((self.path(), name.clone()));
        let self_ty = TypeRef::Path {
            path: name.clone(),
            args: Vec::new(),
        };
        let owner = Owner {
            self_ty: Some(self_ty),
            trait_: Some(name),
            declared: true,
            generics: generics(&item.generics),
        };
        for inner in &item.items {
            self.extent(inner);
            if let TraitItem::Fn(function) = inner {
                self.function(&function.sig, function.default.as_ref(), &owner);
            }
        }
    }

    fn function(&mut self, sig: &Signature, block: Option<&syn::Block>, owner: &Owner) {
        let mut all = owner.generics.clone();
        all.extend(generics(&sig.generics));
        self.uses.push(Vec::new());
        let body = block.map(|block| self.block(block));
        let uses = self.uses.pop().unwrap_or_default();
        let def = FnDef {
            name: ident(&sig.ident),
            module: self.path(),
            self_ty: owner.self_ty.clone(),
            trait_: owner.trait_.clone(),
            declared_in_trait: owner.declared,
            is_async: sig.asyncness.is_some(),
            has_self: sig.receiver().is_some(),
            params: sig.inputs.iter().filter_map(|input| self.param(input)).collect(),
            ret: match &sig.output {
                ReturnType::Default => None,
                ReturnType::Type(_, ty) => Some(type_ref(ty)),
            },
            generics: all,
            uses,
            body,
            pos: pos(sig.ident.span()),
        };
        self.facts.fns.push(def);
    }

    fn param(&mut self, input: &FnArg) -> Option<(Pat, TypeRef)> {
        match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => Some((self.pat(&typed.pat), type_ref(&typed.ty))),
        }
    }

    fn pat(&mut self, pat: &SynPat) -> Pat {
        match pat {
            // A lone capitalised name is a constant or a unit variant, not a variable.
            SynPat::Ident(found) if found.subpat.is_none() && starts_upper(&found.ident) => Pat::Nothing,
            SynPat::Ident(found) => Pat::Bind {
                name: ident(&found.ident),
                inner: found.subpat.as_ref().map(|(_, inner)| Box::new(self.pat(inner))),
            },
            SynPat::Type(typed) => Pat::Typed(Box::new(self.pat(&typed.pat)), type_ref(&typed.ty)),
            SynPat::Tuple(tuple) => Pat::Tuple(tuple.elems.iter().map(|part| self.pat(part)).collect()),
            SynPat::TupleStruct(variant) => Pat::Variant {
                path: path_text(&variant.path),
                parts: variant.elems.iter().map(|part| self.pat(part)).collect(),
            },
            SynPat::Struct(found) => Pat::Struct {
                path: path_text(&found.path),
                fields: found
                    .fields
                    .iter()
                    .map(|field| (member(&field.member), self.pat(&field.pat)))
                    .collect(),
            },
            SynPat::Slice(slice) => Pat::Slice(slice.elems.iter().map(|part| self.pat(part)).collect()),
            SynPat::Or(or) => Pat::Or(or.cases.iter().map(|part| self.pat(part)).collect()),
            SynPat::Paren(inner) => self.pat(&inner.pat),
            SynPat::Reference(inner) => self.pat(&inner.pat),
            SynPat::Guard(inner) => self.pat(&inner.pat),
            _ => Pat::Nothing,
        }
    }
}

fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn pos(span: Span) -> Pos {
    let start = span.start();
    Pos {
        line: line(start.line),
        col: line(start.column).saturating_add(1),
    }
}

fn ident(name: &syn::Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

fn starts_upper(name: &syn::Ident) -> bool {
    name.to_string()
        .starts_with(|first: char| first.is_ascii_uppercase())
}

fn member(member: &syn::Member) -> String {
    match member {
        syn::Member::Named(name) => ident(name),
        syn::Member::Unnamed(index) => index.index.to_string(),
    }
}

fn path_text(path: &syn::Path) -> String {
    path.segments
        .iter()
        .map(|segment| ident(&segment.ident))
        .collect::<Vec<_>>()
        .join("::")
}

fn item_attrs(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[tokio::test(..)]`, `#[cfg(test)]`, `#[cfg(all(test, ..))]`; not `#[cfg(not(test))]`.
fn is_test(attr: &Attribute) -> bool {
    let path = attr.path();
    if path.is_ident("cfg") {
        let Ok(list) = attr.meta.require_list() else {
            return false;
        };
        let text = list.tokens.to_string();
        let words = || text.split(|c: char| !c.is_alphanumeric() && c != '_');
        return words().any(|word| word == "test") && !words().any(|word| word == "not" || word == "any");
    }
    path.segments
        .last()
        .is_some_and(|last| last.ident == "test" || last.ident == "rstest" || last.ident == "bench")
}

fn use_tree(tree: &UseTree, prefix: String, found: &mut (Vec<(String, String)>, Vec<String>)) {
    let join = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}::{name}")
        }
    };
    match tree {
        UseTree::Path(path) => use_tree(&path.tree, join(&ident(&path.ident)), found),
        UseTree::Name(name) if name.ident == "self" => {
            let last = prefix.rsplit("::").next().unwrap_or_default().to_owned();
            found.0.push((last, prefix));
        }
        UseTree::Name(name) => found.0.push((ident(&name.ident), join(&ident(&name.ident)))),
        UseTree::Rename(rename) if rename.ident == "self" => found.0.push((ident(&rename.rename), prefix)),
        UseTree::Rename(rename) => found.0.push((ident(&rename.rename), join(&ident(&rename.ident)))),
        UseTree::Glob(_) => found.1.push(prefix),
        UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| use_tree(tree, prefix.clone(), found)),
    }
}
