//! Macro input, read as far as it is ordinary Rust: expression lists, statements, `select!` branches, items.

use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr as SynExpr, Pat as SynPat, Token};

use super::{Lower, path_text};
use crate::ir::{Block, Branch, Expr, Kind, Pat, Pos};

/// One branch of `select!`; `complete =>` and `default =>` have no future.
struct SelectBranch {
    pat: Option<SynPat>,
    future: Option<SynExpr>,
    guard: Option<SynExpr>,
    body: SynExpr,
}

impl Lower {
    pub(super) fn macro_call(&mut self, mac: &syn::Macro, pos: Pos) -> Expr {
        let path = path_text(&mac.path);
        let name = path.rsplit("::").next().unwrap_or_default();
        let kind = match name {
            "select" | "select_biased" => self.select(mac),
            "join" | "try_join" => self.arguments(mac).map(Kind::Join),
            // Only the first argument of `matches!` is an expression.
            "matches" | "assert_matches" => self.first_argument(mac),
            _ => None,
        };
        let kind = kind
            .or_else(|| {
                self.arguments(mac).map(|args| Kind::Macro {
                    name: name.to_owned(),
                    args,
                })
            })
            .or_else(|| self.statements(mac))
            .unwrap_or(Kind::Unknown);
        Expr { pos, kind }
    }

    fn arguments(&mut self, mac: &syn::Macro) -> Option<Vec<Expr>> {
        let parser = Punctuated::<SynExpr, Token![,]>::parse_terminated;
        let list = parser.parse2(mac.tokens.clone()).ok()?;
        Some(list.iter().map(|expr| self.expr(expr)).collect())
    }

    fn first_argument(&mut self, mac: &syn::Macro) -> Option<Kind> {
        let parser = |input: ParseStream<'_>| {
            let first: SynExpr = input.parse()?;
            input.parse::<proc_macro2::TokenStream>()?;
            Ok(first)
        };
        let first = parser.parse2(mac.tokens.clone()).ok()?;
        Some(Kind::Operands(vec![self.expr(&first)]))
    }

    fn statements(&mut self, mac: &syn::Macro) -> Option<Kind> {
        let stmts = syn::Block::parse_within.parse2(mac.tokens.clone()).ok()?;
        let brace_token = syn::token::Brace::default();
        let block: Block = self.block(&syn::Block { brace_token, stmts });
        Some(Kind::Block(block))
    }

    fn select(&mut self, mac: &syn::Macro) -> Option<Kind> {
        let branches = select_branches.parse2(mac.tokens.clone()).ok()?;
        let lowered = branches
            .iter()
            .map(|branch| Branch {
                pat: branch.pat.as_ref().map_or(Pat::Nothing, |pat| self.pat(pat)),
                future: branch.future.as_ref().map(|future| self.expr(future)),
                guard: branch.guard.as_ref().map(|guard| self.expr(guard)),
                body: self.expr(&branch.body),
            })
            .collect();
        Some(Kind::Select(lowered))
    }

    /// A macro in item position: `lazy_static!`, `thread_local!`, or one that merely wraps items.
    pub(super) fn item_macro(&mut self, mac: &syn::Macro) {
        let path = path_text(&mac.path);
        match path.rsplit("::").next().unwrap_or_default() {
            // Its body is a template; what it expands to is not known here.
            "macro_rules" => {}
            "lazy_static" => {
                for (name, ty) in statics.parse2(mac.tokens.clone()).unwrap_or_default() {
                    self.fixed(&name, &ty);
                }
            }
            _ => {
                if let Ok(file) = syn::parse2::<syn::File>(mac.tokens.clone()) {
                    file.items.iter().for_each(|item| self.item(item));
                }
            }
        }
    }
}

fn select_branches(input: ParseStream<'_>) -> syn::Result<Vec<SelectBranch>> {
    let mut branches = Vec::new();
    if input.peek(syn::Ident) && input.peek2(Token![;]) {
        input.parse::<syn::Ident>()?; // `biased`
        input.parse::<Token![;]>()?;
    }
    while !input.is_empty() {
        branches.push(select_branch(input)?);
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(branches)
}

fn select_branch(input: ParseStream<'_>) -> syn::Result<SelectBranch> {
    let nothing = SynExpr::Verbatim(proc_macro2::TokenStream::new());
    let mut branch = SelectBranch {
        pat: None,
        future: None,
        guard: None,
        body: nothing,
    };
    if input.parse::<Option<Token![else]>>()?.is_none() {
        branch.pat = Some(SynPat::parse_multi_with_leading_vert(input)?);
        if input.parse::<Option<Token![=]>>()?.is_some() {
            branch.future = Some(input.parse()?);
        }
        if input.peek(Token![,]) && input.peek2(Token![if]) {
            input.parse::<Token![,]>()?;
            input.parse::<Token![if]>()?;
            branch.guard = Some(input.parse()?);
        }
    }
    input.parse::<Token![=>]>()?;
    branch.body = match input.peek(syn::token::Brace) {
        // A block ends its branch without a comma, so nothing may be taken as an operator after it.
        true => SynExpr::Block(input.parse()?),
        false => input.parse()?,
    };
    Ok(branch)
}

/// `static ref NAME: Type = init;`, repeated.
fn statics(input: ParseStream<'_>) -> syn::Result<Vec<(syn::Ident, syn::Type)>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        input.call(syn::Attribute::parse_outer)?;
        input.parse::<syn::Visibility>()?;
        input.parse::<Token![static]>()?;
        input.parse::<Token![ref]>()?;
        let name: syn::Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        input.parse::<Token![=]>()?;
        input.parse::<SynExpr>()?;
        input.parse::<Token![;]>()?;
        found.push((name, ty));
    }
    Ok(found)
}
