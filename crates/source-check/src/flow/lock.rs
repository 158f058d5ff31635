//! Locks: which methods take one, what it is called, and what taking it gives.

use super::{Flow, LockName, Taken, Val};
use crate::ir::{Expr, Pos};
use crate::types::{Family, Ty};

/// Methods that take a lock and wait for it.
const TAKE: &[&str] = &["lock", "read", "write", "upgradable_read", "read_recursive"];
const TRY: &[&str] = &["try_lock", "try_read", "try_write"];
/// Asynchronous locks taken by blocking.
const BLOCKING: &[&str] = &["blocking_lock", "blocking_read", "blocking_write"];

impl Val {
    /// A value of this type that owns a guard.
    fn holding(guard: usize, ty: Ty) -> Self {
        Self {
            ty,
            guards: vec![guard],
            ..Self::default()
        }
    }
}

impl Flow<'_> {
    /// `lock`, `read`, `write` and their like, if this is one.
    pub(super) fn lock_method(
        &mut self,
        pos: Pos,
        on: &Val,
        receiver: &Expr,
        name: &str,
        args: &[Expr],
    ) -> Option<Val> {
        let all = [TAKE, TRY, BLOCKING];
        if !args.is_empty() || !all.iter().any(|names| names.contains(&name)) {
            return None;
        }
        let lock = on
            .ty
            .layers()
            .into_iter()
            .find_map(|ty| ty.lock(&self.ws.config.locks).map(|family| (ty, family)));
        let name_of = self.lock_name(on.lock.as_deref(), &[], receiver.pos);
        let Some((ty, family)) = lock else {
            return self.unknown_lock(pos, on, name_of, name);
        };
        let guard_ty = ty.guard_of(name);
        let text = format!("{}::{name}", ty.path);
        if TRY.contains(&name) {
            let guard = self.new_guard(name_of, family, pos);
            return Some(Val::holding(guard, Ty::new("Result", vec![guard_ty])));
        }
        if family == Family::Async && TAKE.contains(&name) {
            // Nothing is taken until it is awaited.
            return Some(Val {
                ty: Ty::future(guard_ty),
                lock: on.lock.clone(),
                ..Val::default()
            });
        }
        self.taken(name_of.clone(), Family::Blocking, pos, &text);
        let guard = self.new_guard(name_of, family, pos);
        let poisons = ty.root() == "std";
        let ty = if poisons {
            Ty::new("Result", vec![guard_ty])
        } else {
            guard_ty
        };
        Some(Val::holding(guard, ty))
    }

    /// A lock of unknown type: taken for `std`'s if the result is used like its result.
    fn unknown_lock(&mut self, pos: Pos, on: &Val, lock: LockName, name: &str) -> Option<Val> {
        if on.ty.core().is_known() || !self.unwrapped_next || !TAKE.contains(&name) {
            return None;
        }
        if name != "lock" && !self.ws.methods(&on.ty, name).is_empty() {
            return None;
        }
        self.taken(
            lock.clone(),
            Family::Blocking,
            pos,
            &format!(
                "std::sync::{}::{name}",
                if name == "lock" { "Mutex" } else { "RwLock" }
            ),
        );
        let guard = self.new_guard(lock, Family::Blocking, pos);
        let ty = Ty::new("std::sync::MutexGuard", Vec::new());
        Some(Val::holding(guard, Ty::new("Result", vec![ty])))
    }

    pub(super) fn taken(&mut self, lock: LockName, family: Family, pos: Pos, what: &str) {
        let held = self.held();
        self.facts.taken.push(Taken {
            lock,
            family,
            pos,
            place: self.place,
            held,
            what: what.to_owned(),
        });
    }

    pub(super) fn lock_name(&self, known: Option<&str>, futures: &[usize], pos: Pos) -> LockName {
        let callee = futures
            .first()
            .and_then(|call| self.facts.calls[*call].callees.first());
        match (callee, known) {
            (Some(callee), _) => LockName::Of(*callee),
            (None, Some(name)) => LockName::Known(name.to_owned()),
            (None, None) => LockName::Known(format!("{}#{}:{}", self.path(), pos.line, pos.col)),
        }
    }
}
