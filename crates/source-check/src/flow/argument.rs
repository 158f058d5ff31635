//! Arguments: guards passed on by value, and closures and functions that are handed over to be run here or elsewhere.

use super::{Called, Flow, Val};
use crate::ir::{Expr, Kind};
use crate::known;
use crate::workspace::FnId;

impl Flow<'_> {
    /// Evaluates arguments. Guards passed by value leave; the result tells what they were.
    pub(super) fn arguments(&mut self, path: &str, callees: &[FnId], args: &[Expr]) -> Val {
        let mut passed = Val::default();
        let name = path.rsplit("::").next().unwrap_or_default();
        for (index, arg) in args.iter().enumerate() {
            let value = self.as_result(false, |flow| flow.argument(path, callees, index, arg));
            let guards = match value.var.as_ref().and_then(|name| self.var(name)) {
                Some(var) => var
                    .guards
                    .iter()
                    .copied()
                    .filter(|guard| self.live.contains(guard))
                    .collect(),
                None => value.guards.clone(),
            };
            passed.guards.extend(guards);
            passed.futures.extend(value.futures);
            passed.calls_out = passed.calls_out.or(value.calls_out);
            if index == 0 {
                (passed.ty, passed.lock) = (value.ty, value.lock);
            }
            if known::COMBINATORS.contains(&name) {
                self.passed_function(arg);
            }
        }
        self.end(&passed.guards.clone());
        passed
    }

    fn argument(&mut self, path: &str, callees: &[FnId], index: usize, arg: &Expr) -> Val {
        let hinted = callees.iter().any(|id| {
            self.ws
                .hints
                .get(id)
                .is_some_and(|hint| hint.offloads.contains(&index))
        });
        let pools = &self.ws.config.pools;
        let place = callees
            .first()
            .map_or_else(|| path.to_owned(), |id| self.ws.fns[*id].path.clone());
        let runs_elsewhere = match callees.is_empty() {
            true => known::runs_elsewhere(path, pools),
            false => {
                pools.contains(&place)
                    || known::named_elsewhere(place.rsplit("::").next().unwrap_or_default())
            }
        };
        let in_place = path.ends_with("::block_in_place");
        let elsewhere = hinted || runs_elsewhere || in_place || callees.is_empty() && known::keeps(path);
        if elsewhere {
            self.note_kept(arg);
        }
        match &arg.kind {
            Kind::Closure(closure) if elsewhere && !closure.is_async => {
                self.elsewhere(|flow| flow.closure(closure))
            }
            _ => self.eval(arg),
        }
    }

    /// `.map(function)`: the function is called here.
    fn passed_function(&mut self, arg: &Expr) {
        let Kind::Path(written) = &arg.kind else { return };
        if self.var(written).is_some() {
            return;
        }
        let path = self.ws.path(&self.scope, written);
        let callees = self.ws.by_path(&path);
        if callees.is_empty() {
            return self.foreign_call(arg.pos, &path, &Val::default());
        }
        if callees.iter().all(|id| !self.ws.fns[*id].def.is_async) {
            let held = self.held();
            self.facts.calls.push(Called {
                callees,
                pos: arg.pos,
                place: self.place,
                held,
                runs: true,
            });
        }
    }
}
