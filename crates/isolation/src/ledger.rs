//! Who wrote what, and who may see it: the memory by which an answer is judged.
//!
//! Unknown text never alarms. A secret that somebody has sent himself is known to him: an echo of it is no finding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::exchange::Exchange;
use crate::scan::{Form, Scanner};

/// Number of a principal within a run.
pub type Who = usize;

/// Number of an object within a run.
pub type ObjectId = usize;

/// Length of a canary; `fg` and 18 characters of 32 are 90 random bits.
pub const CANARY: usize = 20;

const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstvwxyz0123456789";

/// Makes a fresh canary.
pub fn canary(rng: &mut ChaCha8Rng) -> String {
    let random = (0..CANARY - 2).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
    "fg".chars().chain(random).collect()
}

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A canary in an object's field.
    Content,
    /// A session, token or cookie.
    Credential,
    /// An unguessable id or name that others have no reason to know.
    Name,
    /// An e-mail address.
    Address,
}

/// One secret.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The text.
    pub text: String,
    /// What it is.
    pub kind: Kind,
    /// Who wrote it or owns it.
    pub writer: Who,
    /// The object it is part of.
    pub object: Option<ObjectId>,
    /// It was written into somebody else's object by way of attack.
    pub attack: bool,
    /// Who has sent it himself.
    known_to: BTreeSet<Who>,
}

/// Who may see an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody, without a login too.
    Everybody,
    /// Everybody with a login.
    Users,
    /// These.
    Only(BTreeSet<Who>),
}

/// One object, as far as judgement needs it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who made it.
    pub owner: Who,
    /// Number of its resource in the configuration; `None` for profiles.
    pub resource: Option<usize>,
    /// Who may see it.
    pub audience: Audience,
    /// When it was deleted.
    pub deleted: Option<Instant>,
    /// Whose right was taken back, and when.
    pub revoked: BTreeMap<Who, Instant>,
    /// The exchange that made it: half of the proof.
    pub made: Option<Arc<Exchange>>,
}

/// Why a secret should not have been where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// The viewer never had a right to it.
    Foreign,
    /// It had been deleted.
    Deleted,
    /// The viewer's right had been taken back.
    Revoked,
}

/// All secrets and objects of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    /// All secrets.
    pub secrets: Vec<Secret>,
    /// All objects.
    pub objects: Vec<Entry>,
    scanner: Scanner,
    /// Principals that may see everything.
    pub all_seeing: BTreeSet<Who>,
    /// Time after which a deletion or revocation must be seen.
    pub grace: Duration,
    /// Addresses are no secret among users.
    pub names_are_known: bool,
}

impl Ledger {
    /// Registers an object and returns its number.
    pub fn object(&mut self, owner: Who, resource: Option<usize>, audience: Audience) -> ObjectId {
        self.objects.push(Entry {
            owner,
            resource,
            audience,
            deleted: None,
            revoked: BTreeMap::new(),
            made: None,
        });
        self.objects.len() - 1
    }

    /// Registers a secret. Empty and short credentials are not worth looking for and are left out.
    pub fn register(&mut self, text: &str, kind: Kind, writer: Who, object: Option<ObjectId>) {
        self.add(text, kind, writer, object, false);
    }

    /// Registers a canary that is going to be written into somebody else's object.
    pub fn register_attack(&mut self, text: &str, writer: Who) {
        self.add(text, Kind::Content, writer, None, true);
    }

    fn add(&mut self, text: &str, kind: Kind, writer: Who, object: Option<ObjectId>, attack: bool) {
        let index = self.secrets.len();
        match kind {
            Kind::Content => self.scanner.add_canary(index, text),
            _ => self.scanner.add_exact(index, text),
        }
        let known_to = BTreeSet::from([writer]);
        self.secrets.push(Secret {
            text: text.to_owned(),
            kind,
            writer,
            object,
            attack,
            known_to,
        });
    }

    /// Notes what a principal sends: from now on he knows it.
    pub fn heard(&mut self, who: Option<Who>, text: &[u8]) {
        let Some(who) = who else { return };
        for (secret, _) in self.scanner.scan(text) {
            self.secrets[secret].known_to.insert(who);
        }
    }

    /// Notes that an attacker's text was seen in a victim's object: it stays there, and need not alarm again.
    pub fn stained(&mut self, secret: usize, viewer: Option<Who>) {
        let secret = &mut self.secrets[secret];
        if let Some(viewer) = viewer.filter(|_| secret.attack) {
            secret.known_to.insert(viewer);
        }
    }

    /// Every secret in a text, with its form.
    pub fn scan(&self, text: &[u8]) -> Vec<(usize, Form)> {
        self.scanner.scan(text)
    }

    /// Says whether the viewer may not see the secret, and why.
    ///
    /// `sent` is when the request left: a right that ended later, or within the grace time before, still held. Without
    /// `ended` it does not matter that something was deleted or a right taken back: feeds and notifications may
    /// lawfully tell of the past.
    pub fn judge(&self, secret: usize, viewer: Option<Who>, sent: Instant, ended: bool) -> Option<Breach> {
        let secret = &self.secrets[secret];
        if viewer.is_some_and(|viewer| self.all_seeing.contains(&viewer)) {
            return None;
        }
        let over = |end: &Instant| *end + self.grace < sent;
        let entry = secret.object.map(|object| &self.objects[object]);
        let known = viewer.is_some_and(|viewer| secret.known_to.contains(&viewer));
        if ended && entry.is_some_and(|entry| entry.deleted.as_ref().is_some_and(over)) {
            // Whoever sent it himself, as a search term, may find it echoed; its writer sent it when he wrote it.
            return (!known || viewer == Some(secret.writer)).then_some(Breach::Deleted);
        }
        let revoked = viewer.and_then(|viewer| entry?.revoked.get(&viewer));
        if let Some(end) = revoked {
            return (ended && over(end)).then_some(Breach::Revoked);
        }
        let address = secret.kind == Kind::Address && self.names_are_known && viewer.is_some();
        if known || address {
            return None;
        }
        let allowed = match (entry.map(|entry| &entry.audience), viewer) {
            (Some(Audience::Everybody), _) => true,
            (Some(Audience::Users), viewer) => viewer.is_some(),
            (Some(Audience::Only(members)), Some(viewer)) => members.contains(&viewer),
            _ => false,
        };
        (!allowed).then_some(Breach::Foreign)
    }

    /// Says whether the viewer's own content is in the list of found secrets.
    pub fn has_own(&self, found: &[(usize, Form)], viewer: Option<Who>) -> bool {
        found.iter().any(|(secret, _)| {
            Some(self.secrets[*secret].writer) == viewer && self.secrets[*secret].kind == Kind::Content
        })
    }

    /// Says whether any of an object's canaries is in the list of found secrets.
    pub fn has_object(&self, found: &[(usize, Form)], object: ObjectId) -> bool {
        found.iter().any(|(secret, _)| {
            self.secrets[*secret].object == Some(object) && self.secrets[*secret].kind == Kind::Content
        })
    }
}
