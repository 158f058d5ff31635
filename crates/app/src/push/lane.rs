//! Pushes that arrive together. Most make a new item out of a local one and touch nothing else, or repeat a push: those
//! share a transaction, and each of their statements carries a row for every push. All others go alone.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use db::Step;
use domain::{
    credits::CostedOperation,
    dfid::Dfid,
    ids::{CircuitId, WorkspaceId},
    item::{ItemContent, LocalItemStatus},
    operation::OperationState,
    push::PushStatus,
};
use store::{
    circuit_items::{self, CircuitItem},
    circuit_members::Member,
    circuits::{self, Circuit},
    items,
    local_items::{self, LocalItem},
    operations,
};

use super::{
    Job, PushLocal, Pushed, again,
    content::{canonical_keys, combine, is_empty},
    may_push,
    place::{Target, place_of},
};
use crate::{App, Ctx, Record, Result};

/// Most pushes in one transaction.
const MOST: usize = 48;
/// How long after the one before it a transaction waits for reads, at most: half of what single writes wait, since
/// pushes take three round trips and those one.
const LONGEST: Duration = Duration::from_millis(20);

/// A push that waits for its turn.
pub(crate) struct Waiting {
    app: App,
    ctx: Ctx,
    circuit: CircuitId,
    local_id: String,
    asked: ItemContent,
}

/// What became of it; none if it must go alone.
type Answer = Option<Result<Pushed>>;

/// The pushes that wait.
pub(crate) type Lane = db::Gather<Waiting, Answer>;

/// A lane with one transaction under way at a time: the next one carries all that came meanwhile.
pub(crate) fn lane(db: &db::Db) -> Lane {
    let give_way = db::GiveWay {
        to: db.pressure().clone(),
        longest: LONGEST,
    };
    db::Gather::after_reads(give_way, 1, MOST, |waiting: Vec<Waiting>| async move {
        carry_out(&waiting).await
    })
}

impl Waiting {
    /// The local item it pushes.
    fn local(&self) -> (WorkspaceId, &str) {
        (self.ctx.workspace(), &self.local_id)
    }
}

impl App {
    /// Pushes a local item together with others that come at the same time; none if it must go alone.
    pub(super) async fn push_together(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        push: &PushLocal,
        asked: &ItemContent,
    ) -> Result<Answer> {
        let waiting = Waiting {
            app: self.clone(),
            ctx: ctx.clone(),
            circuit,
            local_id: push.local_id.clone(),
            asked: asked.clone(),
        };
        let shared = self.lane.submit(waiting);
        Ok(ctx
            .meter
            .step("share a transaction with other pushes", shared)
            .await?)
    }
}

/// What the lane does for a push.
enum Task<'a> {
    /// It makes a new item.
    Plain(Plain<'a>),
    /// It was done before: nothing changes.
    Repeat(Dfid),
    /// It is another call of the same push, at this place of the batch.
    Same(usize),
    /// It goes alone.
    Alone,
}

/// A push that makes a new item, with all it needs.
struct Plain<'a> {
    waiting: &'a Waiting,
    circuit: &'a Circuit,
    content: ItemContent,
    keys: Vec<String>,
}

/// Carries the pushes out, and counts for each request its share of what that took.
async fn carry_out(waiting: &[Waiting]) -> Vec<Answer> {
    let meter = db::Meter::counting();
    let answers = in_one_transaction(waiting, &meter).await;
    for one in waiting {
        one.ctx.meter.add_share(&meter, waiting.len());
    }
    answers
}

async fn in_one_transaction(waiting: &[Waiting], meter: &db::Meter) -> Vec<Answer> {
    let alone = || waiting.iter().map(|_| None).collect();
    let Some(first) = waiting.first() else {
        return Vec::new();
    };
    let tenants: HashSet<_> = waiting.iter().map(|one| one.ctx.workspace().uuid()).collect();
    // Each statement names the workspace of its own push; the guard lets through those of all.
    let scope = db::Scope::new(db::Tenant::Many(tenants.into_iter().collect())).with_meter(meter.clone());
    let Ok(tx) = first.app.db().begin(&scope).await else {
        return alone();
    };
    match together(&tx, waiting).await {
        Ok((parts, answers)) => match tx.commit_with(parts).await {
            Ok(()) => {
                first.app.wake_outbox();
                answers
            }
            // Done or not: nobody may do it again.
            Err(error @ db::DbError::Unconfirmed) => answers
                .into_iter()
                .map(|answer| answer.map(|_| Err(error.clone().into())))
                .collect(),
            Err(_) => alone(),
        },
        Err(_) => {
            tx.rollback().await;
            alone()
        }
    }
}

