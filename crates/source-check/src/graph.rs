//! All functions together: what a call leads to, and from that the findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::finding::Raw;
use crate::flow::{Facts, Held, LockName, Place};
use crate::ir::Pos;
use crate::rules::Rule;
use crate::types::Family;
use crate::workspace::{FnId, Workspace};

/// How a function comes to do something: itself, or by calling another.
#[derive(Clone, Debug)]
struct Cause {
    file: usize,
    line: u32,
    what: String,
}

/// What calling a function leads to.
#[derive(Clone, Debug, Default)]
struct Summary {
    faults: BTreeMap<Rule, Cause>,
    locks: BTreeSet<String>,
    calls_out: Option<Cause>,
}

/// A lock that is held, one that is taken meanwhile, and where.
type Edges = BTreeMap<(String, String), Vec<(FnId, Pos)>>;

/// A lock taken while another is held, where the opposite can happen as well.
struct Opposed<'a> {
    place: (FnId, Pos),
    from: &'a str,
    to: &'a str,
    other: Option<(FnId, Pos)>,
}

pub struct Graph<'a> {
    ws: &'a Workspace,
    facts: &'a [Facts],
    summaries: Vec<Summary>,
    /// The function runs on an async worker, at least sometimes.
    in_async: Vec<bool>,
    found: Vec<Raw>,
}

/// Judges all bodies. `silenced` tells (and remembers) that a rule is silenced at a place: nothing spreads from there.
pub fn judge(ws: &Workspace, facts: &[Facts], silenced: &dyn Fn(usize, Pos, Rule) -> bool) -> Vec<Raw> {
    let mut graph = Graph {
        ws,
        facts,
        summaries: vec![Summary::default(); facts.len()],
        in_async: ws.fns.iter().map(|function| function.def.is_async).collect(),
        found: Vec::new(),
    };
    graph.reach();
    graph.summarise(silenced);
    graph.spread();
    for id in 0..facts.len() {
        graph.guards(id);
        graph.blocking(id);
        graph.across_io(id);
    }
    graph.order();
    graph.found
}

