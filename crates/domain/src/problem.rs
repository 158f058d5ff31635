//! What can go wrong, in stable codes: each code's status, title and meaning are declared here, once.
//!
//! The answer's shape (`application/problem+json`, RFC 9457) is the server's; the words in it come from here.

use serde::Serialize;

use crate::words::words;

words! {
    /// A member that a problem may carry besides those every problem has. The set is closed, so that none takes the name
    /// of a member that RFC 9457, or every problem here, gives a meaning of its own.
    Extension, "member of a problem" {
        /// How much the limit allows.
        Allowed = "allowed",
        /// The credits there are.
        Balance = "balance",
        /// Where reading stopped, in the line.
        Column = "column",
        /// The credits it takes.
        Cost = "cost",
        /// The items that the identifiers belong to.
        Dfids = "dfids",
        /// Which entry of a list was refused, counted from 0.
        Index = "index",
        /// Which item of a batch was refused, counted from 0.
        Item = "item",
        /// The name of the limit that is reached.
        Limit = "limit",
        /// The most bytes a body may have.
        LimitBytes = "limit_bytes",
        /// Where reading stopped.
        Line = "line",
        /// The path of what an earlier call made.
        Location = "location",
        /// What was opened for people to resolve.
        PendingItemId = "pending_item_id",
        /// What became of a push.
        PushStatus = "push_status",
        /// When to come back; becomes the header `Retry-After`.
        RetryAfterSeconds = "retry_after_seconds",
        /// How much of the limit is used.
        Used = "used",
    }
}

/// One field that broke a rule; part of a `validation_failed` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field in the request, such as `identifiers[2].value`.
    pub field: String,
    /// Stable code of the broken rule, such as `too_long`.
    pub code: &'static str,
    /// A sentence for people: what is wrong and what is expected. Never repeats a secret.
    pub message: String,
}

impl FieldError {
    /// Makes an error about `field`.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code,
            message: message.into(),
        }
    }
}

/// A word outside a closed set. Its text lists the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{found}`: expected one of {}", known.join(", "))]
pub struct UnknownWord {
    what: &'static str,
    found: String,
    known: &'static [&'static str],
}

impl UnknownWord {
    /// Longest part of the offending word that is shown back, in characters.
    const SHOWN: usize = 64;

    pub(crate) fn new(what: &'static str, found: &str, known: &'static [&'static str]) -> Self {
        Self {
            what,
            found: found.chars().take(Self::SHOWN).collect(),
            known,
        }
    }

    /// The same fact as a field error with the code `unknown_value`.
    pub fn at(&self, field: impl Into<String>) -> FieldError {
        FieldError::new(field, "unknown_value", self.to_string())
    }
}

/// Declares the codes: variant, stable string, HTTP status, title, meaning (which is the documentation too).
macro_rules! error_codes {
    ($($variant:ident = $code:literal, $status:literal, $title:literal, $doc:literal;)+) => {
        /// Every error an answer can carry. Codes are stable; titles and texts may change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { $(#[doc = $doc] $variant),+ }

        impl ErrorCode {
            /// Every code, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The stable string of the `code` member.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $code),+ } }
            /// The HTTP status that goes with the code.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status),+ } }
            /// A short title for people.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title),+ } }
            /// What the code means and what the caller can do; the text of the manual.
            #[must_use]
            pub const fn meaning(self) -> &'static str { match self { $(Self::$variant => $doc),+ } }
        }
    };
}

error_codes! {
    MalformedRequest = "malformed_request", 400, "Malformed request", "The path, the query or a header cannot be read. The message names the part.";
    MalformedJson = "malformed_json", 400, "Malformed JSON", "The body is not JSON. The message says at which line and column reading stopped.";
    Unauthenticated = "unauthenticated", 401, "Not signed in", "No valid credential came with the request: sign in, or send a valid token or API key.";
    InvalidCredentials = "invalid_credentials", 401, "Wrong name or password", "The username is unknown or the password is wrong; which of the two is not told.";
    InsufficientCredits = "insufficient_credits", 402, "Not enough credits", "The operation costs more credits than the balance holds. The answer carries the cost and the balance.";
    Forbidden = "forbidden", 403, "Not allowed", "The caller may see the resource but lacks the permission or scope that is named.";
    CsrfRejected = "csrf_rejected", 403, "CSRF token missing or wrong", "A write with the session cookie needs the CSRF token of that session.";
    AccountNotActive = "account_not_active", 403, "Account not active", "The account is suspended, banned or not yet verified.";
    LimitExceeded = "limit_exceeded", 403, "Limit of the tier reached", "The workspace's tier allows no more. The answer carries the limit's name, what is used and what is allowed.";
    NotFound = "not_found", 404, "Not found", "No such resource exists for this caller. What the caller may not see answers the same.";
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed", "The path exists, but not with this method; `Allow` lists the methods.";
    NotAcceptable = "not_acceptable", 406, "Not acceptable", "None of the media types in `Accept` can be produced.";
    RequestTimeout = "request_timeout", 408, "Request took too long to arrive", "The body did not arrive within its time budget.";
    Conflict = "conflict", 409, "Conflict", "The request contradicts the present state, such as a name that is taken. The message says which.";
    ConflictDetected = "conflict_detected", 409, "Identifiers point to different items", "The identifiers are known under more than one DFID. A pending item was opened for people to resolve it.";
    InvalidTransition = "invalid_transition", 409, "Not possible in this state", "The operation's state does not allow this action, or somebody else acted first.";
    IdempotencyInProgress = "idempotency_in_progress", 409, "Same request still running", "A request with the same idempotency key has not finished. Retry after it has.";
    SecretShown = "secret_shown", 409, "Done before, and its secret was shown then", "The earlier call with this idempotency key did it. Its answer showed a secret and was kept nowhere. `location` names what was made: if the secret was lost, rotate that key.";
    Gone = "gone", 410, "Gone", "The resource existed and has been erased, or a one-time link was used or has expired.";
    PreconditionFailed = "precondition_failed", 412, "Changed meanwhile", "`If-Match` names a version that is no longer the current one. Read again, then retry.";
    PayloadTooLarge = "payload_too_large", 413, "Body too large", "The body exceeds the limit that the message names.";
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type", "The body's `Content-Type` is not one this route reads.";
    ValidationFailed = "validation_failed", 422, "Some fields are not valid", "Each entry of `errors` names a field, the broken rule and what is expected.";
    IdempotencyMismatch = "idempotency_mismatch", 422, "Idempotency key used for another request", "The idempotency key was used within 24 hours with another body. Use a new key.";
    RateLimited = "rate_limited", 429, "Too many requests", "A rate limit is used up. `Retry-After` says when to come back.";
    Internal = "internal", 500, "Internal error", "A defect on our side. Report the `request_id`.";
    IsolationBreach = "isolation_breach", 500, "Answer withheld", "The outgoing guard stopped an answer that held another tenant's data. An incident was opened.";
    UpstreamFailed = "upstream_failed", 502, "Another service failed", "A service this one depends on answered with an error that the message names.";
    Unavailable = "unavailable", 503, "Not available at the moment", "A queue is full or a dependency is away. `Retry-After` says when to try again.";
    DeadlineExceeded = "deadline_exceeded", 503, "Took too long", "The request's time budget ran out before its work was done. Nothing was committed.";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or(())
    }
}
