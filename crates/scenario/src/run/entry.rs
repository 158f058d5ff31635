//! One entry: its options, its tries, its checks.

use std::path::Path;
use std::sync::Arc;

use super::User;
use super::answer::{Answer, Exchange};
use super::captures::capture;
use super::exchange::Place;
use super::failure::Run;
use super::options::Options;
use super::query::Looking;
use super::request::draft;
use super::template::Scope;
use super::variables::Variables;
use super::websocket::{Conversation, Handshake};
use crate::outcome::{EntryOutcome, Observer};
use crate::scenario::Scenario;
use crate::settings::{Count, Settings};
use crate::syntax;

pub(super) struct Entry<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) index: usize,
}

/// One try of an entry that has been sent: what came back, and how it is to be taken.
struct Asked<'a> {
    chain: Vec<Exchange>,
    handshake: Option<Handshake>,
    options: &'a Options,
    place: Place<'a>,
}

/// What an answer is held against.
pub(super) struct Look<'a> {
    spec: &'a syntax::Response,
    answer: &'a Answer<'a>,
    coerce: bool,
    /// Files that an answer is compared with lie below this folder.
    files: &'a Path,
}

impl Look<'_> {
    /// Checks version and status, and if they are right captures and asserts.
    async fn check(&self, user: &mut User, row: &mut EntryOutcome) -> Run<()> {
        let settings = &*user.settings;
        row.asserts = self
            .looking(&user.variables, settings)
            .version_and_status(self.spec);
        if row.asserts.iter().any(|assert| !assert.ok) {
            return Ok(());
        }
        let captures = &self.spec.captures;
        row.captures = capture(captures, self, settings, &mut user.variables)?;
        self.looking(&user.variables, settings)
            .asserts(self.spec, &mut row.asserts)
            .await;
        Ok(())
    }

    pub(super) fn looking<'b>(&'b self, variables: &'b Variables, settings: &'b Settings) -> Looking<'b> {
        Looking {
            answer: self.answer,
            scope: Scope {
                variables,
                settings,
                files: self.files,
            },
            coerce: self.coerce,
        }
    }
}

impl<'a> Entry<'a> {
    fn tree(&self) -> &'a syntax::Entry {
        self.scenario.entry(self.index)
    }

    fn row(&self) -> EntryOutcome {
        EntryOutcome {
            index: self.index,
            line: self.tree().request.pos.line,
            ..EntryOutcome::default()
        }
    }

    /// Repetitions, and the tries of each.
    pub(super) async fn run(&self, user: &mut User, seen: &mut dyn Observer) -> Vec<EntryOutcome> {
        let mut rows = Vec::new();
        let mut repeated = 0;
        loop {
            let options = match self.options(user).await {
                Ok(options) => options,
                Err(failure) => {
                    rows.push(EntryOutcome {
                        error: Some(failure.redacted(&user.variables)),
                        ..self.row()
                    });
                    return rows;
                }
            };
            if options.skip || options.repeat == Some(Count::Finite(0)) {
                rows.push(EntryOutcome {
                    skipped: true,
                    ..self.row()
                });
                return rows;
            }
            if !options.delay.is_zero() {
                tokio::time::sleep(options.delay).await;
            }
            self.tries(user, &options, seen, &mut rows).await;
            repeated += 1;
            let done = match options.repeat {
                None => true,
                Some(Count::Finite(times)) => repeated >= times,
                Some(Count::Infinite) => false,
            };
            let failed = rows.last().is_some_and(|row| !row.ok());
            if done || (failed && !user.settings.continue_on_error) {
                return rows;
            }
        }
    }

    async fn options(&self, user: &mut User) -> Run<Arc<Options>> {
        if self.scenario.clears_cookies(self.index) {
            user.jar.clear();
        }
        let section = &self.tree().request.options;
        let is_websocket = self.tree().websocket.is_some();
        if section.is_empty() && !is_websocket {
            return Ok(user.base.clone());
        }
        let mut options = user
            .base
            .with_section(
                section,
                (&user.settings, self.scenario.files(&user.settings)),
                &mut user.variables,
            )
            .await?;
        if is_websocket {
            options.only_http1();
        }
        Ok(Arc::new(options))
    }

    async fn tries(
        &self,
        user: &mut User,
        options: &Options,
        seen: &mut dyn Observer,
        rows: &mut Vec<EntryOutcome>,
    ) {
        let mut attempt = 0;
        loop {
            let mut row = EntryOutcome {
                attempt,
                ..self.row()
            };
            if let Err(failure) = self.try_once(user, options, seen, &mut row).await {
                row.error = Some(failure.redacted(&user.variables));
            }
            let ok = row.ok();
            rows.push(row);
            let again = match options.retry {
                None => false,
                Some(Count::Finite(times)) => u64::from(attempt) < times,
                Some(Count::Infinite) => true,
            };
            if ok || !again {
                return;
            }
            attempt += 1;
            tokio::time::sleep(options.retry_interval).await;
        }
    }

    async fn try_once(
        &self,
        user: &mut User,
        options: &Options,
        seen: &mut dyn Observer,
        row: &mut EntryOutcome,
    ) -> Run<()> {
        let entry = self.tree();
        let scope = Scope {
            variables: &user.variables,
            settings: &user.settings,
            files: self.scenario.files(&user.settings),
        };
        let mut draft = draft(scope, &user.origin, &entry.request, options).await?;
        let handshake = entry
            .websocket
            .as_ref()
            .map(|_| Handshake::begin(&user.settings, &mut draft));
        let place = Place {
            request: &entry.request,
            entry: self.index,
            attempt: row.attempt,
        };
        let chain = user
            .exchanges(draft, options, place, seen, &mut row.calls)
            .await?;
        let asked = Asked {
            chain,
            handshake,
            options,
            place,
        };
        self.check(user, asked, seen, row).await
    }

    /// Checks and captures what came back, then talks on a WebSocket that was opened.
    async fn check(
        &self,
        user: &mut User,
        mut asked: Asked<'_>,
        seen: &mut dyn Observer,
        row: &mut EntryOutcome,
    ) -> Run<()> {
        let (entry, options) = (self.tree(), asked.options);
        let Some(spec) = &entry.response else {
            return Ok(());
        };
        let upgraded = asked
            .chain
            .last_mut()
            .and_then(|exchange| exchange.upgraded.take());
        let answer = Answer::new(&asked.chain, user.settings.limits.max_body);
        let (coerce, settings) = (options.jsonpath_coercion, user.settings.clone());
        let files = self.scenario.files(&settings);
        let look = Look {
            spec,
            answer: &answer,
            coerce,
            files,
        };
        look.check(user, row).await?;
        let (Some(handshake), Some(steps)) = (asked.handshake, &entry.websocket) else {
            return Ok(());
        };
        if row.asserts.iter().any(|assert| !assert.ok) {
            return Ok(());
        }
        let scope = Scope {
            variables: &user.variables,
            settings: &settings,
            files,
        };
        let socket = handshake.end(answer.last(), upgraded, &settings.limits, entry.request.url.pos)?;
        let talk = Conversation {
            opened: answer.last(),
            scope,
            coerce,
            wait: options.max_time,
            place: asked.place,
        };
        talk.carry_out(socket, steps, seen, &mut row.asserts).await
    }
}
