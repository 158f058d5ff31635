//! Expressions other than calls.

use super::{CallOut, Flow, Place, Val};
use crate::ir::{Arm, Block, Branch, Closure, Expr, Jump, Kind, Pat, Pos};
use crate::known;
use crate::names::join;
use crate::types::{Family, Ty};

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
            Kind::Index(base, index) => {
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

    fn await_(&mut self, pos: Pos, base: &Expr) -> Val {
        let mut value = self.owned(base);
        // The future may own guards while it runs: `work(guard).await`.
        self.suspend(pos, std::slice::from_ref(&value));
        if value.ty.is_future() {
            value.ty = value.ty.arg(0);
        } else if !value.ty.is_tainted() && value.ty.guard().is_none() {
            value.ty = Ty::unknown();
        }
        let mut result = Val {
            ty: value.ty,
            lock: value.lock,
            ..Val::default()
        };
        if let Some(family) = result.ty.unwrapped_or_self().guard() {
            let name = self.lock_name(result.lock.as_deref(), &value.futures, pos);
            if value.futures.is_empty() {
                self.taken(name.clone(), family, pos, "lock().await");
            }
            result.guards.push(self.new_guard(name, family, pos));
        }
        result
    }

    /// The task may sleep here; the futures in `values` run.
    fn suspend(&mut self, pos: Pos, values: &[Val]) {
        let fresh: Vec<usize> = values.iter().flat_map(|value| value.guards.clone()).collect();
        for guard in self.live.clone() {
            let guard_ = &mut self.facts.guards[guard];
            if guard_.family == Family::Blocking && guard_.awaited.is_none() && self.place == Place::Async {
                guard_.awaited = Some(pos);
            }
        }
        let held: Vec<_> = self
            .held()
            .into_iter()
            .filter(|held| !fresh.contains(&held.guard))
            .collect();
        for value in values {
            for call in &value.futures {
                self.facts.calls[*call].runs = true;
                self.facts.calls[*call].held = held.clone();
            }
            if let Some(what) = &value.calls_out {
                self.facts.calls_out.push(CallOut {
                    pos,
                    place: self.place,
                    held: held.clone(),
                    what: what.clone(),
                });
            }
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

    /// Code that runs as a future of its own: no guard from outside lives in it.
    fn async_block(&mut self, block: &Block) -> Val {
        let before = self.facts.calls_out.len();
        self.isolated(Place::Async, |flow| flow.block(block));
        let out = self.facts.calls_out.get(before).map(|call| call.what.clone());
        Val {
            ty: Ty::future(Ty::unknown()),
            calls_out: out,
            ..Val::default()
        }
    }

    pub(super) fn closure(&mut self, closure: &Closure) -> Val {
        if closure.is_async {
            self.isolated(Place::Async, |flow| flow.closure_body(closure));
        } else {
            let (diverged, breaks) = (self.diverged, std::mem::take(&mut self.breaks));
            let live = self.live.clone();
            self.closure_body(closure);
            (self.diverged, self.breaks, self.live) = (diverged, breaks, live);
        }
        Val::default()
    }

    fn closure_body(&mut self, closure: &Closure) -> Val {
        self.with_frame(|flow| {
            for param in &closure.params {
                flow.bind(param, Val::default());
            }
            flow.with_temps(|flow| {
                flow.eval(&closure.body);
                Val::default()
            })
        })
    }

    pub(super) fn elsewhere(&mut self, evaluate: impl FnOnce(&mut Self) -> Val) -> Val {
        self.isolated(Place::Elsewhere, evaluate)
    }

    fn isolated(&mut self, place: Place, evaluate: impl FnOnce(&mut Self) -> Val) -> Val {
        let live = std::mem::take(&mut self.live);
        let breaks = std::mem::take(&mut self.breaks);
        let (place, diverged) = (std::mem::replace(&mut self.place, place), self.diverged);
        let value = self.with_temps(|flow| Val {
            guards: Vec::new(),
            ..evaluate(flow)
        });
        (self.live, self.breaks, self.place, self.diverged) = (live, breaks, place, diverged);
        value
    }

    fn if_(&mut self, condition: &Expr, then: &Block, otherwise: Option<&Expr>) -> Val {
        let mut value = Val::default();
        let mut ends = Vec::new();
        let keeps_temps = has_let(condition);
        self.temps.push(Vec::new());
        self.frames.push(Vec::new());
        self.eval(condition);
        let temps = self.temps.last().cloned().unwrap_or_default();
        let bound: Vec<usize> = self
            .frames
            .last()
            .into_iter()
            .flatten()
            .flat_map(|var| var.guards.clone())
            .collect();
        if !keeps_temps {
            self.end(&temps);
        }
        ends.push(self.branch(|flow| {
            let result = flow.block(then);
            flow.end(&temps);
            flow.end(&bound);
            value = result;
        }));
        // Before 2024 the temporaries of `if let` live through the `else` too.
        let through_else = keeps_temps && self.edition < 2024;
        ends.push(self.branch(|flow| {
            flow.end(&bound);
            if !through_else {
                flow.end(&temps);
            }
            if let Some(otherwise) = otherwise {
                let result = flow.owned(otherwise);
                if !value.ty.is_known() {
                    value.ty = result.ty;
                }
                value.guards.extend(result.guards);
            }
            flow.end(&temps);
        }));
        self.frames.pop();
        self.temps.pop();
        let guards = value.guards.clone();
        self.temps
            .last_mut()
            .into_iter()
            .for_each(|temps| temps.extend(guards.iter()));
        self.join(ends);
        value
    }

    fn match_(&mut self, on: &Expr, arms: &[Arm]) -> Val {
        let results = arms.iter().any(|arm| takes_result(&arm.pat));
        let scrutinee = self.as_result(results, |flow| flow.eval(on));
        let moves = arms.iter().any(|arm| binds(&arm.pat));
        let scrutinee = if moves { self.take(scrutinee) } else { scrutinee };
        let mut whole = Val::default();
        let mut ends = Vec::new();
        for arm in arms {
            let mut result = Val::default();
            let end = self.branch(|flow| {
                result = flow.with_frame(|flow| {
                    flow.bind(&arm.pat, scrutinee.clone());
                    if let Some(guard) = &arm.guard {
                        flow.with_temps(|flow| Val {
                            guards: Vec::new(),
                            ..flow.eval(guard)
                        });
                    }
                    flow.owned(&arm.body)
                });
            });
            ends.push(end);
            if !whole.ty.is_known() {
                whole.ty = result.ty;
            }
            whole.guards.extend(result.guards);
            whole.futures.extend(result.futures);
            whole.calls_out = whole.calls_out.or(result.calls_out);
        }
        whole.guards.sort_unstable();
        whole.guards.dedup();
        let guards = whole.guards.clone();
        self.temps
            .last_mut()
            .into_iter()
            .for_each(|temps| temps.extend(guards.iter()));
        self.join(ends);
        whole
    }

    fn while_(&mut self, condition: &Expr, body: &Block) -> Val {
        let keeps_temps = has_let(condition);
        self.repeat(
            |flow| {
                flow.temps.push(Vec::new());
                flow.with_frame(|flow| {
                    flow.eval(condition);
                    if !keeps_temps {
                        let temps = flow.temps.last().cloned().unwrap_or_default();
                        flow.end(&temps);
                    }
                    flow.block(body);
                    Val::default()
                });
                let temps = flow.temps.pop().unwrap_or_default();
                flow.end(&temps);
            },
            true,
        )
    }

    fn for_(&mut self, pat: &Pat, over: &Expr, body: &Block) -> Val {
        self.with_temps(|flow| {
            let value = flow.owned(over);
            let element = Val {
                ty: value.ty.element(),
                lock: value.lock.map(|lock| format!("{lock}[]")),
                ..Val::default()
            };
            flow.repeat(
                |flow| {
                    flow.with_frame(|flow| {
                        flow.bind(pat, element.clone());
                        Val {
                            guards: Vec::new(),
                            ..flow.block(body)
                        }
                    });
                },
                true,
            )
        })
    }

    /// A loop: its body runs, and once more if a guard lives on from one round to the next.
    fn repeat(&mut self, mut body: impl FnMut(&mut Self), may_skip: bool) -> Val {
        let before = self.live.clone();
        self.breaks.push(Vec::new());
        let mut end = self.branch(&mut body);
        if end
            .as_ref()
            .is_some_and(|live| live.iter().any(|guard| !before.contains(guard)))
            && self.breaks.len() < 4
        {
            self.live = end.unwrap_or_default();
            end = self.branch(&mut body);
        }
        let breaks = self.breaks.pop().unwrap_or_default();
        let mut ends = vec![Some(breaks)];
        if may_skip {
            ends.push(Some(before));
            ends.push(end);
        }
        self.join(ends);
        Val::default()
    }

    fn jump(&mut self, jump: Jump, value: Option<&Expr>) -> Val {
        if let Some(value) = value {
            self.note_kept(value);
            self.owned(value);
        }
        let live = self.live.clone();
        if let (Jump::Break, Some(breaks)) = (jump, self.breaks.last_mut()) {
            breaks.extend(live);
        }
        self.diverged = true;
        self.live.clear();
        Val::default()
    }

    fn select(&mut self, pos: Pos, branches: &[Branch]) -> Val {
        let mut values = Vec::new();
        for branch in branches {
            if let Some(guard) = &branch.guard {
                self.with_temps(|flow| Val {
                    guards: Vec::new(),
                    ..flow.eval(guard)
                });
            }
            values.push(
                branch
                    .future
                    .as_ref()
                    .map(|future| self.owned(future))
                    .unwrap_or_default(),
            );
        }
        self.suspend(pos, &values);
        let mut ends = Vec::new();
        for (branch, value) in branches.iter().zip(values) {
            ends.push(self.branch(|flow| {
                flow.with_frame(|flow| {
                    let ty = if value.ty.is_future() {
                        value.ty.arg(0)
                    } else {
                        value.ty.clone()
                    };
                    let mut guards = Vec::new();
                    if let Some(family) = ty.guard() {
                        let name = flow.lock_name(value.lock.as_deref(), &value.futures, pos);
                        guards.push(flow.new_guard(name, family, pos));
                    }
                    flow.bind(
                        &branch.pat,
                        Val {
                            ty,
                            guards,
                            ..Val::default()
                        },
                    );
                    flow.owned(&branch.body)
                });
            }));
        }
        if !ends.is_empty() {
            self.join(ends);
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

    /// The value calls out when it is awaited.
    pub(super) fn future_calls_out(&self, ty: &Ty) -> bool {
        let inner = if ty.is_future() { ty.arg(0) } else { ty.clone() };
        ty.is_tainted() && known::calls_out(&inner, &self.ws.config.network)
    }
}

/// The condition binds by `let`, so that its temporaries outlive it.
fn has_let(condition: &Expr) -> bool {
    match &condition.kind {
        Kind::Let(..) => true,
        Kind::Lazy(left, right) => has_let(left) || has_let(right),
        _ => false,
    }
}

/// `Ok(..)` or `Err(..)`.
pub(super) fn takes_result(pat: &Pat) -> bool {
    matches!(pat, Pat::Variant { path, .. } if path == "Ok" || path == "Err")
}

fn binds(pat: &Pat) -> bool {
    match pat {
        Pat::Nothing => false,
        Pat::Bind { .. } => true,
        Pat::Typed(inner, _) => binds(inner),
        Pat::Tuple(parts) | Pat::Variant { parts, .. } | Pat::Slice(parts) | Pat::Or(parts) => {
            parts.iter().any(binds)
        }
        Pat::Struct { fields, .. } => fields.iter().any(|(_, part)| binds(part)),
    }
}
