//! Connections and sessions: identity comes from the request, never from what carried the one before.

use super::own::identity;
use crate::Error;
use crate::check::{Cast, Seen};
use crate::ledger::Who;
use crate::net::Lane;
use crate::rule::Rule;
use crate::run::Run;
use crate::template::Vars;

/// Times the users of one connection change.
const CHANGES: usize = 6;

/// One connection with changing users; in between nobody.
pub async fn connection(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    run.net.close(Lane::Shared);
    let mut objects = Vec::new();
    for who in [cast.owner, cast.other, cast.third] {
        objects.push((who, first_readable(run, who).await?));
    }
    run.shared_lane = true;
    let result = alternate(run, &objects).await;
    run.shared_lane = false;
    run.net.close(Lane::Shared);
    result
}

/// An object of somebody's that can be read, of the first resource that has one.
async fn first_readable(run: &mut Run, who: Who) -> Result<Option<crate::run::Object>, Error> {
    let config = run.config.clone();
    let readable = config
        .resources
        .iter()
        .position(|resource| resource.read.is_some() && resource.state.is_none());
    match readable {
        Some(at) => run.create(who, at).await.map(Some),
        None => Ok(None),
    }
}

async fn alternate(run: &mut Run, objects: &[(Who, Option<crate::run::Object>)]) -> Result<Seen, Error> {
    let config = run.config.clone();
    let mut seen = Seen::default();
    for change in 0..CHANGES {
        let (who, object) = &objects[change % objects.len()];
        for view in &config.views {
            let answered = run
                .call(Rule::PoolConnection, Some(*who), &view.read, &Vars::new())
                .await?;
            identity(run, &mut seen, view, *who, &answered, Rule::PoolConnection)?;
            if change % 2 == 1 {
                let (request, _) = run.fill(Some(*who), &view.read, &Vars::new())?;
                run.send(Rule::PoolConnection, None, request).await?;
            }
        }
        for list in config
            .resources
            .iter()
            .filter(|resource| resource.parent.is_none())
            .filter_map(|resource| resource.list.as_ref())
        {
            run.call(Rule::PoolConnection, Some(*who), list, &Vars::new())
                .await?;
        }
        let Some(object) = object else { continue };
        let Some(read) = &config.resources[object.resource].read else {
            continue;
        };
        run.call(Rule::PoolConnection, Some(*who), read, &object.vars)
            .await?;
        // The one who follows asks for it too.
        let next = objects[(change + 1) % objects.len()].0;
        run.call(Rule::PoolConnection, Some(next), read, &object.vars)
            .await?;
        run.probed(Rule::PoolConnection, 2);
    }
    Ok(seen)
}

/// Two logins in a row, each with an identity of its own.
pub async fn sessions(run: &mut Run, cast: Cast) -> Result<Seen, Error> {
    let config = run.config.clone();
    let mut seen = Seen::default();
    let people = if run.can_enrol() {
        vec![
            run.enrol(crate::config::Role::Expendable).await?,
            run.enrol(crate::config::Role::Expendable).await?,
        ]
    } else {
        let given = run
            .people
            .iter()
            .enumerate()
            .filter(|(_, person)| person.vars.contains_key("password"));
        given
            .map(|(who, _)| who)
            .filter(|who| *who == cast.owner || *who == cast.other)
            .collect()
    };
    for who in people {
        run.log_in(who).await?;
        run.probed(Rule::PoolSession, 1);
        for view in &config.views {
            let answered = run
                .call(Rule::PoolSession, Some(who), &view.read, &Vars::new())
                .await?;
            identity(run, &mut seen, view, who, &answered, Rule::PoolSession)?;
        }
    }
    Ok(seen)
}
