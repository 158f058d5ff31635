//! Lists: one's own pages, pages beyond them, too large ones, somebody else's cursor, and no login at all.

use serde_json::Value;

use super::with_query;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::config::{Operation, Resource};
use crate::exchange::{Exchange, Request};
use crate::ledger::Who;
use crate::principal::plain;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;

/// Most pages that are followed.
const PAGES: usize = 6;

/// Queries that ask for more than one should get.
const GREEDY: [(&str, &str); 14] = [
    ("limit", "1000"),
    ("limit", "100000"),
    ("limit", "-1"),
    ("limit", "0"),
    ("per_page", "1000"),
    ("page_size", "1000"),
    ("pageSize", "1000"),
    ("size", "1000"),
    ("count", "1000"),
    ("offset", "1"),
    ("page", "2"),
    ("page", "-1"),
    ("all", "true"),
    ("scope", "all"),
];

/// Pages of a list while others' things lie before and behind one's own.
pub async fn pages(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(list) = &resource.list else {
        return Ok(Seen::default());
    };
    run.create(cast.owner, at).await?;
    let mine = run.create(cast.other, at).await?;
    run.create(cast.third, at).await?;
    run.create(cast.owner, at).await?;
    let seen_own = run.sees(Rule::PagingList, cast.other, list, &mine).await?;
    let (request, _) = run.fill(Some(cast.other), list, &mine.vars)?;
    for (name, value) in GREEDY {
        let greedy = Request {
            path: with_query(&request.path, name, value),
            ..request.clone()
        };
        run.send(Rule::PagingList, Some(cast.other), greedy).await?;
    }
    let walked = walk(run, cast.other, resource, list).await?;
    run.probed(Rule::PagingList, GREEDY.len() as u64 + walked);
    run.send(Rule::AccessAnonymous, None, request).await?;
    run.probed(Rule::AccessAnonymous, 1);
    if seen_own || listed_anywhere(run, cast.other, list, &mine).await? {
        return Ok(Seen::default());
    }
    Ok(Seen::missing(format!(
        "{} does not show what its caller has made",
        list.label()
    )))
}

/// The first page may be full of older things: a large one has to show it.
async fn listed_anywhere(
    run: &mut Run,
    who: Who,
    list: &Operation,
    object: &crate::run::Object,
) -> Result<bool, Error> {
    for (name, value) in [
        ("limit", "1000"),
        ("limit", "100"),
        ("per_page", "100"),
        ("page_size", "100"),
        ("size", "100"),
    ] {
        let (request, _) = run.fill(Some(who), list, &object.vars)?;
        let large = Request {
            path: with_query(&request.path, name, value),
            ..request
        };
        let answered = run.send(Rule::PagingList, Some(who), large).await?;
        if run.shows(&answered, object) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Follows the cursors of a list to their end.
async fn walk(run: &mut Run, who: Who, resource: &Resource, list: &Operation) -> Result<u64, Error> {
    let mut answered = run.call(Rule::PagingList, Some(who), list, &Vars::new()).await?;
    for page in 1..PAGES {
        let Some(next) = next_page(resource, list, &answered) else {
            return Ok(page as u64);
        };
        answered = run.call(Rule::PagingList, Some(who), &next.0, &next.1).await?;
    }
    Ok(PAGES as u64)
}

/// The operation and variables of the page after this one.
fn next_page(resource: &Resource, list: &Operation, answered: &Exchange) -> Option<(Operation, Vars)> {
    let cursor = cursor_of(resource, answered)?;
    if let Some(path) = cursor.strip_prefix('/') {
        return Some((Operation::new("GET", &format!("/{path}")), Vars::new()));
    }
    let vars = Vars::from([
        ("cursor".to_owned(), cursor),
        ("limit".to_owned(), "2".to_owned()),
    ]);
    let next = resource.next_page.clone().unwrap_or_else(|| {
        let joint = if list.path.contains('?') { '&' } else { '?' };
        Operation {
            path: format!("{}{joint}limit=2&cursor={{{{cursor}}}}", list.path),
            ..list.clone()
        }
    });
    Some((next, vars))
}

/// The continuation in a list's answer.
fn cursor_of(resource: &Resource, answered: &Exchange) -> Option<String> {
    const PLACES: [&str; 9] = [
        "/next_cursor",
        "/nextCursor",
        "/pagination/next_cursor",
        "/next",
        "/meta/next_cursor",
        "/cursor",
        "/next_page_token",
        "/links/next",
        "/continuation",
    ];
    let json: Value = answered.answer.json();
    let places = resource
        .cursor
        .as_deref()
        .map_or(PLACES.to_vec(), |place| vec![place]);
    places
        .iter()
        .find_map(|place| plain(json.pointer(place)?))
        .filter(|cursor| !cursor.is_empty())
}

/// The owner's cursor in somebody else's hands.
pub async fn cursor(run: &mut Run, cast: Cast, at: usize) -> Result<Seen, Error> {
    let config = run.config.clone();
    let resource = &config.resources[at];
    let Some(list) = &resource.list else {
        return Ok(Seen::default());
    };
    for _ in 0..3 {
        run.create(cast.owner, at).await?;
    }
    let (request, _) = run.fill(Some(cast.owner), list, &Vars::new())?;
    let mut first = None;
    for (name, value) in [
        ("limit", "1"),
        ("per_page", "1"),
        ("page_size", "1"),
        ("size", "1"),
    ] {
        let small = Request {
            path: with_query(&request.path, name, value),
            ..request.clone()
        };
        let answered = run.send(Rule::PagingList, Some(cast.owner), small).await?;
        if cursor_of(resource, &answered).is_some() {
            first = Some(answered);
            break;
        }
    }
    let next = first
        .as_ref()
        .and_then(|answered| next_page(resource, list, answered));
    let Some((next, vars)) = next else {
        // A list without continuation has no cursor that could be stolen.
        return Ok(Seen::default());
    };
    run.call(Rule::PagingList, Some(cast.owner), &next, &vars).await?;
    run.call(Rule::PagingCursor, Some(cast.other), &next, &vars)
        .await?;
    run.probed(Rule::PagingCursor, 1);
    Ok(Seen::default())
}
