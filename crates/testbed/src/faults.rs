//! The table of faults, and the coin that decides at each opportunity whether one happens.
//!
//! What a fault does stands next to the code it breaks; here is only its name, its class and the rules that name it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// One kind of fault that can be switched on.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Name used on the command line.
    pub name: &'static str,
    /// Family: access, nesting, paging, search, counts, oracles, caches, buffers, pools, globals, sockets, sessions, jobs, exports, limits, names, errors, headers, metrics.
    pub class: &'static str,
    /// Rules of an isolation test that name this fault; any one of them is a right answer.
    pub rules: &'static [&'static str],
    /// What goes wrong.
    pub what: &'static str,
}

const fn fault(
    name: &'static str,
    class: &'static str,
    rules: &'static [&'static str],
    what: &'static str,
) -> Fault {
    Fault {
        name,
        class,
        rules,
        what,
    }
}

/// Every fault this service knows.
#[rustfmt::skip] // one line a fault
pub const FAULTS: &[Fault] = &[
    fault("read-any", "access", &["access.read"], "a note is given to whoever knows its id"),
    fault("update-any", "access", &["access.write"], "PUT on a note does not ask whose it is"),
    fault("patch-any", "access", &["access.write"], "PATCH lacks the check that PUT has"),
    fault("delete-any", "access", &["access.delete"], "DELETE on a note does not ask whose it is"),
    fault("publish-any", "access", &["access.write"], "anybody may publish anybody's note"),
    fault("share-any", "access", &["access.write"], "a stranger may share somebody's note with himself"),
    fault("accept-any", "access", &["access.write"], "an invitation can be accepted by whoever knows its id"),
    fault("anonymous-read", "access", &["access.anonymous"], "a note is given without a login"),
    fault("anonymous-list", "access", &["access.anonymous"], "the list without a login is everybody's"),
    fault("owner-assign", "access", &["access.owner-field"], "`owner_id` in a create is believed"),
    fault("owner-form", "access", &["access.owner-field"], "`owner_id` in the form of a job is believed"),
    fault("owner-nested", "access", &["access.owner-field"], "`owner_id` among the attributes of a project is believed"),
    fault("owner-relation", "access", &["access.owner-field"], "an owner among the relationships of a project is believed"),
    fault("owner-update", "access", &["access.owner-field"], "`owner_id` in an update of a note is believed"),
    fault("role-assign", "access", &["access.owner-field", "access.admin"], "`role` in a profile update is believed"),
    fault("admin-open", "access", &["access.admin"], "the admin area opens for every user"),
    fault("trusted-header", "access", &["access.moved-id"], "`X-User-Id` from outside is believed"),
    fault("query-owner", "access", &["access.moved-id"], "`?user_id=` on a list is believed"),
    fault("body-id", "access", &["access.write"], "an `id` in the body of PUT wins over the one in the path"),
    fault("profile-any", "access", &["access.read"], "a profile with its e-mail is given for any user id"),
    fault("nested-child", "nesting", &["nesting.parent"], "a task is found by its id, its project is not compared"),
    fault("nested-list", "nesting", &["nesting.list"], "the tasks of any project are listed"),
    fault("nested-create", "nesting", &["nesting.create"], "a task may be put into somebody else's project"),
    fault("page-overflow", "paging", &["paging.list"], "pages past one's own end go on with others' rows"),
    fault("page-size", "paging", &["paging.list"], "a very large `limit` takes the path without the owner filter"),
    fault("cursor-owner", "paging", &["paging.cursor"], "a cursor carries its owner and is believed"),
    fault("list-all", "paging", &["paging.list"], "the list forgets the owner filter"),
    fault("search-all", "search", &["search.content"], "search runs over everybody's notes"),
    fault("search-count", "search", &["search.oracle"], "search gives one's own hits and everybody's total"),
    fault("suggest-all", "search", &["search.content"], "suggestions come from everybody's titles"),
    fault("count-all", "counts", &["noninterference.view"], "the count of notes is everybody's"),
    fault("total-all", "counts", &["noninterference.view"], "the total of a list is everybody's"),
    fault("exists-status", "oracles", &["oracle.exists"], "403 for foreign, 404 for absent"),
    fault("exists-body", "oracles", &["oracle.exists"], "404 for both, with another message"),
    fault("exists-header", "oracles", &["oracle.exists"], "404 for both, one with an ETag"),
    fault("exists-title", "oracles", &["oracle.conflict"], "a title taken by somebody else is a conflict"),
    fault("cache-key", "caches", &["cache.second"], "answers are cached by path alone"),
    fault("cache-public", "caches", &["cache.headers"], "private answers say `public, max-age=60`"),
    fault("cache-validator", "caches", &["cache.validator"], "If-None-Match is answered before the owner is asked"),
    fault("cache-suffix", "caches", &["cache.suffix"], "`/me/x.css` gives the profile and is kept as a static file"),
    fault("cache-deleted", "caches", &["lifetime.deleted"], "a deleted note is still read from a cache"),
    fault("buffer-tail", "buffers", &["buffer.tail"], "a body is written over a longer one; its tail stays"),
    fault("buffer-whole", "buffers", &["pool.answer", "buffer.tail"], "the answer before this one is sent again"),
    fault("pool-connection", "pools", &["pool.connection"], "a keep-alive connection keeps its first user"),
    fault("pool-swap", "pools", &["pool.answer", "pool.connection"], "two answers in flight at once are swapped"),
    fault("global-user", "globals", &["pool.answer"], "the caller lies in a global across an await"),
    fault("global-filter", "globals", &["paging.list", "pool.answer"], "the list's owner filter lies in a global across an await"),
    fault("ws-subscribe", "sockets", &["socket.foreign"], "a socket may subscribe to any note"),
    fault("ws-broadcast", "sockets", &["socket.broadcast"], "every socket gets every frame"),
    fault("ws-slot", "sockets", &["socket.slot"], "a new socket inherits the subscriptions of the last that left"),
    fault("ws-resume", "sockets", &["socket.resume"], "a resume token opens for anybody"),
    fault("ws-duplicate", "sockets", &["socket.order"], "a frame is sent twice"),
    fault("ws-lost", "sockets", &["socket.order"], "every second frame is lost without a word"),
    fault("ws-logout", "sockets", &["socket.lifetime"], "a socket lives on after the logout"),
    fault("ws-revoked", "sockets", &["socket.lifetime"], "a subscription outlives the share it came from"),
    fault("sse-subscribe", "sockets", &["socket.foreign"], "the event stream of any note is open"),
    fault("logout", "sessions", &["lifetime.logout"], "a logout is answered and does nothing"),
    fault("deleted-account", "sessions", &["lifetime.account"], "the token of a deleted account goes on working"),
    fault("recreated-account", "sessions", &["lifetime.recreated"], "a new account inherits what its namesake left"),
    fault("unshare", "sessions", &["lifetime.revoked"], "taking a share back does nothing"),
    fault("session-reuse", "sessions", &["pool.session"], "a login is handed the token of somebody else's session"),
    fault("deleted-list", "sessions", &["lifetime.deleted"], "deleted notes stay in lists"),
    fault("deleted-search", "sessions", &["lifetime.deleted"], "deleted notes stay in search"),
    fault("job-any", "jobs", &["access.read"], "the state and result of any job are given"),
    fault("job-result", "jobs", &["buffer.tail", "pool.answer"], "a job's result is the one of the job before it"),
    fault("job-slots", "jobs", &["baseline.slots"], "a failed job keeps its slot"),
    fault("export-all", "exports", &["export.content"], "an export holds everybody's notes"),
    fault("export-file", "exports", &["access.read", "access.anonymous"], "an export's file is served to anybody"),
    fault("limit-shared", "limits", &["noise.limit"], "one bucket for all users"),
    fault("flood-stall", "limits", &["noise.limit"], "one user's flood fills a queue and others get 503"),
    fault("name-case", "names", &["lookalike.case"], "names are folded to lower case when data is looked up"),
    fault("name-unicode", "names", &["lookalike.unicode"], "names are normalised when data is looked up"),
    fault("name-space", "names", &["lookalike.space"], "names are trimmed when data is looked up"),
    fault("error-echo", "errors", &["error.leak"], "an error quotes the last body that was parsed"),
    fault("header-leak", "headers", &["header.leak"], "a debug header carries the last title written"),
    fault("cookie-leak", "headers", &["header.leak"], "an answer sets the cookie of another session"),
    fault("metrics-title", "metrics", &["public.leak"], "a metric has titles as labels"),
    fault("health-user", "metrics", &["public.leak"], "the health page names the last e-mail that logged in"),
    fault("read-blank", "buffers", &["readback.exact"], "a note is read before it was written: its text is missing"),
    fault("flood-slow", "limits", &["noise.latency"], "one user's flood makes everybody wait"),
    fault("torn-slot", "limits", &["baseline.slots"], "a request that is cancelled half-way keeps its place in the queue"),
    fault("socket-gauge", "metrics", &["baseline.gauge"], "the gauge of open sockets never falls"),
    fault("notify-all", "access", &["access.view"], "notifications reach everybody"),
];

/// Looks a fault up by its name.
pub fn find(name: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.name == name)
}

/// The faults that are switched on, each with its rate.
#[derive(Debug)]
pub struct Planted {
    rates: BTreeMap<&'static str, f64>,
    seed: u64,
    draws: AtomicU64,
}

impl Planted {
    /// Switches on the given faults. The same seed and the same order of requests give the same misfortunes.
    pub fn new(rates: &[(&'static Fault, f64)], seed: u64) -> Self {
        let rates = rates.iter().map(|(fault, rate)| (fault.name, *rate)).collect();
        Self {
            rates,
            seed,
            draws: AtomicU64::new(0),
        }
    }

    /// Says whether the fault is switched on at all.
    pub fn on(&self, name: &str) -> bool {
        self.rates.contains_key(name)
    }

    /// Draws: does the fault happen this time?
    pub fn hit(&self, name: &str) -> bool {
        debug_assert!(find(name).is_some(), "unknown fault {name}");
        self.rates.get(name).is_some_and(|rate| self.chance(*rate))
    }

    /// Draws an event of the given probability.
    pub fn chance(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Draws a number in 0..1.
    pub fn unit(&self) -> f64 {
        let n = self.draws.fetch_add(1, Ordering::Relaxed);
        (mix(self.seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
