//! How lists are cut into pages: the bounds of `limit` and `offset`, and the opaque cursor.
//!
//! A cursor names the last entry seen by its sort key and id. It grants nothing: whoever invents one still sees only
//! what the query lets the caller see, so it carries no signature.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{problem::FieldError, time::Timestamp};

/// Entries per page if the caller does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// Most entries per page.
pub const MAX_LIMIT: u32 = 1_000;
/// Largest `offset`; beyond it only the cursor goes on.
pub const MAX_OFFSET: u32 = 10_000;
/// Longest cursor text accepted.
const MAX_CURSOR_LENGTH: usize = 1_024;
/// First byte of every cursor; changes when the layout does.
const CURSOR_VERSION: u8 = 1;

/// The place after which a page begins: the sort key and the id of the last entry before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key in a text form whose meaning belongs to the list.
    pub key: String,
    /// The id that breaks ties between equal sort keys.
    pub id: String,
}

impl Cursor {
    /// A cursor after the entry with this sort key and id.
    pub fn new(key: impl ToString, id: impl ToString) -> Self {
        Self {
            key: key.to_string(),
            id: id.to_string(),
        }
    }

    /// A cursor in a list sorted by time.
    pub fn at(moment: Timestamp, id: impl ToString) -> Self {
        Self::new(moment.micros(), id)
    }

    /// The opaque text: base64url of version, length of the key, key, id.
    #[must_use]
    pub fn encode(&self) -> String {
        let length = u16::try_from(self.key.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![CURSOR_VERSION];
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.key.as_bytes()[..usize::from(length)]);
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor that came from [`Self::encode`].
    ///
    /// # Errors
    /// A field error about `field` if the text is no cursor of this version.
    pub fn decode(field: &str, text: &str) -> Result<Self, FieldError> {
        Self::read(text).ok_or_else(|| malformed(field))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_CURSOR_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, rest) = bytes.split_at_checked(3)?;
        let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
        let (key, id) = rest.split_at_checked(length)?;
        // No sort key or id holds U+0000, and PostgreSQL takes none as an argument.
        if head[0] != CURSOR_VERSION || id.is_empty() || rest.contains(&0) {
            return None;
        }
        Some(Self {
            key: String::from_utf8(key.to_vec()).ok()?,
            id: String::from_utf8(id.to_vec()).ok()?,
        })
    }

    /// The sort key as a moment, for lists sorted by time.
    ///
    /// # Errors
    /// A field error about `cursor` if this cursor belongs to a list of another kind.
    pub fn moment(&self) -> Result<Timestamp, FieldError> {
        self.key
            .parse()
            .map(Timestamp::from_micros)
            .map_err(|_| malformed("cursor"))
    }

    /// The id as its own type.
    ///
    /// # Errors
    /// A field error about `cursor` if this cursor belongs to a list of another kind.
    pub fn id<T: FromStr>(&self) -> Result<T, FieldError> {
        self.id.parse().map_err(|_| malformed("cursor"))
    }
}

fn malformed(field: &str) -> FieldError {
    FieldError::new(
        field,
        "malformed_cursor",
        "is not a cursor of this list: pass `next_cursor` of the page before unchanged",
    )
}

/// Which page is wanted, within the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Most entries on the page, 1 to 1000.
    pub limit: u32,
    /// Where the page begins, if not at the start.
    pub after: Option<Cursor>,
    /// Entries to skip, at most 10,000; zero if a cursor is given.
    pub offset: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            after: None,
            offset: 0,
        }
    }
}

impl PageRequest {
    /// Checks what the caller asked for.
    ///
    /// # Errors
    /// A field error for `limit` outside 1 to 1000, `offset` over 10,000, a malformed `cursor`, or cursor and offset together.
    pub fn new(
        limit: Option<u64>,
        cursor: Option<&str>,
        offset: Option<u64>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut page = Self::default();
        if let Some(limit) = limit {
            match u32::try_from(limit) {
                Ok(limit @ 1..=MAX_LIMIT) => page.limit = limit,
                _ => errors.push(FieldError::new(
                    "limit",
                    "out_of_range",
                    format!("must be 1 to {MAX_LIMIT}"),
                )),
            }
        }
        if let Some(offset) = offset {
            match u32::try_from(offset) {
                Ok(offset @ 0..=MAX_OFFSET) => page.offset = offset,
                _ => {
                    let message = format!("must be at most {MAX_OFFSET}: use `cursor` to go on");
                    errors.push(FieldError::new("offset", "out_of_range", message));
                }
            }
        }
        match cursor.map(|text| Cursor::decode("cursor", text)) {
            Some(Ok(_)) if page.offset > 0 => {
                errors.push(FieldError::new(
                    "offset",
                    "not_together",
                    "cannot be combined with `cursor`",
                ));
            }
            Some(Ok(cursor)) => page.after = Some(cursor),
            Some(Err(error)) => errors.push(error),
            None => {}
        }
        if errors.is_empty() { Ok(page) } else { Err(errors) }
    }

    /// Rows a query must fetch: one more than the page, to learn whether another follows.
    #[must_use]
    pub const fn rows(&self) -> i64 {
        self.limit as i64 + 1
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub data: Vec<T>,
    /// Where the next page begins; absent on the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts the [`PageRequest::rows`] fetched to the page and names the place where the next begins.
    pub fn cut(mut rows: Vec<T>, request: &PageRequest, cursor_of: impl Fn(&T) -> Cursor) -> Self {
        let limit = request.limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more {
            rows.last().map(cursor_of)
        } else {
            None
        };
        Self { data: rows, next }
    }

    /// Whether another page follows.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.next.is_some()
    }

    /// The same page with every entry changed by `change`.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}
