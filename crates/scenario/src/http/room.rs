//! Memory for large answers: all that are under way in this process have so much together, and no more.
//!
//! A limit for each answer is not enough: a thousand users who are sent answers without end would hold a thousand
//! times the limit. Not here: the limit of one answer ([`super::Limits`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::{Error, Reason};

/// Bytes for all large bodies together. Their buffers may take twice as much while they grow.
const TOGETHER: usize = 1024 * 1024 * 1024;
/// A body up to this size is not counted: nearly none is larger, and counting costs all threads.
const UNCOUNTED: usize = 256 * 1024;
/// Room is taken in such steps.
const STEP: usize = 1024 * 1024;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// What one body has taken; given back when the answer is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Option<Arc<Taken>>);

#[derive(Debug, Default)]
struct Taken(AtomicUsize);

impl Room {
    /// Makes sure that the body may have this many bytes.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`] if all answers together would have too many.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes <= UNCOUNTED {
            return Ok(());
        }
        let taken = self.0.get_or_insert_default();
        let before = taken.0.load(Ordering::Relaxed);
        if bytes <= before {
            return Ok(());
        }
        let more = (bytes - before).next_multiple_of(STEP);
        if TAKEN.fetch_add(more, Ordering::Relaxed) + more > TOGETHER {
            TAKEN.fetch_sub(more, Ordering::Relaxed);
            return Err(Error::new(
                Reason::BodyTooLarge,
                format!("the answers under way hold more than {TOGETHER} bytes together: use fewer users"),
            ));
        }
        taken.0.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.fetch_sub(*self.0.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_room_and_give_it_back() {
        let mut small = Room::default();
        let mut large: Vec<Room> = (0..4).map(|_| Room::default()).collect();
        for room in &mut large {
            room.hold(TOGETHER / 4).unwrap();
            room.hold(TOGETHER / 4).unwrap();
        }
        small.hold(UNCOUNTED).unwrap();
        let refused = small.hold(UNCOUNTED + 1).unwrap_err();
        assert_eq!(refused.reason, Reason::BodyTooLarge);
        let copy = large.pop();
        let still = copy.clone();
        drop(copy);
        small.hold(UNCOUNTED + 1).unwrap_err();
        drop(still);
        small.hold(TOGETHER / 4).unwrap();
        drop((small, large));
        assert_eq!(TAKEN.load(Ordering::Relaxed), 0);
    }
}
