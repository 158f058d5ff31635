//! Variables, temporaries, and which guards are alive.

use super::{Flow, Guard, LockName, Val, Var};
use crate::ir::{Block, Expr, Kind, Pat, Pos, Stmt};
use crate::types::{Family, Ty};

impl Flow<'_> {
    /// A guard comes to life; it ends with the current statement unless it is bound.
    pub(super) fn new_guard(&mut self, lock: LockName, family: Family, pos: Pos) -> usize {
        let id = self.facts.guards.len();
        self.facts.guards.push(Guard {
            lock,
            family,
            pos,
            place: self.place,
            awaited: None,
        });
        self.live.push(id);
        self.keep_as_temporary(&[id]);
        id
    }

    fn keep_as_temporary(&mut self, guards: &[usize]) {
        if let Some(temps) = self.temps.last_mut() {
            temps.extend_from_slice(guards);
        }
    }

    pub(super) fn end(&mut self, guards: &[usize]) {
        self.live.retain(|guard| !guards.contains(guard));
    }

    /// Evaluates with temporaries of its own, which end afterwards unless the value owns them.
    pub(super) fn with_temps(&mut self, evaluate: impl FnOnce(&mut Self) -> Val) -> Val {
        self.temps.push(Vec::new());
        let value = evaluate(self);
        let mut temps = self.temps.pop().unwrap_or_default();
        temps.retain(|guard| !value.guards.contains(guard));
        self.end(&temps);
        self.keep_as_temporary(&value.guards);
        value
    }

    /// Evaluates with variables of its own.
    pub(super) fn with_frame(&mut self, evaluate: impl FnOnce(&mut Self) -> Val) -> Val {
        self.frames.push(Vec::new());
        let value = evaluate(self);
        let frame = self.frames.pop().unwrap_or_default();
        let ended: Vec<usize> = frame
            .into_iter()
            .flat_map(|var| var.guards)
            .filter(|guard| !value.guards.contains(guard))
            .collect();
        self.end(&ended);
        value
    }

    pub(super) fn var(&self, name: &str) -> Option<&Var> {
        self.frames
            .iter()
            .rev()
            .flat_map(|frame| frame.iter().rev())
            .find(|var| var.name == name)
    }

    pub(super) fn var_mut(&mut self, name: &str) -> Option<&mut Var> {
        self.frames
            .iter_mut()
            .rev()
            .flat_map(|frame| frame.iter_mut().rev())
            .find(|var| var.name == name)
    }

    /// Uses a value by value: a variable's guards leave it.
    pub(super) fn take(&mut self, mut value: Val) -> Val {
        if let Some(var) = value.var.take().and_then(|name| self.var_mut(&name)) {
            value.guards.append(&mut std::mem::take(&mut var.guards));
            value.guards.retain(|guard| self.live.contains(guard));
            let guards = value.guards.clone();
            self.keep_as_temporary(&guards);
        }
        value
    }

    pub(super) fn bind_name(&mut self, name: &str, value: Val) {
        for temps in &mut self.temps {
            temps.retain(|guard| !value.guards.contains(guard));
        }
        let var = Var {
            name: name.to_owned(),
            ty: value.ty,
            guards: value.guards,
            lock: value.lock,
            param: None,
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.push(var);
        }
    }

    /// Binds a pattern. Guards go to the variables that can hold them; `_` holds nothing.
    pub(super) fn bind(&mut self, pat: &Pat, value: Val) {
        match pat {
            Pat::Nothing => {}
            Pat::Bind { name, inner } => {
                if let Some(inner) = inner {
                    self.bind(
                        inner,
                        Val {
                            guards: Vec::new(),
                            ..value.clone()
                        },
                    );
                }
                self.bind_name(name, value);
            }
            Pat::Typed(inner, ty) => {
                let ty = self.ws.ty(&self.scope, ty);
                self.bind(inner, Val { ty, ..value });
            }
            Pat::Tuple(parts) => self.bind_parts(parts, value),
            Pat::Variant { path, parts } => self.bind_variant(path, parts, &value),
            Pat::Struct { path, fields } => self.bind_fields(path, fields, &value),
            Pat::Slice(parts) => {
                for part in parts {
                    self.bind(
                        part,
                        Val {
                            ty: value.ty.element(),
                            ..value.clone()
                        },
                    );
                }
            }
            Pat::Or(cases) => {
                if let Some(first) = cases.first() {
                    self.bind(first, value);
                }
            }
        }
    }

    fn bind_variant(&mut self, path: &str, parts: &[Pat], value: &Val) {
        let name = path.rsplit("::").next().unwrap_or_default();
        let ty = match name {
            "Some" | "Ok" | "Ready" => value.ty.unwrapped(),
            // `Err(poisoned)` of a lock still holds the guard.
            "Err" => match value.ty.arg(0).guard() {
                Some(_) => Ty::new("PoisonError", vec![value.ty.arg(0)]),
                None => value.ty.arg(1),
            },
            // Extractors: `State(app)`, `Json(body)`.
            _ if value.ty.name() == name => value.ty.arg(0),
            _ => Ty::unknown(),
        };
        for part in parts {
            self.bind(
                part,
                Val {
                    ty: ty.clone(),
                    ..value.clone()
                },
            );
        }
    }

    fn bind_fields(&mut self, path: &str, fields: &[(String, Pat)], value: &Val) {
        let ty = if value.ty.is_known() {
            value.ty.clone()
        } else {
            Ty::new(&self.ws.path(&self.scope, path), vec![])
        };
        for (name, part) in fields {
            let found = self.ws.field(&ty, name);
            let lock = found.as_ref().map(|(_, owner)| format!("{}.{name}", owner.path));
            let ty = found.map(|(ty, _)| ty).unwrap_or_default();
            self.bind(
                part,
                Val {
                    ty,
                    lock,
                    guards: value.guards.clone(),
                    ..Val::default()
                },
            );
        }
    }

    fn bind_parts(&mut self, parts: &[Pat], value: Val) {
        // `let (a, b) = (x.lock(), y.lock())`: guards go to the parts one by one, as far as they can be told apart.
        let one_each = value.guards.len() == parts.len();
        for (index, part) in parts.iter().enumerate() {
            let guards = if one_each {
                vec![value.guards[index]]
            } else {
                value.guards.clone()
            };
            let ty = if &*value.ty.path == "(tuple)" {
                value.ty.arg(index)
            } else {
                Ty::unknown()
            };
            self.bind(
                part,
                Val {
                    ty,
                    guards,
                    ..Val::default()
                },
            );
        }
    }

    pub(super) fn block(&mut self, block: &Block) -> Val {
        self.with_frame(|flow| {
            for stmt in &block.stmts {
                flow.stmt(stmt);
            }
            let Some(tail) = &block.tail else {
                return Val::default();
            };
            // Since 2024 the temporaries of the tail end before the variables do; before, with the statement around.
            match flow.edition >= 2024 {
                true => flow.with_temps(|flow| flow.owned(tail)),
                false => flow.owned(tail),
            }
        })
    }

    pub(super) fn owned(&mut self, expr: &Expr) -> Val {
        let value = self.eval(expr);
        self.take(value)
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Expr(expr) => {
                self.with_temps(|flow| {
                    flow.eval(expr);
                    Val::default()
                });
            }
            Stmt::Let {
                pat,
                ty,
                init,
                otherwise,
            } => {
                let ty = ty
                    .as_ref()
                    .map(|ty| self.ws.ty(&self.scope, ty))
                    .filter(Ty::is_known);
                let Some(init) = init else {
                    return self.bind(
                        pat,
                        Val {
                            ty: ty.unwrap_or_default(),
                            ..Val::default()
                        },
                    );
                };
                self.let_stmt(pat, ty, init, otherwise.as_ref());
            }
        }
    }

    fn let_stmt(&mut self, pat: &Pat, ty: Option<Ty>, init: &Expr, otherwise: Option<&Expr>) {
        if let (Kind::Closure(_), Some(name)) = (&init.kind, pat.single())
            && self.elsewhere.contains(name)
        {
            self.elsewhere(|flow| flow.eval(init));
            return self.bind(pat, Val::default());
        }
        self.temps.push(Vec::new());
        // `let x = &lock()`: the temporary lives as long as `x`.
        let extended = matches!(&init.kind, Kind::Borrow(_));
        let mut value = match &init.kind {
            Kind::Borrow(inner) => {
                let value = self.eval(inner);
                Val { var: None, ..value }
            }
            _ => self.as_result(super::branch::takes_result(pat), |flow| flow.owned(init)),
        };
        if let Some(ty) = ty {
            value.ty = ty;
        }
        if extended {
            let mut under = std::mem::take(&mut value.under);
            value.guards.append(&mut under);
        }
        if let Some(otherwise) = otherwise {
            self.branch(|flow| {
                let held = value.guards.clone();
                flow.end(&held);
                flow.with_temps(|flow| flow.eval(otherwise));
            });
        }
        self.bind(pat, value);
        let temps = self.temps.pop().unwrap_or_default();
        self.end(&temps);
    }

    /// Evaluates one way the code may go and returns to the state before; the guards alive at its end are returned
    /// unless it leaves.
    pub(super) fn branch(&mut self, evaluate: impl FnOnce(&mut Self)) -> Option<Vec<usize>> {
        let (live, diverged) = (self.live.clone(), self.diverged);
        evaluate(self);
        let end = (!self.diverged).then(|| self.live.clone());
        (self.live, self.diverged) = (live, diverged);
        end
    }

    /// Goes on from the ends of several branches.
    pub(super) fn join(&mut self, ends: Vec<Option<Vec<usize>>>) {
        if ends.iter().all(Option::is_none) {
            self.diverged = true;
            self.live.clear();
            return;
        }
        let mut live: Vec<usize> = ends.into_iter().flatten().flatten().collect();
        live.sort_unstable();
        live.dedup();
        // What a branch bound itself ended with it, even if it left by `break`.
        let owned = |guard: &usize| {
            self.frames.iter().flatten().any(|var| var.guards.contains(guard))
                || self.temps.iter().any(|temps| temps.contains(guard))
        };
        live.retain(owned);
        self.live = live;
    }
}
