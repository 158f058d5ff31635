//! What the service remembers, in memory, and the right rules about it. No HTTP here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

/// A registered person. Passwords are kept as they are: nothing here is anybody's secret.
#[derive(Clone, Debug)]
pub struct User {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub password: String,
    pub role: String,
    pub bio: String,
}

/// A note: private, shared with named users, or public.
#[derive(Clone, Debug)]
pub struct Note {
    pub id: String,
    pub seq: u64,
    pub owner: u64,
    pub title: String,
    pub body: String,
    pub version: u64,
    pub public: bool,
    pub readers: BTreeSet<u64>,
    pub deleted: bool,
}

/// A project and its tasks.
#[derive(Clone, Debug)]
pub struct Project {
    pub id: u64,
    pub owner: u64,
    pub name: String,
    pub tasks: BTreeMap<u64, String>,
    /// Who accepted an invitation and may read it.
    pub members: BTreeSet<u64>,
}

/// Work done later: an export or a computation.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: u64,
    pub owner: u64,
    pub export: bool,
    pub file: String,
    pub status: &'static str,
    pub result: String,
}

/// One open socket.
#[derive(Debug)]
pub struct Socket {
    pub user: u64,
    pub session: String,
    pub resume: String,
    pub notes: BTreeSet<String>,
    pub seq: u64,
    pub frames: mpsc::Sender<String>,
}

/// Frames kept for a client that comes back.
#[derive(Debug)]
pub struct Left {
    pub user: u64,
    pub frames: VecDeque<String>,
}

/// Everything.
#[derive(Debug)]
pub struct Store {
    rng: ChaCha8Rng,
    next: u64,
    pub users: BTreeMap<u64, User>,
    pub gone: HashMap<String, u64>,
    pub sessions: BTreeMap<String, u64>,
    pub notes: BTreeMap<u64, Note>,
    /// Number of each note by its public id.
    note_ids: HashMap<String, u64>,
    pub projects: BTreeMap<u64, Project>,
    /// Open invitations: project and the invited.
    pub invitations: BTreeMap<u64, (u64, u64)>,
    pub jobs: BTreeMap<u64, Job>,
    pub slots: HashMap<u64, usize>,
    /// Recipient, note and text.
    pub notices: Vec<(u64, String, String)>,
    pub sockets: BTreeMap<u64, Socket>,
    pub left: HashMap<String, Left>,
    pub last_subscriptions: BTreeSet<String>,
    /// What the faulty caches, buffers and globals hold; untouched while nothing is planted.
    pub spoiled: Spoiled,
}

/// State that only planted faults read.
#[derive(Debug, Default)]
pub struct Spoiled {
    pub pages: HashMap<String, (u16, String)>,
    pub buffer: String,
    pub answer: Option<(u64, String)>,
    pub parsed: String,
    pub title: String,
    pub email: String,
    pub cookie: String,
    pub result: String,
    pub connections: HashMap<u16, u64>,
    pub static_files: HashMap<String, String>,
}

impl Store {
    /// An empty store whose ids and tokens follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            next: 1,
            users: BTreeMap::new(),
            gone: HashMap::new(),
            sessions: BTreeMap::new(),
            notes: BTreeMap::new(),
            note_ids: HashMap::new(),
            projects: BTreeMap::new(),
            invitations: BTreeMap::new(),
            jobs: BTreeMap::new(),
            slots: HashMap::new(),
            notices: Vec::new(),
            sockets: BTreeMap::new(),
            left: HashMap::new(),
            last_subscriptions: BTreeSet::new(),
            spoiled: Spoiled::default(),
        }
    }

    /// The next number of the sequence shared by all numbered things.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// 32 random hexadecimal digits.
    pub fn token(&mut self) -> String {
        format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())
    }

    /// A note by its public id, deleted ones included.
    pub fn note(&self, id: &str) -> Option<&Note> {
        self.notes.get(self.note_ids.get(id)?)
    }

    /// The same, to change it.
    pub fn note_mut(&mut self, id: &str) -> Option<&mut Note> {
        self.notes.get_mut(self.note_ids.get(id)?)
    }

    /// Keeps a new note.
    pub fn keep(&mut self, note: Note) {
        self.note_ids.insert(note.id.clone(), note.seq);
        self.notes.insert(note.seq, note);
    }

    /// A user by his exact name.
    pub fn user_named(&self, name: &str) -> Option<&User> {
        self.users.values().find(|user| user.name == name)
    }
}

impl Note {
    /// The rule: the owner, those it is shared with, and everybody when it is public.
    pub fn readable_by(&self, user: u64) -> bool {
        !self.deleted && (self.owner == user || self.public || self.readers.contains(&user))
    }
}
