//! Futures and closures: code that runs when it is awaited or called, and what is alive while a task sleeps.

use super::{CallOut, Flow, Place, Val};
use crate::ir::{Block, Branch, Closure, Expr, Pos};
use crate::known;
use crate::types::{Family, Ty};

impl Flow<'_> {
    pub(super) fn await_(&mut self, pos: Pos, base: &Expr) -> Val {
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

    /// What the future of a branch gives when it is ready.
    fn output(&mut self, value: &Val, pos: Pos) -> Val {
        let ty = if value.ty.is_future() {
            value.ty.arg(0)
        } else {
            value.ty.clone()
        };
        let mut guards = Vec::new();
        if let Some(family) = ty.guard() {
            let name = self.lock_name(value.lock.as_deref(), &value.futures, pos);
            guards.push(self.new_guard(name, family, pos));
        }
        Val {
            ty,
            guards,
            ..Val::default()
        }
    }

    pub(super) fn select(&mut self, pos: Pos, branches: &[Branch]) -> Val {
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
                    let output = flow.output(&value, pos);
                    flow.bind(&branch.pat, output);
                    flow.owned(&branch.body)
                });
            }));
        }
        if !ends.is_empty() {
            self.join(ends);
        }
        Val::default()
    }

    /// The task may sleep here; the futures in `values` run.
    pub(super) fn suspend(&mut self, pos: Pos, values: &[Val]) {
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

    /// Code that runs as a future of its own: no guard from outside lives in it.
    pub(super) fn async_block(&mut self, block: &Block) -> Val {
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

    /// The value calls out when it is awaited.
    pub(super) fn future_calls_out(&self, ty: &Ty) -> bool {
        let inner = if ty.is_future() { ty.arg(0) } else { ty.clone() };
        ty.is_tainted() && known::calls_out(&inner, &self.ws.config.network)
    }
}
