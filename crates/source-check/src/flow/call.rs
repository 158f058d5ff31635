//! Calls of functions and methods, of ours and of others. Arguments are in `argument`, methods of locks in `lock`.

use super::{Called, Flow, LockName, Val};
use crate::ir::{Expr, Kind, Pos};
use crate::known;
use crate::rules::Rule;
use crate::types::{self, Ty};
use crate::workspace::FnId;

/// Methods that hand a guard on: by value, and the guard is in what they return.
const HANDS_ON: &[&str] = &[
    "unwrap",
    "expect",
    "unwrap_or_else",
    "ok",
    "map_err",
    "into_inner",
    "map",
    "and_then",
    "ok_or",
    "ok_or_else",
    "or_else",
    "unwrap_unchecked",
    "context",
    "with_context",
    "transpose",
    "err",
];

/// Methods that give the same place in another form: a lock in it has the same name.
const SAME_PLACE: &[&str] = &["clone", "as_ref", "as_deref", "borrow", "iter", "values"];

/// What is done with the result of taking a lock that can be poisoned.
const UNWRAPS: &[&str] = &[
    "unwrap",
    "expect",
    "unwrap_or_else",
    "map_err",
    "ok",
    "is_ok",
    "is_err",
    "and_then",
    "map",
];

impl Flow<'_> {
    pub(super) fn method(&mut self, pos: Pos, receiver: &Expr, name: &str, args: &[Expr]) -> Val {
        // Whether an unknown `x.lock()` is a result depends on what is done with it.
        let outer = std::mem::replace(&mut self.unwrapped_next, UNWRAPS.contains(&name));
        let mut on = self.eval(receiver);
        self.unwrapped_next = outer;
        if let Some(value) = self.lock_method(pos, &on, receiver, name, args) {
            return value;
        }
        let hands_on = HANDS_ON.contains(&name);
        if hands_on {
            on = self.take(on);
        }
        let callees = self.ws.methods(&on.ty, name);
        let path = self.method_path(&callees, &on.ty, name);
        let passed = self.arguments(&path, &callees, args);
        // `condvar.wait(guard)` gives the guard back.
        let waits = matches!(name, "wait" | "wait_while" | "wait_timeout") && !passed.guards.is_empty();
        if callees.is_empty() {
            self.foreign_method(pos, &on.ty, (name, args.len()), &path, &passed.ty);
        }
        let mut value = self.called(pos, &callees, &on.ty);
        if callees.is_empty() {
            value.ty = self.foreign_result(&on, name);
        }
        if waits {
            self.live.extend(&passed.guards);
            value.ty = Ty::new("Result", vec![Ty::new("std::sync::MutexGuard", vec![])]);
            value.guards = passed.guards;
        } else if hands_on {
            value.guards.extend(on.guards);
        }
        value.futures.extend(on.futures);
        value.futures.extend(passed.futures);
        value.calls_out = value.calls_out.or(on.calls_out).or(passed.calls_out);
        if callees.is_empty() && self.future_calls_out(&value.ty) {
            value.calls_out.get_or_insert(path);
        }
        if hands_on || SAME_PLACE.contains(&name) {
            value.lock = on.lock;
        }
        value
    }

    fn method_path(&self, callees: &[FnId], receiver: &Ty, name: &str) -> String {
        let core = receiver.core();
        match callees.first() {
            Some(first) => self.ws.fns[*first].path.clone(),
            None => format!("{}::{name}", if core.is_known() { &core.path } else { "?" }),
        }
    }

    /// What a foreign method gives: known of the standard library, or something of the same crate.
    fn foreign_result(&self, on: &Val, name: &str) -> Ty {
        let known = types::method(&on.ty, name);
        if known.is_known() {
            return known;
        }
        let core = on.ty.core();
        if let Some(made) = known::made_by_method(&core, name) {
            return made;
        }
        let foreign = core.is_known() && !self.ws.names.is_ours(&core.path) && core.path.contains("::");
        match core.root() {
            _ if !foreign => Ty::unknown(),
            "std" | "parking_lot" => Ty::unknown(),
            "tokio" if !core.path.starts_with("tokio::net::") => Ty::unknown(),
            root => Ty::tainted(if core.path.starts_with("reqwest::blocking") {
                "reqwest::blocking"
            } else if root == "tokio" {
                "tokio::net"
            } else {
                root
            }),
        }
    }

    /// The rule that the configuration adds this path to.
    fn configured(&self, path: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| {
            let config = self.ws.config.rule(*rule);
            config.is_some_and(|config| config.also.iter().any(|known| known == path))
        })
    }

    fn foreign_method(&mut self, pos: Pos, ty: &Ty, (name, arity): (&str, usize), path: &str, given: &Ty) {
        let core = ty.core();
        let Some(rule) = self
            .configured(path)
            .or_else(|| known::method_call(&core, name, arity))
            .or_else(|| known::call_with(&given.core(), name))
        else {
            return;
        };
        self.operation(rule, pos, path.trim_start_matches("?::").to_owned());
        if rule == Rule::BlockingClient {
            self.call_out(pos, path.to_owned());
        }
    }

    pub(super) fn call(&mut self, pos: Pos, callee: &Expr, args: &[Expr]) -> Val {
        let Kind::Path(written) = &callee.kind else {
            let value = self.eval(callee);
            self.arguments("?", &[], args);
            return Val {
                ty: Ty::unknown(),
                ..Val {
                    guards: Vec::new(),
                    ..value
                }
            };
        };
        if self.var(written).is_some() {
            if self.place == super::Place::Elsewhere {
                self.note_kept(callee);
            }
            self.arguments("?", &[], args);
            return Val::default();
        }
        let path = self.ws.path(&self.scope, written);
        let callees = self.ws.by_path(&path);
        let passed = self.arguments(&path, &callees, args);
        if let Some(value) = self.wraps(&path, &passed) {
            return value;
        }
        if callees.is_empty() {
            self.foreign_call(pos, &path, &passed);
        }
        let mut value = self.called(pos, &callees, &Ty::unknown());
        if callees.is_empty() {
            value.ty = self.constructed(&path, &passed.ty);
        }
        value.futures.extend(passed.futures);
        value.calls_out = value.calls_out.or(passed.calls_out);
        if callees.is_empty() && self.future_calls_out(&value.ty) || self.ws.config.network.contains(&path) {
            value.calls_out.get_or_insert(path);
        }
        value
    }

    /// `Some(guard)`, `Arc::clone(&lock)`, `MutexGuard::map(guard, ..)`: the argument goes on.
    fn wraps(&mut self, path: &str, passed: &Val) -> Option<Val> {
        let name = path.rsplit("::").next().unwrap_or_default();
        let owner = path.rsplit("::").nth(1).unwrap_or_default();
        let ty = match (owner, name) {
            (_, "Some" | "Ok" | "Err") => Ty::new(
                if name == "Some" { "Option" } else { "Result" },
                vec![passed.ty.clone()],
            ),
            ("Arc" | "Rc", "clone") => passed.ty.clone(),
            ("Box" | "Arc" | "Rc" | "Pin", "new" | "pin") => {
                if passed.ty.is_future() {
                    passed.ty.clone()
                } else {
                    Ty::new(owner, vec![passed.ty.clone()])
                }
            }
            (owner, "map" | "try_map" | "downgrade" | "filter_map") if owner.ends_with("Guard") => {
                passed.ty.clone()
            }
            _ => return None,
        };
        self.live.extend(&passed.guards);
        let guards = passed.guards.clone();
        self.temps
            .last_mut()
            .into_iter()
            .for_each(|temps| temps.extend(guards.iter()));
        Some(Val { ty, ..passed.clone() })
    }

    /// The type that a foreign function gives, by the custom of `new` and its like.
    fn constructed(&self, path: &str, arg: &Ty) -> Ty {
        if let Some(made) = known::made_by_path(path) {
            return made;
        }
        let Some((owner, name)) = path.rsplit_once("::") else {
            return Ty::unknown();
        };
        let is_type = owner
            .rsplit("::")
            .next()
            .is_some_and(|last| last.starts_with(|first: char| first.is_ascii_uppercase()));
        let root = crate::names::first(path);
        match name {
            "timeout" | "timeout_at" if root == "tokio" => Ty::unknown(),
            "open" | "create" | "connect" | "create_new" if is_type && root == "std" => {
                Ty::new("Result", vec![Ty::new(owner, Vec::new())])
            }
            "new" | "default" | "from" | "options" | "current" | "with_capacity" | "builder" if is_type => {
                let owner = if owner == "std::fs::File" && name == "options" {
                    "std::fs::OpenOptions"
                } else {
                    owner
                };
                Ty::new(
                    owner,
                    if name == "new" && arg.is_known() {
                        vec![arg.clone()]
                    } else {
                        Vec::new()
                    },
                )
            }
            _ if matches!(root, "std" | "tokio" | "Self") || self.ws.names.is_ours(path) => {
                match path.starts_with("tokio::net::") {
                    true => Ty::tainted("tokio::net"),
                    false => Ty::unknown(),
                }
            }
            _ if path.starts_with("reqwest::blocking") => Ty::tainted("reqwest::blocking"),
            _ => Ty::tainted(root),
        }
    }

    pub(super) fn foreign_call(&mut self, pos: Pos, path: &str, passed: &Val) {
        let copies =
            path == "std::io::copy" && known::path_call(&format!("{}::write_all", passed.ty.path)).is_some();
        let copies = copies.then_some(Rule::Compression);
        let Some(rule) = self
            .configured(path)
            .or_else(|| known::path_call(path))
            .or(copies)
        else {
            return;
        };
        self.operation(rule, pos, path.to_owned());
        if rule == Rule::BlockingClient {
            self.call_out(pos, path.to_owned());
        }
    }

    /// The type that a function of ours gives.
    fn returned(&self, id: FnId, receiver: &Ty) -> Ty {
        let function = &self.ws.fns[id];
        let scope = self.ws.scope(id);
        let mut ty = function
            .def
            .ret
            .as_ref()
            .map(|ret| self.ws.ty(&scope, ret))
            .unwrap_or_default();
        if ty.path == function.self_ty.path && receiver.is_known() && ty.args.is_empty() {
            ty.args = receiver.core().args;
        }
        ty
    }

    /// A call of functions of ours: noted, and typed by their signatures.
    fn called(&mut self, pos: Pos, callees: &[FnId], receiver: &Ty) -> Val {
        let Some(first) = callees.first() else {
            return Val::default();
        };
        let function = &self.ws.fns[*first];
        let is_async = function.def.is_async;
        let ty = self.returned(*first, receiver);
        let held = self.held();
        self.facts.calls.push(Called {
            callees: callees.to_vec(),
            pos,
            place: self.place,
            held,
            runs: !is_async,
        });
        let call = self.facts.calls.len() - 1;
        if self.ws.config.network.contains(&function.path) && !is_async {
            self.call_out(pos, function.path.clone());
        }
        let mut value = Val { ty, ..Val::default() };
        if is_async || value.ty.is_future() {
            if is_async {
                value.ty = Ty::future(value.ty);
            }
            value.futures.push(call);
            return value;
        }
        let hint = self.ws.hints.get(first).and_then(|hint| hint.guard.clone());
        if let Some(hint) = hint.filter(|_| value.ty.unwrapped_or_self().guard().is_none()) {
            value.ty = hint;
        }
        if let Some(family) = value.ty.unwrapped_or_self().guard() {
            value
                .guards
                .push(self.new_guard(LockName::Of(*first), family, pos));
        }
        value
    }
}
