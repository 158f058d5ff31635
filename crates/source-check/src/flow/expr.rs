//! Expressions, and values made of other values. Calls, branches, futures and closures have files of their own.

use super::branch::takes_result;
use super::{Flow, Val};
use crate::ir::{Expr, Kind};
use crate::names::join;
use crate::types::Ty;

impl Flow<'_> {
    pub(super) fn eval(&mut self, expr: &Expr) -> Val {
        match &expr.kind {
            Kind::Path(path) => self.path_value(path),
            Kind::Field(base, name) => self.field(base, name),
            Kind::Method { receiver, name, args } => self.method(expr.pos, receiver, name, args),
            Kind::Call { callee, args } => self.call(expr.pos, callee, args),
            Kind::Await(base) => self.await_(expr.pos, base),
            Kind::Try(inner) => {
                let value = self.as_result(true, |flow| flow.owned(inner));
                Val {
                    ty: value.ty.unwrapped(),
                    ..value
                }
            }
            Kind::Borrow(inner) => {
                // A borrowed variable keeps its guards; a borrowed temporary ends with the statement.
                let mut value = self.eval(inner);
                value.under.append(&mut value.guards);
                Val { var: None, ..value }
            }
            Kind::Deref(inner) => {
                let value = self.eval(inner);
                let ty = value.ty.deref().unwrap_or_else(|| value.ty.clone());
                let under = if value.under.is_empty() {
                    value.guards
                } else {
                    value.under
                };
                Val {
                    ty,
                    under,
                    lock: value.lock,
                    ..Val::default()
                }
            }
            _ => self.compound(expr),
        }
    }

    fn element(&mut self, base: &Expr, index: &Expr) -> Val {
        let value = self.eval(base);
        self.eval(index);
        let lock = value.lock.map(|lock| format!("{lock}[]"));
        let under = if value.under.is_empty() {
            value.guards
        } else {
            value.under
        };
        Val {
            ty: value.ty.element(),
            lock,
            under,
            ..Val::default()
        }
    }

    /// Values made of other values.
    fn compound(&mut self, expr: &Expr) -> Val {
        match &expr.kind {
            Kind::Cast(inner, ty) => {
                self.eval(inner);
                Val {
                    ty: self.ws.ty(&self.scope, ty),
                    ..Val::default()
                }
            }
            Kind::Index(base, index) => self.element(base, index),
            Kind::Struct { path, fields } => {
                let value = self.aggregate(fields);
                let ty = self.ws.ty(
                    &self.scope,
                    &crate::ir::TypeRef::Path {
                        path: path.clone(),
                        args: Vec::new(),
                    },
                );
                Val { ty, ..value }
            }
            Kind::Tuple(parts) => self.aggregate(parts),
            Kind::Operands(parts) => {
                parts.iter().for_each(|part| drop(self.eval(part)));
                Val::default()
            }
            Kind::Text => Val {
                ty: Ty::new("str", Vec::new()),
                ..Val::default()
            },
            Kind::Unknown => Val::default(),
            _ => self.control(expr),
        }
    }

    fn control(&mut self, expr: &Expr) -> Val {
        match &expr.kind {
            Kind::Lazy(left, right) => {
                self.eval(left);
                self.with_temps(|flow| {
                    flow.eval(right);
                    Val::default()
                })
            }
            Kind::Assign(target, value) => self.assign(target, value),
            Kind::Block(block) => self.block(block),
            Kind::Async(block) => self.async_block(block),
            Kind::Closure(closure) => self.closure(closure),
            Kind::If {
                condition,
                then,
                otherwise,
            } => self.if_(condition, then, otherwise.as_deref()),
            Kind::Let(pat, value) => {
                let value = self.as_result(takes_result(pat), |flow| flow.owned(value));
                self.bind(pat, value);
                Val::default()
            }
            Kind::Match { on, arms } => self.match_(on, arms),
            Kind::While { condition, body } => self.while_(condition, body),
            Kind::Loop(body) => self.repeat(|flow| drop(flow.block(body)), false),
            Kind::For { pat, over, body } => self.for_(pat, over, body),
            Kind::Jump(jump, value) => self.jump(*jump, value.as_deref()),
            Kind::Select(branches) => self.select(expr.pos, branches),
            Kind::Join(futures) => {
                let values: Vec<Val> = futures.iter().map(|future| self.owned(future)).collect();
                self.suspend(expr.pos, &values);
                Val::default()
            }
            Kind::Macro { name, args } => self.macro_(name, args),
            _ => Val::default(),
        }
    }

    fn path_value(&mut self, path: &str) -> Val {
        if let Some(var) = self.var(path) {
            let lock = var
                .lock
                .clone()
                .or_else(|| Some(format!("{}#{path}", self.path())));
            return Val {
                ty: var.ty.clone(),
                var: Some(path.to_owned()),
                lock,
                ..Val::default()
            };
        }
        let full = self.ws.path(&self.scope, path);
        match self.ws.statics.get(&full) {
            Some(ty) => Val {
                ty: ty.clone(),
                lock: Some(full),
                ..Val::default()
            },
            None => Val::default(),
        }
    }

    fn field(&mut self, base: &Expr, name: &str) -> Val {
        let value = self.eval(base);
        let under = if value.under.is_empty() {
            value.guards
        } else {
            value.under
        };
        match self.ws.field(&value.ty, name) {
            Some((ty, owner)) => Val {
                ty,
                lock: Some(format!("{}.{name}", owner.path)),
                under,
                ..Val::default()
            },
            None => {
                let known = value.ty.core();
                let owner = if known.is_known() {
                    known.path.to_string()
                } else {
                    join(self.scope.module, "?")
                };
                Val {
                    lock: Some(format!("{owner}.{name}")),
                    under,
                    ..Val::default()
                }
            }
        }
    }

    /// A struct, tuple or array owns what it is made of.
    fn aggregate(&mut self, parts: &[Expr]) -> Val {
        let mut whole = Val::default();
        let mut types = Vec::new();
        for part in parts {
            let value = match &part.kind {
                Kind::Closure(_) => self.elsewhere(|flow| flow.eval(part)),
                _ => self.owned(part),
            };
            self.note_kept(part);
            types.push(value.ty);
            whole.guards.extend(value.guards);
            whole.futures.extend(value.futures);
            whole.calls_out = whole.calls_out.or(value.calls_out);
        }
        Val {
            ty: Ty::new("(tuple)", types),
            ..whole
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr) -> Val {
        let value = self.owned(value);
        match &target.kind {
            Kind::Path(name) => {
                let old = self.var(name).map(|var| var.guards.clone()).unwrap_or_default();
                let ended: Vec<usize> = old
                    .into_iter()
                    .filter(|guard| !value.guards.contains(guard))
                    .collect();
                self.end(&ended);
                for temps in &mut self.temps {
                    temps.retain(|guard| !value.guards.contains(guard));
                }
                if let Some(var) = self.var_mut(name) {
                    var.guards.extend(value.guards);
                    if value.ty.is_known() {
                        var.ty = value.ty;
                    }
                }
            }
            Kind::Unknown => {}
            _ => drop(self.eval(target)),
        }
        Val::default()
    }

    fn macro_(&mut self, name: &str, args: &[Expr]) -> Val {
        let mut element = Ty::unknown();
        for arg in args {
            let value = match &arg.kind {
                // `format!("{a}", a = expr)`
                Kind::Assign(_, value) => self.eval(value),
                _ => self.eval(arg),
            };
            element = value.ty;
        }
        match name {
            "panic" | "unreachable" | "todo" | "unimplemented" | "bail" => {
                self.diverged = true;
                self.live.clear();
                Val::default()
            }
            "vec" => Val {
                ty: Ty::new("Vec", vec![element]),
                ..Val::default()
            },
            "pin" => Val {
                ty: element,
                ..Val::default()
            },
            _ => Val::default(),
        }
    }

    /// Evaluates something whose value is used as a `Result`.
    pub(super) fn as_result(&mut self, is_result: bool, evaluate: impl FnOnce(&mut Self) -> Val) -> Val {
        let outer = std::mem::replace(&mut self.unwrapped_next, is_result);
        let value = evaluate(self);
        self.unwrapped_next = outer;
        value
    }

    /// A parameter that is put into a structure or returned is run at some other time.
    pub(super) fn note_kept(&mut self, expr: &Expr) {
        let Kind::Path(name) = &expr.kind else { return };
        if let Some(param) = self.var(name).and_then(|var| var.param) {
            self.facts.hint.offloads.push(param);
        }
    }
}
