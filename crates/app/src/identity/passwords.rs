//! Hashing and checking passwords, on a few threads of their own with a bounded queue.
//!
//! The threads run at low priority: a wave of sign-ins takes the processor time that other requests leave.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use domain::problem::{ErrorCode, Extension};
use tokio::sync::oneshot;

use super::{config::PasswordConfig, secrets::Secret};
use crate::{AppError, Result};

/// Added to the threads' nice value, the most there is: a sixtieth of the weight of an ordinary thread.
const NICE: i32 = 19;
/// What a hash is called in a trace.
pub(super) const HASH: &str = "hash the password";
/// What a check is called in a trace.
pub(super) const CHECK: &str = "check the password";
/// Seconds after which a caller who was turned away may come again.
const RETRY_AFTER_SECONDS: u64 = 2;

/// What a check of a password found.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Whether the password is the right one.
    pub matches: bool,
    /// A hash by today's parameters, where the stored one is by others.
    pub upgraded: Option<String>,
}

struct Job {
    password: Secret,
    work: Work,
}

enum Work {
    Hash {
        salt: [u8; 16],
        answer: oneshot::Sender<Option<String>>,
    },
    Check {
        stored: Option<String>,
        salt: [u8; 16],
        answer: oneshot::Sender<Verdict>,
    },
}

/// The threads that hash. Dropping the last handle ends them.
pub(super) struct PasswordPool {
    jobs: Sender<Job>,
}

/// Today's parameters.
struct Hasher {
    argon2: Argon2<'static>,
    /// How hashes by these parameters begin.
    prefix: String,
    /// A well-formed hash by these parameters that no password has, for names that do not exist.
    nobody: String,
}

impl PasswordPool {
    /// Starts the threads.
    pub(super) fn start(config: &PasswordConfig) -> Result<Self> {
        let hasher = Arc::new(Hasher::new(config)?);
        let (jobs, queue) = crossbeam_channel::bounded(config.queue.max(1));
        for number in 0..config.threads.max(1) {
            let (hasher, queue) = (hasher.clone(), queue.clone());
            let thread = std::thread::Builder::new().name(format!("password-{number}"));
            thread.spawn(move || hasher.work(&queue)).map_err(|error| {
                AppError::new(
                    ErrorCode::Internal,
                    format!("cannot start a thread for password hashing: {error}"),
                )
            })?;
        }
        Ok(Self { jobs })
    }

    /// Hashes and checks that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Hashes a new password.
    pub(super) async fn hash(&self, password: Secret, salt: [u8; 16]) -> Result<String> {
        let (answer, hash) = oneshot::channel();
        self.send(Job {
            password,
            work: Work::Hash { salt, answer },
        })?;
        hash.await
            .ok()
            .flatten()
            .ok_or_else(|| AppError::new(ErrorCode::Internal, "the password could not be hashed"))
    }

    /// Checks a password; without a stored hash the same work is done and the answer is no.
    pub(super) async fn check(
        &self,
        password: Secret,
        stored: Option<String>,
        salt: [u8; 16],
    ) -> Result<Verdict> {
        let (answer, verdict) = oneshot::channel();
        self.send(Job {
            password,
            work: Work::Check { stored, salt, answer },
        })?;
        verdict
            .await
            .map_err(|_| AppError::new(ErrorCode::Internal, "the password could not be checked"))
    }

    fn send(&self, job: Job) -> Result<()> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                AppError::new(ErrorCode::Unavailable, "too many sign-ins are waiting; try again")
                    .with(Extension::RetryAfterSeconds, RETRY_AFTER_SECONDS)
            }
            TrySendError::Disconnected(_) => {
                AppError::new(ErrorCode::Internal, "the password threads have ended")
            }
        })
    }
}

