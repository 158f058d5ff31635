//! One try of an entry's request: the exchange, and those that redirections lead to.

use std::time::Instant;

use url::Url;

use super::User;
use super::answer::Exchange;
use super::failure::{Failure, Run};
use super::options::Options;
use super::request::{Draft, parse_url};
use super::transport::Delivery;
use crate::http::Limits;
use crate::outcome::{Call, ErrorKind, Observer};
use crate::settings::{Count, Follow};
use crate::syntax::Request;

/// Redirections are never followed further than this, whatever the file says.
const MAX_CHAIN: usize = 1000;

/// Where a call belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) request: &'a Request,
    pub(super) entry: usize,
    pub(super) attempt: u32,
}

impl User {
    /// Sends the draft and follows redirections. Calls are counted in `calls` even if an error ends them.
    pub(super) async fn exchanges(
        &mut self,
        mut draft: Draft<'_>,
        options: &Options,
        place: Place<'_>,
        seen: &mut dyn Observer,
        calls: &mut u32,
    ) -> Run<Vec<Exchange>> {
        let mut origin = None;
        let mut chain = Vec::new();
        loop {
            let exchange = self.exchange(&draft, options, place, seen, calls).await?;
            let location = match options.follow {
                Follow::No => None,
                _ => location(&exchange, &draft.url, place)?,
            };
            let status = exchange.response.status;
            chain.push(exchange);
            let Some(location) = location else {
                return Ok(chain);
            };
            let followed = chain.len() as u64;
            let over = matches!(options.max_redirects, Count::Finite(max) if followed > max);
            if over || chain.len() > MAX_CHAIN {
                let message = format!("too many redirections: {followed} were followed");
                return Err(Failure::new(place.request.url.pos, ErrorKind::Redirect, message));
            }
            let origin = origin.get_or_insert_with(|| draft.url.clone());
            prepare(&mut draft, location, status, origin, options.follow);
        }
    }

    async fn exchange(
        &mut self,
        draft: &Draft<'_>,
        options: &Options,
        place: Place<'_>,
        seen: &mut dyn Observer,
        calls: &mut u32,
    ) -> Run<Exchange> {
        let pos = place.request.url.pos;
        let failed = |e: crate::http::Error| Failure::new(pos, ErrorKind::Http(e.reason), e.message);
        let jar = self.jar.header(&draft.url, || (self.settings.clock)());
        let request = draft
            .build(options, &self.settings.user_agent, &jar)
            .map_err(failed)?;
        let delivered = self
            .deliver(&request, draft.url.as_str(), options, place, seen, *calls)
            .await;
        *calls += 1;
        let delivery = delivered.map_err(failed)?;
        for cookie in delivery.response.headers.get_all("set-cookie") {
            self.jar.set(&draft.url, &cookie, || (self.settings.clock)());
        }
        Ok(Exchange {
            response: delivery.response,
            url: draft.url.as_str().to_owned(),
            peer: delivery.peer,
            upgraded: delivery.upgraded,
        })
    }

    fn limits(&self, options: &Options) -> Limits {
        Limits {
            timeout: options.max_time,
            ..self.settings.limits
        }
    }

    /// Sends over a kept connection or a new one; every try is told. What met a kept connection that the server closed,
    /// before a byte of an answer, is sent once more.
    async fn deliver(
        &mut self,
        request: &crate::http::Request,
        url: &str,
        options: &Options,
        place: Place<'_>,
        seen: &mut dyn Observer,
        redirect: u32,
    ) -> Result<Delivery, crate::http::Error> {
        let limits = self.limits(options);
        let transport = &options.transport;
        let mut kept = options
            .reuse
            .then(|| self.pool.kept(request, transport))
            .flatten();
        loop {
            let start = Instant::now();
            let sent = match kept.take() {
                Some(connection) => self.pool.send_kept(connection, request, transport, &limits).await,
                None => {
                    let sent = self
                        .pool
                        .send_new(request, transport, options.reuse, &limits)
                        .await;
                    sent.map_err(|error| (error, false))
                }
            };
            seen.call(&Call {
                entry: place.entry,
                line: place.request.pos.line,
                attempt: place.attempt,
                redirect,
                url: url.split('#').next().unwrap_or(url),
                request,
                result: sent.as_ref().map(|d| &d.response).map_err(|(error, _)| error),
                peer: sent.as_ref().ok().map(|d| d.peer),
                start,
                took: start.elapsed(),
            });
            match sent {
                Err((_, true)) => {}
                Err((error, false)) => return Err(error),
                Ok(delivery) => return Ok(delivery),
            }
        }
    }
}

fn location(exchange: &Exchange, url: &Url, place: Place<'_>) -> Run<Option<Url>> {
    if !(300..400).contains(&exchange.response.status) {
        return Ok(None);
    }
    let Some(location) = exchange.response.headers.get("location") else {
        return Ok(None);
    };
    let joined = url.join(&location).map_err(|e| e.to_string());
    let joined = joined.and_then(|joined| parse_url(joined.as_str()));
    joined.map(Some).map_err(|reason| {
        let message = format!("the redirection to <{location}> cannot be followed: {reason}");
        Failure::new(place.request.url.pos, ErrorKind::Redirect, message)
    })
}

/// Changes the draft as the published tool does: 301 to 303 become GET without body, credentials stay with
/// the first origin unless trusted.
fn prepare(draft: &mut Draft<'_>, location: Url, status: u16, origin: &Url, follow: Follow) {
    if (301..=303).contains(&status) && draft.method != "GET" {
        draft.method = "GET";
        draft.body = bytes::Bytes::new();
        draft.content_type = None;
    }
    if follow != Follow::Trusted && location.origin() != origin.origin() {
        let secret = |name: &str| {
            ["authorization", "cookie"]
                .iter()
                .any(|s| name.eq_ignore_ascii_case(s))
        };
        draft.headers.retain(|(name, _)| !secret(name));
        draft.cookies.clear();
        draft.user = None;
    }
    draft.redirect(location);
}