/// What is to be written for the pushes, part by part, and what each will be answered once that is durable.
async fn together(tx: &db::Tx, waiting: &[Waiting]) -> Result<(Vec<Vec<Step>>, Vec<Answer>)> {
    let (circuits, locals) = circuits_and_locals(tx, waiting).await?;
    let locals: HashMap<_, _> = locals
        .iter()
        .map(|(workspace, local)| ((*workspace, local.local_id.as_str()), local))
        .collect();
    let mut first = HashMap::new();
    let mut tasks = Vec::with_capacity(waiting.len());
    for (index, (one, circuit)) in waiting.iter().zip(&circuits).enumerate() {
        let found = circuit.as_ref().zip(locals.get(&one.local()));
        let task = found.map_or(Task::Alone, |(circuit, local)| task(one, circuit, local));
        tasks.push(match first.insert((one.circuit, one.local()), index) {
            None => task,
            Some(earlier) if is_empty(&one.asked) => Task::Same(earlier),
            Some(_) => Task::Alone,
        });
    }
    let placed = look_up(tx, waiting, &mut tasks).await?;
    let (parts, mut answers) = parts(&tasks)?;
    for (index, task) in tasks.iter().enumerate() {
        answers[index] = match task {
            Task::Repeat(dfid) => placed
                .get(&(waiting[index].circuit, *dfid))
                .map(|place| Ok(again(&place.0, Some(place.1), Some(&waiting[index].local_id)))),
            Task::Same(earlier) => answers[*earlier].as_ref().and_then(repeated),
            _ => continue,
        };
    }
    Ok((parts, answers))
}

/// What a second call of a push answers.
fn repeated(answer: &Result<Pushed>) -> Answer {
    let pushed = answer.as_ref().ok()?;
    Some(Ok(Pushed {
        status: PushStatus::ExistingItemEnriched,
        created: false,
        ..pushed.clone()
    }))
}

/// The circuit and membership of each push, if the caller is a member; and the local items, locked.
async fn circuits_and_locals(
    tx: &db::Tx,
    waiting: &[Waiting],
) -> Result<(Vec<Option<(Circuit, Member)>>, Vec<(WorkspaceId, LocalItem)>)> {
    let mut asked = Vec::new();
    for one in waiting {
        let key = (one.ctx.workspace(), one.ctx.user(), one.circuit);
        if !asked.contains(&key) {
            asked.push(key);
        }
    }
    let mut steps: Vec<_> = asked
        .iter()
        .map(|(workspace, user, circuit)| circuits::find_step(*workspace, *user, *circuit))
        .collect();
    let pairs: Vec<_> = waiting.iter().map(Waiting::local).collect();
    steps.push(local_items::lock_pairs(&pairs));
    let mut rows = tx.rows(steps).await?;
    let locals = local_items::locked_pairs(&rows.pop().unwrap_or_default())?;
    let found = rows
        .iter()
        .map(|rows| circuits::found(rows))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let of = |one: &Waiting| {
        let key = (one.ctx.workspace(), one.ctx.user(), one.circuit);
        let place = asked.iter().position(|other| *other == key)?;
        found[place].clone()
    };
    Ok((waiting.iter().map(of).collect(), locals))
}

/// What the lane can do for a push: nothing that waits for approval, adds to an item or breaks a rule.
fn task<'a>(waiting: &'a Waiting, (circuit, member): &'a (Circuit, Member), local: &LocalItem) -> Task<'a> {
    let simple = !circuit.approvals.push && !circuit.rules.fingerprinting;
    if !simple || local.merged_into.is_some() || may_push(circuit, member).is_err() {
        return Task::Alone;
    }
    match (local.status, local.dfid) {
        (LocalItemStatus::LocalOnly, None) => {}
        (LocalItemStatus::Tokenized, Some(dfid)) if is_empty(&waiting.asked) => return Task::Repeat(dfid),
        _ => return Task::Alone,
    }
    let content = combine(circuit, &local.content, &waiting.asked);
    if !circuit.rules.check(&content.identifiers).is_empty() {
        return Task::Alone;
    }
    let keys = canonical_keys(&content.identifiers);
    Task::Plain(Plain {
        waiting,
        circuit,
        content,
        keys,
    })
}

type Placed = HashMap<(CircuitId, Dfid), (CircuitItem, OperationState)>;