impl Hasher {
    fn new(config: &PasswordConfig) -> Result<Self> {
        let params = Params::new(config.memory_kib, config.passes, config.lanes, None).map_err(|error| {
            AppError::new(
                ErrorCode::Internal,
                format!("the parameters of password hashing make no sense: {error}"),
            )
        })?;
        let prefix = format!(
            "$argon2id$v=19$m={},t={},p={}$",
            config.memory_kib, config.passes, config.lanes
        );
        let nobody = format!("{prefix}{}${}", "A".repeat(22), "A".repeat(43));
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            prefix,
            nobody,
        })
    }

    fn work(&self, queue: &Receiver<Job>) {
        lower_priority();
        while let Ok(Job { password, work }) = queue.recv() {
            match work {
                // Nobody waits any more: the client left, so the work would be for nothing.
                Work::Hash { answer, .. } if answer.is_closed() => {}
                Work::Check { answer, .. } if answer.is_closed() => {}
                Work::Hash { salt, answer } => drop(answer.send(self.hash(&password, salt))),
                Work::Check { stored, salt, answer } => {
                    drop(answer.send(self.check(&password, stored, salt)))
                }
            }
        }
    }

    fn hash(&self, password: &Secret, salt: [u8; 16]) -> Option<String> {
        let hash = self
            .argon2
            .hash_password_with_salt(password.reveal().as_bytes(), &salt);
        hash.ok().map(|hash| hash.to_string())
    }

    fn check(&self, password: &Secret, stored: Option<String>, salt: [u8; 16]) -> Verdict {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let matches = self.verify(password.reveal().as_bytes(), &stored) && known;
        let old = matches && !stored.starts_with(&self.prefix);
        Verdict {
            matches,
            upgraded: if old { self.hash(password, salt) } else { None },
        }
    }

    fn verify(&self, password: &[u8], stored: &str) -> bool {
        if stored.starts_with("$2") {
            return bcrypt::verify(password, stored).unwrap_or(false);
        }
        // The stored hash names its own parameters; ours do not matter here.
        self.argon2.verify_password(password, stored).is_ok()
    }
}

/// Asks the system to prefer other threads. Where it cannot, hashing still works.
fn lower_priority() {
    // On Linux "this process" means the calling thread.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "password hashing runs at ordinary priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(queue: usize) -> PasswordConfig {
        PasswordConfig {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
            threads: 1,
            queue,
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_matches_and_no_other_does() {
        let pool = PasswordPool::start(&config(8)).unwrap();
        let hash = pool.hash(secret("correct horse"), [1; 16]).await.unwrap();
        let right = pool
            .check(secret("correct horse"), Some(hash.clone()), [2; 16])
            .await
            .unwrap();
        assert!(right.matches && right.upgraded.is_none());
        assert!(
            !pool
                .check(secret("wrong horse"), Some(hash), [2; 16])
                .await
                .unwrap()
                .matches
        );
        assert!(
            !pool
                .check(secret("correct horse"), None, [2; 16])
                .await
                .unwrap()
                .matches
        );
    }

    #[tokio::test]
    async fn hashes_by_bcrypt_and_by_other_parameters_match_and_are_upgraded() {
        let pool = PasswordPool::start(&config(8)).unwrap();
        let stronger = PasswordPool::start(&PasswordConfig {
            passes: 2,
            ..config(8)
        })
        .unwrap();
        let imported = bcrypt::hash("correct horse", 4).unwrap();
        let weaker = pool.hash(secret("correct horse"), [1; 16]).await.unwrap();
        for old in [imported, weaker] {
            let verdict = stronger
                .check(secret("correct horse"), Some(old.clone()), [3; 16])
                .await
                .unwrap();
            let upgraded = verdict.upgraded.expect("an upgraded hash");
            assert!(verdict.matches && upgraded.starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
            assert!(
                stronger
                    .check(secret("correct horse"), Some(upgraded), [3; 16])
                    .await
                    .unwrap()
                    .matches
            );
            let wrong = stronger
                .check(secret("wrong horse"), Some(old), [3; 16])
                .await
                .unwrap();
            assert!(!wrong.matches && wrong.upgraded.is_none());
        }
    }

    #[test]
    fn the_hash_of_nobody_is_well_formed_so_that_checking_it_costs_the_same() {
        let hasher = Hasher::new(&config(1)).unwrap();
        let parsed = argon2::password_hash::phc::PasswordHash::new(&hasher.nobody).unwrap();
        assert_eq!(parsed.hash.unwrap().as_ref().len(), 32);
    }

    #[tokio::test]
    async fn a_full_queue_turns_callers_away() {
        let (jobs, queue) = crossbeam_channel::bounded(1);
        let pool = PasswordPool { jobs };
        let (answer, _hash) = oneshot::channel();
        pool.send(Job {
            password: secret("x"),
            work: Work::Hash {
                salt: [0; 16],
                answer,
            },
        })
        .unwrap();
        let refused = pool.hash(secret("x"), [0; 16]).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        drop(queue);
    }
}
