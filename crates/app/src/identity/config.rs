//! What the operator decides about identity, with defaults.

use std::{fmt, num::NonZeroUsize, time::Duration};

use domain::{credits::CostTable, tier::Tier};

use super::{guard::SignInLimits, secrets::Secret};

/// What the operator decides about identity, limits and credits.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// How passwords are hashed.
    pub passwords: PasswordConfig,
    /// How many failed sign-ins are borne.
    pub sign_in: SignInLimits,
    /// Key that signs bearer tokens. Default: generated once and kept in the database. Changing it ends all tokens.
    pub token_key: Option<Secret>,
    /// Key that wraps the workspaces' data keys.
    pub master_key: MasterKey,
    /// Life of a bearer token. Default: 15 min.
    pub token_life: Duration,
    /// Life of a session and of its refresh tokens. Default: 30 days.
    pub session_life: Duration,
    /// Tier of new workspaces. Default: `basic`.
    pub default_tier: Tier,
    /// What operations cost. Default: nothing.
    pub costs: CostTable,
}

/// The key above all others. Its `Debug` shows nothing of it.
#[derive(Clone, Copy)]
pub struct MasterKey(pub [u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl IdentityConfig {
    /// The defaults, with the key that wraps the workspaces' data keys.
    #[must_use]
    pub fn new(master_key: [u8; 32]) -> Self {
        Self {
            passwords: PasswordConfig::default(),
            sign_in: SignInLimits::default(),
            token_key: None,
            master_key: MasterKey(master_key),
            token_life: Duration::from_secs(15 * 60),
            session_life: Duration::from_secs(30 * 24 * 3600),
            default_tier: Tier::Basic,
            costs: CostTable::default(),
        }
    }
}

/// How passwords are hashed (Argon2id, RFC 9106), and by how many threads.
#[derive(Clone, Debug)]
pub struct PasswordConfig {
    /// Memory per hash in KiB. Default: 19456 (19 MiB).
    pub memory_kib: u32,
    /// Passes over the memory. Default: 2.
    pub passes: u32,
    /// Lanes. Default: 1.
    pub lanes: u32,
    /// Threads that hash. Default: one per two cores, at least one.
    pub threads: usize,
    /// Hashes that may wait before callers are turned away. Default: 64.
    pub queue: usize,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            threads: (cores / 2).max(1),
            queue: 64,
        }
    }
}
