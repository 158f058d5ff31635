//! Branches, loops and jumps: which guards are alive on each way the code may go, and where the ways meet.

use super::{Flow, Val};
use crate::ir::{Arm, Block, Expr, Jump, Kind, Pat};

impl Flow<'_> {
    pub(super) fn if_(&mut self, condition: &Expr, then: &Block, otherwise: Option<&Expr>) -> Val {
        let mut value = Val::default();
        let mut ends = Vec::new();
        let keeps_temps = has_let(condition);
        self.temps.push(Vec::new());
        self.frames.push(Vec::new());
        self.eval(condition);
        let temps = self.temps.last().cloned().unwrap_or_default();
        let bound = self.bound_guards();
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
        if let Some(temps) = self.temps.last_mut() {
            temps.extend(&value.guards);
        }
        self.join(ends);
        value
    }

    /// The guards that the innermost frame has bound.
    fn bound_guards(&self) -> Vec<usize> {
        let innermost = self.frames.last().into_iter().flatten();
        innermost.flat_map(|var| var.guards.clone()).collect()
    }

    pub(super) fn match_(&mut self, on: &Expr, arms: &[Arm]) -> Val {
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

    pub(super) fn while_(&mut self, condition: &Expr, body: &Block) -> Val {
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

    pub(super) fn for_(&mut self, pat: &Pat, over: &Expr, body: &Block) -> Val {
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
    pub(super) fn repeat(&mut self, mut body: impl FnMut(&mut Self), may_skip: bool) -> Val {
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

    pub(super) fn jump(&mut self, jump: Jump, value: Option<&Expr>) -> Val {
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
