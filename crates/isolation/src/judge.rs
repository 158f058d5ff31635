//! From a secret in the wrong place to the rule it breaks.

use std::sync::Arc;

use crate::config::Policy;
use crate::exchange::Exchange;
use crate::ledger::{Breach, Kind, Secret};
use crate::rule::Rule;
use crate::scan::Form;

/// Where in an answer something stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a header of this name.
    Header(String),
    /// In the body.
    Body,
    /// In a frame of a socket.
    Frame,
}

/// A secret seen by somebody who may not see it.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The rule it breaks.
    pub rule: Rule,
    /// The exchange in which it came.
    pub exchange: Arc<Exchange>,
    /// Which secret.
    pub secret: usize,
    /// In which form.
    pub form: Form,
    /// Why it should not have been there.
    pub breach: Breach,
    /// Where it stood.
    pub place: Place,
}

/// Names the rule that a sighting breaks; `None` where the policy allows it.
///
/// `rule` is what the request was sent for; `own` says that the viewer's own content stood in the same text.
pub fn classify(
    policy: &Policy,
    rule: Rule,
    secret: &Secret,
    breach: Breach,
    place: &Place,
    exchange: &Exchange,
    own: bool,
) -> Option<Rule> {
    let path = exchange.request.path.as_str();
    if breach == Breach::Deleted
        && policy
            .retained
            .iter()
            .any(|prefix| path.starts_with(prefix.as_str()))
    {
        return None;
    }
    let public = exchange.who.is_none() && policy.public.iter().any(|known| path == known);
    Some(match (breach, place) {
        // An answer to an attack that quotes what the attacker wrote is his own; it is judged where the owner reads.
        (Breach::Deleted, _) => match rule {
            Rule::LifetimeRecreated | Rule::LifetimeAccount | Rule::CacheSecond => rule,
            _ => Rule::LifetimeDeleted,
        },
        (Breach::Revoked, Place::Frame) => Rule::SocketLifetime,
        (Breach::Revoked, _) => Rule::LifetimeRevoked,
        (Breach::Foreign, _) if secret.attack => match rule {
            Rule::AccessOwnerField | Rule::AccessMovedId | Rule::NestingCreate => rule,
            _ => Rule::AccessWrite,
        },
        (Breach::Foreign, Place::Header(_)) => Rule::HeaderLeak,
        (Breach::Foreign, Place::Frame) => rule,
        (Breach::Foreign, Place::Body) if public => Rule::PublicLeak,
        (Breach::Foreign, Place::Body) if exchange.answer.status >= 400 => Rule::ErrorLeak,
        (Breach::Foreign, Place::Body) if secret.kind == Kind::Credential && rule == Rule::PoolAnswer => {
            Rule::PoolSession
        }
        (Breach::Foreign, Place::Body) if rule == Rule::PoolAnswer && own => Rule::BufferTail,
        (Breach::Foreign, Place::Body) => rule,
    })
}
