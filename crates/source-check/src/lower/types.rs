//! Types, and type parameters with their bounds.

use syn::{GenericArgument, GenericParam, Generics, PathArguments, ReturnType, Type, TypeParamBound};

use super::{ident, path_text};
use crate::ir::TypeRef;

/// Type parameters with the trait that says most about them.
pub(super) fn generics(generics: &Generics) -> Vec<(String, TypeRef)> {
    let mut all: Vec<(String, TypeRef)> = Vec::new();
    for param in &generics.params {
        if let GenericParam::Type(param) = param {
            all.push((ident(&param.ident), bound(param.bounds.iter())));
        }
    }
    for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
        let syn::WherePredicate::Type(predicate) = predicate else {
            continue;
        };
        let TypeRef::Path { path, .. } = type_ref(&predicate.bounded_ty) else {
            continue;
        };
        if let Some(known) = all
            .iter_mut()
            .find(|(name, ty)| *name == path && matches!(ty, TypeRef::Unknown))
        {
            known.1 = bound(predicate.bounds.iter());
        }
    }
    all
}

/// The first bound that is not a marker.
fn bound<'a>(bounds: impl Iterator<Item = &'a TypeParamBound>) -> TypeRef {
    const MARKERS: &[&str] = &[
        "Send",
        "Sync",
        "Sized",
        "Clone",
        "Copy",
        "Debug",
        "Unpin",
        "Default",
        "Eq",
        "Hash",
        "PartialEq",
        "Ord",
    ];
    for bound in bounds {
        let TypeParamBound::Trait(bound) = bound else {
            continue;
        };
        let Some(last) = bound.path.segments.last() else {
            continue;
        };
        if MARKERS.iter().any(|marker| last.ident == marker) {
            continue;
        }
        return TypeRef::Path {
            path: path_text(&bound.path),
            args: segment_args(&last.arguments),
        };
    }
    TypeRef::Unknown
}

fn segment_args(arguments: &PathArguments) -> Vec<TypeRef> {
    match arguments {
        PathArguments::None => Vec::new(),
        PathArguments::AngleBracketed(list) => list
            .args
            .iter()
            .filter_map(|arg| match arg {
                GenericArgument::Type(ty) => Some(type_ref(ty)),
                GenericArgument::AssocType(assoc) => Some(type_ref(&assoc.ty)),
                _ => None,
            })
            .collect(),
        PathArguments::Parenthesized(call) => match &call.output {
            ReturnType::Type(_, ty) => vec![type_ref(ty)],
            ReturnType::Default => Vec::new(),
        },
    }
}

pub(super) fn type_ref(ty: &Type) -> TypeRef {
    match ty {
        Type::Path(found) if found.qself.is_none() => {
            let args = found
                .path
                .segments
                .last()
                .map(|last| segment_args(&last.arguments))
                .unwrap_or_default();
            TypeRef::Path {
                path: path_text(&found.path),
                args,
            }
        }
        Type::Reference(inner) => type_ref(&inner.elem),
        Type::Ptr(inner) => type_ref(&inner.elem),
        Type::Paren(inner) => type_ref(&inner.elem),
        Type::Group(inner) => type_ref(&inner.elem),
        Type::Tuple(tuple) => TypeRef::Tuple(tuple.elems.iter().map(type_ref).collect()),
        Type::Slice(inner) => TypeRef::Slice(Box::new(type_ref(&inner.elem))),
        Type::Array(inner) => TypeRef::Slice(Box::new(type_ref(&inner.elem))),
        Type::ImplTrait(found) => bound(found.bounds.iter()),
        Type::TraitObject(found) => bound(found.bounds.iter()),
        _ => TypeRef::Unknown,
    }
}
