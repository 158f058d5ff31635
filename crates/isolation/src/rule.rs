//! The rules: what each one forbids. Their ids are stable and stand in reports, waivers and the manual.

use std::fmt;

macro_rules! rules {
    ($($name:ident = $id:literal, $what:literal;)+) => {
        /// One way in which isolation can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $(#[doc = $what] $name),+ }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Stable name.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }

            /// What the rule says has happened when it is broken.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what),+ }
            }
        }
    };
}

rules! {
    AccessRead = "access.read", "somebody read what is somebody else's by its id";
    AccessWrite = "access.write", "somebody changed what is somebody else's";
    AccessDelete = "access.delete", "somebody deleted what is somebody else's";
    AccessAnonymous = "access.anonymous", "private content was given without a login";
    AccessAdmin = "access.admin", "an operation for administrators worked for somebody else";
    AccessOwnerField = "access.owner-field", "an owner or role sent in a body was believed";
    AccessMovedId = "access.moved-id", "a foreign id in a query, header or body opened what its path did not";
    AccessView = "access.view", "a view of one's own showed somebody else's content";
    NestingParent = "nesting.parent", "a foreign child was reached through one's own parent";
    NestingList = "nesting.list", "the children of a foreign parent were listed";
    NestingCreate = "nesting.create", "a child was put into a foreign parent";
    PagingList = "paging.list", "a list or one of its pages held somebody else's content";
    PagingCursor = "paging.cursor", "somebody else's cursor opened his pages";
    SearchContent = "search.content", "search gave somebody else's content";
    SearchOracle = "search.oracle", "search answers differently for words that only somebody else has written";
    OracleExists = "oracle.exists", "a foreign id can be told from one that never existed";
    OracleConflict = "oracle.conflict", "a conflict tells that somebody else has used a name";
    LifetimeDeleted = "lifetime.deleted", "deleted content came back";
    LifetimeLogout = "lifetime.logout", "a credential worked after its logout";
    LifetimeRevoked = "lifetime.revoked", "a right worked after it was taken back";
    LifetimeAccount = "lifetime.account", "a credential worked after its account was deleted";
    LifetimeRecreated = "lifetime.recreated", "a new account found what its namesake had left";
    CacheHeaders = "cache.headers", "a private answer says that shared caches may keep it";
    CacheSecond = "cache.second", "an answer to one was repeated to another who asked the same";
    CacheValidator = "cache.validator", "a validator of somebody else's answer was confirmed";
    CacheSuffix = "cache.suffix", "a path with a file's suffix gave a private answer to others";
    BufferTail = "buffer.tail", "an answer held remains of somebody else's";
    PoolAnswer = "pool.answer", "somebody got the answer meant for somebody else";
    PoolConnection = "pool.connection", "the user of a connection was taken for the one before him";
    PoolSession = "pool.session", "two logins were given the same session";
    SocketForeign = "socket.foreign", "a subscription to what is somebody else's delivered it";
    SocketBroadcast = "socket.broadcast", "a socket delivered what it never subscribed to";
    SocketSlot = "socket.slot", "a new socket got what the one before it had subscribed to";
    SocketResume = "socket.resume", "somebody else's resume token was honoured";
    SocketOrder = "socket.order", "frames were lost, doubled or out of order";
    SocketLifetime = "socket.lifetime", "a socket delivered after its right had ended";
    ExportContent = "export.content", "an export held somebody else's content";
    NonInterference = "noninterference.view", "somebody's view moved by others' work";
    NoiseLimit = "noise.limit", "one user's load made another one's requests fail";
    NoiseLatency = "noise.latency", "one user's load took another one's latency over its objective";
    BaselineSlots = "baseline.slots", "failed work kept its slot";
    BaselineGauge = "baseline.gauge", "a gauge did not return to where it was";
    LookalikeCase = "lookalike.case", "names that differ in case share data";
    LookalikeUnicode = "lookalike.unicode", "names that differ in Unicode form share data";
    LookalikeSpace = "lookalike.space", "names that differ in white space share data";
    ErrorLeak = "error.leak", "an error held somebody else's content";
    HeaderLeak = "header.leak", "a header held somebody else's content or credential";
    PublicLeak = "public.leak", "a public page held private content";
    ReadbackExact = "readback.exact", "what was read back is not what was written";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
