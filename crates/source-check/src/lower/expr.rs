//! Expressions and blocks.

use syn::spanned::Spanned;
use syn::{Expr as SynExpr, Item, Stmt as SynStmt, UnOp};

use super::types::type_ref;
use super::{Lower, member, path_text, pos, use_tree};
use crate::ir::{Arm, Block, Closure, Expr, Jump, Kind, Pos, Stmt};

impl Lower {
    pub(super) fn block(&mut self, block: &syn::Block) -> Block {
        let mut lowered = Block::default();
        let last = block.stmts.len().saturating_sub(1);
        for (index, stmt) in block.stmts.iter().enumerate() {
            self.extent(stmt);
            match stmt {
                SynStmt::Local(local) => lowered.stmts.push(self.local(local)),
                SynStmt::Item(item) => self.inner_item(item),
                SynStmt::Expr(expr, None) if index == last => lowered.tail = Some(self.boxed(expr)),
                SynStmt::Expr(expr, _) => lowered.stmts.push(Stmt::Expr(self.expr(expr))),
                SynStmt::Macro(found) => {
                    let expr = self.macro_call(&found.mac, macro_place(&found.mac));
                    match found.semi_token {
                        None if index == last => lowered.tail = Some(Box::new(expr)),
                        _ => lowered.stmts.push(Stmt::Expr(expr)),
                    }
                }
            }
        }
        lowered
    }

    fn inner_item(&mut self, item: &Item) {
        let Item::Use(found) = item else {
            return self.item(item);
        };
        let mut names = (Vec::new(), Vec::new());
        use_tree(&found.tree, String::new(), &mut names);
        if let Some(uses) = self.uses.last_mut() {
            uses.append(&mut names.0);
        }
    }

    fn local(&mut self, local: &syn::Local) -> Stmt {
        let (pat, ty) = match &local.pat {
            syn::Pat::Type(typed) => (self.pat(&typed.pat), Some(type_ref(&typed.ty))),
            other => (self.pat(other), None),
        };
        let init = local.init.as_ref().map(|init| self.expr(&init.expr));
        let otherwise = local
            .init
            .as_ref()
            .and_then(|init| init.diverge.as_ref())
            .map(|(_, diverge)| self.expr(diverge));
        Stmt::Let {
            pat,
            ty,
            init,
            otherwise,
        }
    }

    pub(super) fn boxed(&mut self, expr: &SynExpr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    fn all<'a>(&mut self, exprs: impl IntoIterator<Item = &'a SynExpr>) -> Vec<Expr> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn expr(&mut self, expr: &SynExpr) -> Expr {
        match expr {
            SynExpr::Paren(inner) => return self.expr(&inner.expr),
            SynExpr::Group(inner) => return self.expr(&inner.expr),
            _ => {}
        }
        let kind = self
            .control(expr)
            .or_else(|| self.value(expr))
            .unwrap_or(Kind::Unknown);
        Expr {
            pos: place(expr),
            kind,
        }
    }

    /// Blocks, branches, loops, jumps, closures.
    fn control(&mut self, expr: &SynExpr) -> Option<Kind> {
        Some(match expr {
            SynExpr::Block(found) => Kind::Block(self.block(&found.block)),
            SynExpr::Unsafe(found) => Kind::Block(self.block(&found.block)),
            SynExpr::Const(found) => Kind::Block(self.block(&found.block)),
            SynExpr::TryBlock(found) => Kind::Block(self.block(&found.block)),
            SynExpr::Async(found) => Kind::Async(self.block(&found.block)),
            SynExpr::Closure(found) => Kind::Closure(Closure {
                params: found.inputs.iter().map(|input| self.pat(input)).collect(),
                body: self.boxed(&found.body),
                is_async: found.asyncness.is_some(),
            }),
            SynExpr::If(found) => Kind::If {
                condition: self.boxed(&found.cond),
                then: self.block(&found.then_branch),
                otherwise: found.else_branch.as_ref().map(|(_, other)| self.boxed(other)),
            },
            SynExpr::Let(found) => Kind::Let(Box::new(self.pat(&found.pat)), self.boxed(&found.expr)),
            SynExpr::Match(found) => Kind::Match {
                on: self.boxed(&found.expr),
                arms: found.arms.iter().map(|arm| self.arm(arm)).collect(),
            },
            SynExpr::While(found) => Kind::While {
                condition: self.boxed(&found.cond),
                body: self.block(&found.body),
            },
            SynExpr::Loop(found) => Kind::Loop(self.block(&found.body)),
            SynExpr::ForLoop(found) => Kind::For {
                pat: Box::new(self.pat(&found.pat)),
                over: self.boxed(&found.expr),
                body: self.block(&found.body),
            },
            SynExpr::Return(found) => self.jump(Jump::Return, found.expr.as_deref()),
            SynExpr::Break(found) => self.jump(Jump::Break, found.expr.as_deref()),
            SynExpr::Continue(_) => self.jump(Jump::Continue, None),
            _ => return None,
        })
    }