impl Graph<'_> {
    /// Finds the functions that run on an async worker because async code calls them.
    fn reach(&mut self) {
        let mut work: Vec<FnId> = (0..self.facts.len()).collect();
        while let Some(caller) = work.pop() {
            for call in &self.facts[caller].calls {
                let runs = call.place == Place::Async || call.place == Place::Caller && self.in_async[caller];
                for callee in call.callees.iter().filter(|_| runs) {
                    if !std::mem::replace(&mut self.in_async[*callee], true) {
                        work.push(*callee);
                    }
                }
            }
        }
    }

    fn summarise(&mut self, silenced: &dyn Fn(usize, Pos, Rule) -> bool) {
        for id in 0..self.facts.len() {
            let (file, facts) = (self.ws.fns[id].file, &self.facts[id]);
            let mut own = Summary::default();
            // Faults count where async code calls, and only there does a silence silence something.
            let counts = |pos: Pos, rule: Rule| self.in_async[id] && !silenced(file, pos, rule);
            let cause = |pos: Pos, what: &str| Cause {
                file,
                line: pos.line,
                what: what.to_owned(),
            };
            for operation in facts
                .operations
                .iter()
                .filter(|operation| operation.place == Place::Caller)
            {
                if counts(operation.pos, operation.rule) {
                    own.faults
                        .entry(operation.rule)
                        .or_insert_with(|| cause(operation.pos, &operation.what));
                }
            }
            for taken in &facts.taken {
                if taken.place != Place::Elsewhere {
                    own.locks.insert(self.lock(&taken.lock, 0));
                }
                let blocks = taken.place == Place::Caller && taken.family == Family::Blocking;
                if blocks && counts(taken.pos, Rule::BlockingLock) {
                    own.faults
                        .entry(Rule::BlockingLock)
                        .or_insert_with(|| cause(taken.pos, &taken.what));
                }
            }
            let out = facts.calls_out.iter().find(|call| call.place != Place::Elsewhere);
            own.calls_out = out.map(|call| cause(call.pos, &call.what));
            self.summaries[id] = own;
        }
    }

    /// Carries summaries from callees to callers until nothing changes.
    fn spread(&mut self) {
        let mut callers: HashMap<FnId, Vec<(FnId, Place)>> = HashMap::new();
        for (id, facts) in self.facts.iter().enumerate() {
            for call in facts
                .calls
                .iter()
                .filter(|call| call.runs && call.place != Place::Elsewhere)
            {
                for callee in &call.callees {
                    callers.entry(*callee).or_default().push((id, call.place));
                }
            }
        }
        let mut work: Vec<FnId> = (0..self.facts.len()).collect();
        while let Some(callee) = work.pop() {
            let from = self.summaries[callee].clone();
            let is_async = self.ws.fns[callee].def.is_async;
            for (caller, place) in callers.get(&callee).into_iter().flatten() {
                let to = &mut self.summaries[*caller];
                let before = (to.faults.len(), to.locks.len(), to.calls_out.is_some());
                if *place == Place::Caller && !is_async {
                    for (rule, cause) in &from.faults {
                        to.faults.entry(*rule).or_insert_with(|| cause.clone());
                    }
                }
                to.locks.extend(from.locks.iter().cloned());
                to.calls_out = to.calls_out.take().or_else(|| from.calls_out.clone());
                if before != (to.faults.len(), to.locks.len(), to.calls_out.is_some()) {
                    work.push(*caller);
                }
            }
        }
    }

    /// The name of a lock; one behind a function is the lock that function returns.
    fn lock(&self, name: &LockName, depth: usize) -> String {
        match name {
            LockName::Known(name) => name.clone(),
            LockName::Of(callee) => match self.facts[*callee].returned_lock() {
                Some(inner) if depth < 8 => self.lock(inner, depth + 1),
                _ => self.ws.fns[*callee].path.clone(),
            },
        }
    }

    fn report(&mut self, id: FnId, rule: Rule, pos: Pos, message: String, notes: Vec<(usize, u32, String)>) {
        let function = &self.ws.fns[id];
        self.found.push(Raw {
            rule,
            file: function.file,
            pos,
            function: function.path.clone(),
            message,
            notes,
        });
    }

    fn guards(&mut self, id: FnId) {
        let file = self.ws.fns[id].file;
        for guard in &self.facts[id].guards {
            let Some(awaited) = guard.awaited.filter(|_| guard.place == Place::Async) else {
                continue;
            };
            let message = format!(
                "the guard of `{}` lives across the `.await` in line {}",
                show(&self.lock(&guard.lock, 0)),
                awaited.line
            );
            self.report(
                id,
                Rule::GuardAcrossAwait,
                guard.pos,
                message,
                vec![(file, awaited.line, "awaited here".into())],
            );
        }
    }

    /// Blocking operations on a worker, by this function or by what it calls.
    fn blocking(&mut self, id: FnId) {
        let facts = &self.facts[id];
        for operation in facts
            .operations
            .iter()
            .filter(|operation| operation.place == Place::Async)
        {
            let message = format!("`{}` blocks the async worker", operation.what);
            self.report(id, operation.rule, operation.pos, message, Vec::new());
        }
        let taken = facts
            .taken
            .iter()
            .filter(|taken| taken.place == Place::Async && taken.family == Family::Blocking);
        for taken in taken {
            self.report(
                id,
                Rule::BlockingLock,
                taken.pos,
                format!("`{}` waits for a lock on an async worker", taken.what),
                Vec::new(),
            );
        }
        self.blocking_calls(id);
    }

    fn blocking_calls(&mut self, id: FnId) {
        let calls = self.facts[id].calls.iter();
        for call in calls.filter(|call| call.runs && call.place == Place::Async) {
            for callee in call
                .callees
                .iter()
                .filter(|callee| !self.ws.fns[**callee].def.is_async)
            {
                for (rule, cause) in self.summaries[*callee].faults.clone() {
                    let name = show(&self.ws.fns[*callee].path);
                    let message = format!("`{name}` leads to `{}`, on an async worker", cause.what);
                    self.report(
                        id,
                        rule,
                        call.pos,
                        message,
                        vec![(cause.file, cause.line, "it happens here".into())],
                    );
                }
            }
        }
    }

    fn across_io(&mut self, id: FnId) {
        let facts = &self.facts[id];
        let runs = |place: Place| place == Place::Async || place == Place::Caller && self.in_async[id];
        let mut out: Vec<(Pos, Vec<Held>, String)> = Vec::new();
        for call in facts.calls_out.iter().filter(|call| runs(call.place)) {
            out.push((call.pos, call.held.clone(), call.what.clone()));
        }
        for call in facts.calls.iter().filter(|call| call.runs && runs(call.place)) {
            let cause = call
                .callees
                .iter()
                .find_map(|callee| self.summaries[*callee].calls_out.clone());
            if let Some(cause) = cause {
                out.push((call.pos, call.held.clone(), cause.what));
            }
        }
        out.sort_by_key(|(pos, _, _)| *pos);
        let mut seen = BTreeSet::new();
        for (pos, held, what) in out {
            for held in held.iter().filter(|held| seen.insert(held.guard)) {
                let guard = &facts.guards[held.guard];
                let lock = self.lock(&held.lock, 0);
                let message = format!(
                    "`{}` is held while `{what}` is called in line {}",
                    show(&lock),
                    pos.line
                );
                let note = (self.ws.fns[id].file, pos.line, "the call".to_owned());
                self.report(id, Rule::LockAcrossIo, guard.pos, message, vec![note]);
            }
        }
    }

    /// Every pair "takes b while holding a" whose opposite can happen as well.
    fn order(&mut self) {
        let edges = self.all_edges();
        for opposed in opposed(&edges) {
            let message = format!(
                "`{}` is taken while `{}` is held; elsewhere it is the other way round",
                show(opposed.to),
                show(opposed.from)
            );
            let note = opposed
                .other
                .map(|(id, pos)| (self.ws.fns[id].file, pos.line, "the other order".to_owned()));
            let (id, pos) = opposed.place;
            self.report(id, Rule::LockOrder, pos, message, note.into_iter().collect());
        }
    }

    fn all_edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (id, facts) in self.facts.iter().enumerate() {
            for taken in &facts.taken {
                let to = self.lock(&taken.lock, 0);
                self.edges(id, taken.pos, &taken.held, [to], &mut edges);
            }
            for call in facts
                .calls
                .iter()
                .filter(|call| call.runs && !call.held.is_empty())
            {
                let locks: BTreeSet<String> = call
                    .callees
                    .iter()
                    .flat_map(|callee| self.summaries[*callee].locks.iter().cloned())
                    .collect();
                self.edges(id, call.pos, &call.held, locks, &mut edges);
            }
        }
        edges
    }

    fn edges(
        &self,
        id: FnId,
        pos: Pos,
        held: &[Held],
        to: impl IntoIterator<Item = String>,
        edges: &mut Edges,
    ) {
        for to in to {
            for held in held {
                let from = self.lock(&held.lock, 0);
                if from != to {
                    edges.entry((from, to.clone())).or_default().push((id, pos));
                }
            }
        }
    }
}

/// The pairs that can happen the other way round too, directly or over other locks.
fn opposed(edges: &Edges) -> Vec<Opposed<'_>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let mut reach: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    let mut found = Vec::new();
    for ((from, to), places) in edges {
        let reached = reach.entry(to).or_insert_with(|| reachable(&next, to));
        if !reached.contains(from.as_str()) {
            continue;
        }
        let back = edges.get(&(to.clone(), from.clone())).or_else(|| {
            edges
                .iter()
                .find(|((first, _), _)| first == to)
                .map(|(_, places)| places)
        });
        let other = back.and_then(|places| places.first()).copied();
        found.extend(places.iter().map(|place| Opposed {
            place: *place,
            from,
            to,
            other,
        }));
    }
    found
}

fn reachable<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut work = vec![from];
    while let Some(at) = work.pop() {
        for to in next.get(at).into_iter().flatten() {
            if seen.insert(*to) {
                work.push(to);
            }
        }
    }
    seen
}

/// The last two segments of a path: enough to know it again.
fn show(path: &str) -> String {
    let name = path.rsplit('#').next().unwrap_or(path);
    let mut parts: Vec<&str> = name.rsplit("::").take(2).collect();
    parts.reverse();
    parts.join("::")
}
