//! What is for administrators only, as somebody else, as nobody, and as one who says he is an administrator.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::replay::with_vars;
use crate::Error;
use crate::assign::with_field;
use crate::check::{Cast, Seen};
use crate::config::{Auth, Operation, Role, Step};
use crate::exchange::Exchange;
use crate::ledger::Who;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;

/// An administrator's operation as a user and as nobody.
pub async fn operation(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let operation = &config.admin[at].call;
    let vars = with_vars(run, &Vars::new(), cast.third);
    let mut seen = Seen::default();
    let lawful = match cast.admin {
        Some(admin) => Some(run.call(Rule::AccessAdmin, Some(admin), operation, &vars).await?),
        None => None,
    };
    match &lawful {
        None => seen.notes.push(format!(
            "no administrator showed what {} gives (give a principal of role admin, or auth.register_admin); others must be refused outright",
            operation.label()
        )),
        Some(answered) if !operation.succeeds(answered.answer.status) => {
            return Ok(Seen::missing(format!(
                "the administrator's own {} was answered {}",
                operation.label(),
                answered.answer.status
            )));
        }
        Some(_) => {}
    }
    for who in [Some(cast.other), None] {
        let (request, _) = run.fill(Some(cast.other), operation, &vars)?;
        let answered = run.send(Rule::AccessAdmin, who, request).await?;
        run.probed(Rule::AccessAdmin, 1);
        judge(run, &mut seen, operation, lawful.as_ref(), &answered);
        if lawful.is_none() && ![401, 403].contains(&answered.answer.status) && seen.violations.is_empty() {
            seen.missing = Some(format!(
                "{} was answered {}, and no administrator shows what it gives",
                operation.label(),
                answered.answer.status
            ));
        }
    }
    Ok(seen)
}

/// It worked if it gave what the administrator is given: the same kind of answer, or others' addresses.
fn judge(
    run: &Run,
    seen: &mut Seen,
    operation: &Operation,
    lawful: Option<&Arc<Exchange>>,
    answered: &Arc<Exchange>,
) {
    if !operation.succeeds(answered.answer.status) {
        return;
    }
    let addresses = run
        .ledger
        .scan(&answered.answer.body)
        .into_iter()
        .filter(|(secret, _)| {
            let secret = &run.ledger.secrets[*secret];
            Some(secret.writer) != answered.who && secret.kind == crate::ledger::Kind::Address
        });
    let others = addresses.count();
    let alike = lawful.is_some_and(|lawful| shape(&lawful.answer.json()) == shape(&answered.answer.json()));
    if alike || others > 1 {
        let who = answered
            .who
            .map_or("nobody".to_owned(), |who| run.people[who].name.clone());
        let proof: Vec<_> = lawful.into_iter().chain([answered]).collect();
        seen.broken(
            Rule::AccessAdmin,
            format!("{} gave {who} what an administrator is given", operation.label()),
            &proof,
        );
    }
}

/// Field names at the top, or those of the first entry of a list.
fn shape(json: &Value) -> BTreeSet<String> {
    match json {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(items) => items.first().map(shape).unwrap_or_default(),
        other => BTreeSet::from([other.to_string()]),
    }
}

/// An administrator's role in the bodies of registration and profile: does the administrators' area open?
pub async fn role_field(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let mut seen = Seen::default();
    let Some(admin) = cast.admin else {
        let note = "no administrator showed what his role opens; roles in bodies were not tried";
        return Ok(Seen {
            notes: vec![note.to_owned()],
            ..Seen::default()
        });
    };
    let lawful = run
        .call(
            Rule::AccessAdmin,
            Some(admin),
            &config.admin[at].call,
            &with_vars(run, &Vars::new(), cast.third),
        )
        .await?;
    let (profiles, registrations) = (
        profiles_with_role(&config.auth),
        registrations_with_role(&config.auth),
    );
    if profiles.is_empty() && registrations.is_empty() {
        return Ok(Seen::missing(
            "no role can be added to the bodies of `register` and `profile`: they are neither JSON objects nor forms",
        ));
    }
    by_profile(run, &mut seen, at, cast.other, &profiles, &lawful).await?;
    for steps in &registrations {
        let vars = run.fresh_vars("role");
        if let Ok(climber) = register_with(run, vars, steps).await {
            opened(run, &mut seen, at, climber, &lawful).await?;
        }
    }
    Ok(seen)
}

/// Somebody says in his profile that he is an administrator.
async fn by_profile(
    run: &mut Run,
    seen: &mut Seen,
    at: usize,
    otherwise: Who,
    profiles: &[Operation],
    lawful: &Arc<Exchange>,
) -> Result<(), Error> {
    if profiles.is_empty() {
        return Ok(());
    }
    let climber = expendable(run, otherwise).await?;
    for operation in profiles {
        run.call(Rule::AccessOwnerField, Some(climber), operation, &Vars::new())
            .await?;
        opened(run, seen, at, climber, lawful).await?;
    }
    Ok(())
}

/// The change of a profile with a role in it, in every way.
fn profiles_with_role(auth: &Auth) -> Vec<Operation> {
    let fields = role_fields();
    let profiles = fields.iter().flat_map(|(field, value)| {
        auth.profile
            .iter()
            .map(move |call| with_field(call, field, value))
    });
    profiles.flatten().collect()
}

/// The steps of a registration with a role in one of their bodies, in every way.
fn registrations_with_role(auth: &Auth) -> Vec<Vec<Step>> {
    let mut registrations = Vec::new();
    for (field, value) in role_fields() {
        for (at, step) in auth.register.iter().enumerate() {
            for call in with_field(&step.call, field, &value) {
                let mut steps = auth.register.clone();
                steps[at].call = call;
                registrations.push(steps);
            }
        }
    }
    registrations
}

/// Fields by which services are told of an administrator.
fn role_fields() -> [(&'static str, Value); 5] {
    [
        ("role", json!("admin")),
        ("is_admin", json!(true)),
        ("admin", json!(true)),
        ("roles", json!(["admin"])),
        ("isAdmin", json!(true)),
    ]
}

/// Somebody who is not used again, where somebody can be made: a role that sticks would spoil later checks.
async fn expendable(run: &mut Run, otherwise: Who) -> Result<Who, Error> {
    if run.can_enrol() {
        run.enrol(Role::Expendable).await
    } else {
        Ok(otherwise)
    }
}

async fn register_with(run: &mut Run, vars: Vars, steps: &[Step]) -> Result<Who, Error> {
    let who = run.people.len();
    let name = vars.get("username").cloned().unwrap_or_default();
    run.people.push(crate::principal::Principal {
        name,
        role: Role::Expendable,
        vars,
        ..Default::default()
    });
    run.steps(who, steps).await?;
    run.log_in(who).await?;
    Ok(who)
}

async fn opened(
    run: &mut Run,
    seen: &mut Seen,
    at: usize,
    climber: Who,
    lawful: &Arc<Exchange>,
) -> Result<(), Error> {
    let config = run.config.clone();
    let operation = &config.admin[at].call;
    let before = seen.violations.len();
    let vars = with_vars(run, &Vars::new(), climber);
    let answered = run
        .call(Rule::AccessOwnerField, Some(climber), operation, &vars)
        .await?;
    run.probed(Rule::AccessOwnerField, 1);
    judge(run, seen, operation, Some(lawful), &answered);
    for violation in &mut seen.violations[before..] {
        violation.rule = Rule::AccessOwnerField;
    }
    Ok(())
}