    fn jump(&mut self, jump: Jump, value: Option<&SynExpr>) -> Kind {
        Kind::Jump(jump, value.map(|value| self.boxed(value)))
    }

    fn arm(&mut self, arm: &syn::Arm) -> Arm {
        self.extent(arm);
        let guard = match &arm.pat {
            syn::Pat::Guard(guarded) => Some(self.expr(&guarded.guard)),
            _ => None,
        };
        Arm {
            pat: self.pat(&arm.pat),
            guard,
            body: self.expr(&arm.body),
        }
    }

    fn struct_value(&mut self, found: &syn::ExprStruct) -> Kind {
        let fields = found.fields.iter().map(|field| &field.expr);
        Kind::Struct {
            path: path_text(&found.path),
            fields: self.all(fields.chain(found.rest.as_deref())),
        }
    }

    /// Everything that computes a value from operands.
    fn value(&mut self, expr: &SynExpr) -> Option<Kind> {
        Some(match expr {
            SynExpr::Path(found) => Kind::Path(path_text(&found.path)),
            SynExpr::Field(found) => Kind::Field(self.boxed(&found.base), member(&found.member)),
            SynExpr::MethodCall(found) => Kind::Method {
                receiver: self.boxed(&found.receiver),
                name: super::ident(&found.method),
                args: self.all(&found.args),
            },
            SynExpr::Call(found) => Kind::Call {
                callee: self.boxed(&found.func),
                args: self.all(&found.args),
            },
            SynExpr::Struct(found) => self.struct_value(found),
            SynExpr::Await(found) => Kind::Await(self.boxed(&found.base)),
            SynExpr::Try(found) => Kind::Try(self.boxed(&found.expr)),
            SynExpr::Reference(found) => Kind::Borrow(self.boxed(&found.expr)),
            SynExpr::RawAddr(found) => Kind::Borrow(self.boxed(&found.expr)),
            SynExpr::Unary(found) if matches!(found.op, UnOp::Deref(_)) => {
                Kind::Deref(self.boxed(&found.expr))
            }
            SynExpr::Unary(found) => Kind::Operands(vec![self.expr(&found.expr)]),
            SynExpr::Cast(found) => Kind::Cast(self.boxed(&found.expr), type_ref(&found.ty)),
            SynExpr::Index(found) => Kind::Index(self.boxed(&found.expr), self.boxed(&found.index)),
            SynExpr::Binary(found) => return Some(self.binary(found)),
            SynExpr::Assign(found) => Kind::Assign(self.boxed(&found.left), self.boxed(&found.right)),
            SynExpr::Tuple(found) => Kind::Tuple(self.all(&found.elems)),
            SynExpr::Array(found) => Kind::Tuple(self.all(&found.elems)),
            SynExpr::Repeat(found) => Kind::Tuple(vec![self.expr(&found.expr)]),
            SynExpr::Range(found) => {
                Kind::Operands(self.all(found.start.iter().chain(&found.end).map(AsRef::as_ref)))
            }
            SynExpr::Yield(found) => Kind::Operands(self.all(found.expr.iter().map(AsRef::as_ref))),
            SynExpr::Macro(found) => return Some(self.macro_call(&found.mac, Pos::default()).kind),
            SynExpr::Lit(found) if matches!(found.lit, syn::Lit::Str(_)) => Kind::Text,
            _ => return None,
        })
    }

    fn binary(&mut self, found: &syn::ExprBinary) -> Kind {
        let (left, right) = (self.boxed(&found.left), self.boxed(&found.right));
        match found.op {
            syn::BinOp::And(_) | syn::BinOp::Or(_) => Kind::Lazy(left, right),
            _ => Kind::Operands(vec![*left, *right]),
        }
    }
}

/// Where a reader looks for what is reported: a method's name, the word `await`, the start of a path. Nothing else is
/// reported by its own place, and asking `syn` for a whole expression's span writes all of it out again.
fn place(expr: &SynExpr) -> Pos {
    match expr {
        SynExpr::MethodCall(found) => pos(found.method.span()),
        SynExpr::Await(found) => pos(found.await_token.span),
        SynExpr::Field(found) => pos(found.member.span()),
        SynExpr::Call(found) => place(&found.func),
        SynExpr::Path(found) => found
            .path
            .segments
            .first()
            .map(|first| pos(first.ident.span()))
            .unwrap_or_default(),
        SynExpr::Macro(found) => macro_place(&found.mac),
        SynExpr::Paren(found) => pos(found.paren_token.span.open()),
        _ => Pos::default(),
    }
}

fn macro_place(mac: &syn::Macro) -> Pos {
    mac.path
        .segments
        .first()
        .map(|first| pos(first.ident.span()))
        .unwrap_or_default()
}
