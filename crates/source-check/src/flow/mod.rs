//! What a function's body does, in the order of its evaluation: which guards live when, what it calls, locks and awaits.
//!
//! The walk follows the language's rules for the life of temporaries, by edition. It judges nothing: what it notes down
//! is put together with all other functions in [`crate::graph`].

mod argument;
mod branch;
mod call;
mod expr;
mod lock;
mod scope;
mod task;

use std::collections::HashSet;

use crate::ir::{Expr, Kind, Pos};
use crate::rules::Rule;
use crate::types::{Family, Ty};
use crate::workspace::{FnId, Hint, Scope, Workspace};

/// On which thread a piece of code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On an async worker.
    Async,
    /// On the thread of whoever calls the function.
    Caller,
    /// On a thread for blocking work, or at some other time.
    Elsewhere,
}

/// The name of a lock, as far as it can be told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockName {
    /// `Type.field`, the path of a static, or `function#variable`.
    Known(String),
    /// The lock whose guard this function returns.
    Of(FnId),
}

/// A guard that was alive at some point.
#[derive(Clone, Debug)]
pub struct Held {
    pub guard: usize,
    pub lock: LockName,
}

/// A guard and where it was taken.
#[derive(Clone, Debug)]
pub struct Guard {
    pub lock: LockName,
    pub family: Family,
    pub pos: Pos,
    pub place: Place,
    /// The first `.await` it lives across.
    pub awaited: Option<Pos>,
}

/// A lock is taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub lock: LockName,
    pub family: Family,
    pub pos: Pos,
    pub place: Place,
    pub held: Vec<Held>,
    pub what: String,
}

/// A function of ours is called.
#[derive(Clone, Debug)]
pub struct Called {
    pub callees: Vec<FnId>,
    pub pos: Pos,
    pub place: Place,
    pub held: Vec<Held>,
    /// An async function's future that nobody awaits does nothing here.
    pub runs: bool,
}

/// A call that is known to block or to be heavy.
#[derive(Clone, Debug)]
pub struct Operation {
    pub rule: Rule,
    pub pos: Pos,
    pub place: Place,
    pub what: String,
}

/// The network or a database is called.
#[derive(Clone, Debug)]
pub struct CallOut {
    pub pos: Pos,
    pub place: Place,
    pub held: Vec<Held>,
    pub what: String,
}

/// Everything one body does.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub guards: Vec<Guard>,
    pub taken: Vec<Taken>,
    pub calls: Vec<Called>,
    pub operations: Vec<Operation>,
    pub calls_out: Vec<CallOut>,
    pub hint: Hint,
    /// The type of a guard that leaves by the tail of the function.
    returned: Option<usize>,
}

/// What an expression evaluates to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Val {
    pub ty: Ty,
    /// Guards that the value owns.
    pub guards: Vec<usize>,
    /// Guards of the temporary that this is a part of: `lock().field`.
    pub under: Vec<usize>,
    /// The variable it is, if it is one.
    pub var: Option<String>,
    /// The identity of a lock that lies here.
    pub lock: Option<String>,
    /// Calls of async functions whose futures are in the value.
    pub futures: Vec<usize>,
    /// The value is or holds a future that calls out.
    pub calls_out: Option<String>,
}

#[derive(Clone, Debug)]
struct Var {
    name: String,
    ty: Ty,
    guards: Vec<usize>,
    lock: Option<String>,
    /// Which parameter of the function it is.
    param: Option<usize>,
}

pub(crate) struct Flow<'a> {
    ws: &'a Workspace,
    id: FnId,
    scope: Scope<'a>,
    edition: u16,
    frames: Vec<Vec<Var>>,
    /// Guards that end with the statement that is being evaluated.
    temps: Vec<Vec<usize>>,
    live: Vec<usize>,
    place: Place,
    diverged: bool,
    /// Guards alive at a `break`, for each loop around.
    breaks: Vec<Vec<usize>>,
    /// Variables that hold closures which are run elsewhere.
    elsewhere: HashSet<String>,
    /// The expression being read is the receiver of `unwrap` or its like.
    unwrapped_next: bool,
    facts: Facts,
}