/// Leaves alone the pushes whose canonical identifiers are known, or come twice. Gives the places of the items that are
/// pushed again, and where the operations stand that brought them.
async fn look_up(tx: &db::Tx, waiting: &[Waiting], tasks: &mut [Task<'_>]) -> Result<Placed> {
    let again = pushed_again(waiting, tasks);
    let places = again
        .iter()
        .map(|(circuit, dfids)| circuit_items::placed_step(*circuit, dfids));
    let mut steps: Vec<_> = places.collect();
    let (known, asking) = known_steps(tasks);
    steps.extend(known);
    let rows = tx.rows(steps).await?;
    let (places, known) = rows.split_at(again.len());
    for (index, known) in asking.into_iter().zip(known.chunks(2)) {
        if known.iter().any(|rows| !rows.is_empty()) {
            tasks[index] = Task::Alone;
        }
    }
    let mut placed = HashMap::new();
    for (circuit, rows) in again.keys().zip(places) {
        for (place, state) in circuit_items::placed(rows)? {
            placed.insert((*circuit, place.dfid), (place, state));
        }
    }
    Ok(placed)
}

/// The items that are pushed again, by circuit.
fn pushed_again(waiting: &[Waiting], tasks: &[Task<'_>]) -> HashMap<CircuitId, Vec<Dfid>> {
    let mut again: HashMap<CircuitId, Vec<Dfid>> = HashMap::new();
    for (one, task) in waiting.iter().zip(tasks) {
        if let Task::Repeat(dfid) = task {
            again.entry(one.circuit).or_default().push(*dfid);
        }
    }
    again
}

/// Two steps for each push that has canonical identifiers, and which pushes those are. One whose identifiers another
/// push of the batch has goes alone.
fn known_steps(tasks: &mut [Task<'_>]) -> (Vec<Step>, Vec<usize>) {
    let mut steps = Vec::new();
    let mut asking = Vec::new();
    let mut seen = HashSet::new();
    for (index, task) in tasks.iter_mut().enumerate() {
        let Task::Plain(push) = task else { continue };
        if push.keys.is_empty() {
            continue;
        }
        if !push.keys.iter().all(|key| seen.insert(key.clone())) {
            *task = Task::Alone;
            continue;
        }
        steps.push(circuit_items::known_step(push.circuit.id, push.keys.clone()));
        steps.push(items::by_canonical_step(
            push.waiting.ctx.workspace(),
            push.keys.clone(),
        ));
        asking.push(index);
    }
    (steps, asking)
}

/// What makes the new items with all their traces, and the answers.
fn parts(tasks: &[Task<'_>]) -> Result<(Vec<Vec<Step>>, Vec<Answer>)> {
    let mut parts = Vec::new();
    let mut tokenized: Vec<(WorkspaceId, String, Dfid)> = Vec::new();
    let mut answers = Vec::with_capacity(tasks.len());
    let mut now = None;
    for task in tasks {
        let Task::Plain(push) = task else {
            answers.push(None);
            continue;
        };
        let (steps, pushed) = push.steps()?;
        let Waiting { ctx, local_id, .. } = push.waiting;
        tokenized.push((ctx.workspace(), local_id.clone(), pushed.dfid));
        parts.push(steps);
        answers.push(Some(Ok(pushed)));
        now = Some(push.waiting.app.now());
    }
    if let Some(now) = now {
        parts.push(vec![local_items::tokenize(tokenized, now)]);
    }
    Ok((parts, answers))
}

impl Plain<'_> {
    fn steps(&self) -> Result<(Vec<Step>, Pushed)> {
        let Waiting {
            app, ctx, local_id, ..
        } = self.waiting;
        let job = Job {
            circuit: self.circuit,
            local_id: Some(local_id),
            mapped: None,
            content: &self.content,
            keys: self.keys.clone(),
            fingerprint: None,
        };
        let target = Target {
            dfid: app.new_dfid(),
            owner: ctx.workspace(),
            status: PushStatus::NewItemCreated,
            kept: None,
        };
        let mut record = Record::new(app, ctx);
        app.create(&mut record, ctx, target.dfid, &job);
        let operation = app.operation_of(ctx, &target, false, &job, record.now);
        record.steps.push(operations::insert(&operation));
        let debit = app
            .credits()
            .debit_operation(ctx, CostedOperation::Push, operation.id)?;
        record.steps.extend(debit);
        record.steps.extend(circuit_items::insert_new(
            self.circuit.id,
            &place_of(&operation, target.owner),
            &self.keys,
        ));
        app.trace_push(&mut record, &operation, target.status)?;
        let pushed = Pushed {
            dfid: target.dfid,
            status: target.status,
            operation_id: operation.id,
            operation_state: operation.state,
            local_id: operation.local_id,
            created: true,
        };
        Ok((record.steps, pushed))
    }
}