/// Reads the body of a function.
pub fn run(ws: &Workspace, id: FnId, edition: u16) -> Facts {
    let function = &ws.fns[id];
    let Some(body) = &function.def.body else {
        return Facts::default();
    };
    let place = if function.def.is_async {
        Place::Async
    } else {
        Place::Caller
    };
    let mut flow = Flow {
        ws,
        id,
        scope: ws.scope(id),
        edition,
        frames: vec![Vec::new()],
        temps: vec![Vec::new()],
        live: Vec::new(),
        place,
        diverged: false,
        breaks: Vec::new(),
        elsewhere: HashSet::new(),
        unwrapped_next: false,
        facts: Facts::default(),
    };
    body.walk(&mut |expr| flow.note_elsewhere(expr));
    flow.params();
    let value = flow.block(body);
    flow.facts.returned = value.guards.first().copied();
    flow.facts.hint.guard = value.guards.first().map(|_| value.ty.clone());
    flow.facts
}

impl Facts {
    /// The lock whose guard the function returns.
    pub fn returned_lock(&self) -> Option<&LockName> {
        self.returned
            .and_then(|guard| self.guards.get(guard))
            .map(|guard| &guard.lock)
    }
}

impl<'a> Flow<'a> {
    fn params(&mut self) {
        let def = &self.ws.fns[self.id].def;
        if def.has_self {
            let ty = self.scope.self_ty.clone();
            self.bind_name("self", Val { ty, ..Val::default() });
        }
        for (index, (pat, ty)) in def.params.iter().enumerate() {
            let ty = self.ws.ty(&self.scope, ty);
            let mut value = Val {
                ty: ty.clone(),
                ..Val::default()
            };
            if let Some(family) = ty.guard() {
                let lock = LockName::Known(format!("{}#{}", self.path(), pat.single().unwrap_or_default()));
                value.guards.push(self.new_guard(lock, family, def.pos));
            }
            self.bind(pat, value);
            if let Some(var) = pat.single().and_then(|name| self.var_mut(name)) {
                var.param = Some(index);
            }
        }
    }

    fn path(&self) -> &'a str {
        &self.ws.fns[self.id].path
    }

    /// Notes variables that are handed, as closures, to functions that run them elsewhere.
    fn note_elsewhere(&mut self, expr: &Expr) {
        let (path, args) = match &expr.kind {
            Kind::Call { callee, args } => match &callee.kind {
                Kind::Path(path) => (self.ws.path(&self.scope, path), args),
                _ => return,
            },
            Kind::Method { name, args, .. } => (name.clone(), args),
            _ => return,
        };
        let ours = self.ws.by_path(&path);
        for (index, arg) in args.iter().enumerate() {
            let Kind::Path(name) = &arg.kind else { continue };
            let hinted = ours.iter().any(|id| {
                self.ws
                    .hints
                    .get(id)
                    .is_some_and(|hint| hint.offloads.contains(&index))
            });
            if hinted
                || crate::known::runs_elsewhere(&path, &self.ws.config.pools)
                || crate::known::keeps(&path)
            {
                self.elsewhere.insert(name.clone());
            }
        }
    }

    fn held(&self) -> Vec<Held> {
        self.live
            .iter()
            .map(|guard| Held {
                guard: *guard,
                lock: self.facts.guards[*guard].lock.clone(),
            })
            .collect()
    }

    fn operation(&mut self, rule: Rule, pos: Pos, what: String) {
        let except = self
            .ws
            .config
            .rule(rule)
            .is_some_and(|config| config.except.contains(&what));
        if !except {
            self.facts.operations.push(Operation {
                rule,
                pos,
                place: self.place,
                what,
            });
        }
    }

    fn call_out(&mut self, pos: Pos, what: String) {
        let held = self.held();
        self.facts.calls_out.push(CallOut {
            pos,
            place: self.place,
            held,
            what,
        });
    }
}
