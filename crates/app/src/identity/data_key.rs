//! The key of a workspace's private data, wrapped by the deployment's master key (AES-256-GCM, NIST SP 800-38D).

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use domain::{
    ids::{IdSource, WorkspaceId},
    problem::ErrorCode,
};

use crate::{AppError, Result};

/// Bytes of the nonce, which stands before the wrapped key.
const NONCE: usize = 12;

/// A new random key, wrapped. The workspace's id is bound to it: moved to another row it does not open.
pub(super) fn generate(master: &[u8; 32], workspace: WorkspaceId, ids: &dyn IdSource) -> Result<Vec<u8>> {
    let (mut key, mut nonce) = ([0; 32], [0; NONCE]);
    ids.fill(&mut key);
    ids.fill(&mut nonce);
    let bound_to = workspace.uuid();
    let payload = Payload {
        msg: &key,
        aad: bound_to.as_bytes(),
    };
    let wrapped = Aes256Gcm::new(master.into())
        .encrypt(&nonce.into(), payload)
        .map_err(|_| AppError::new(ErrorCode::Internal, "the workspace's key could not be wrapped"))?;
    Ok([nonce.as_slice(), &wrapped].concat())
}

/// Unwraps a workspace's key.
pub(super) fn unwrap(master: &[u8; 32], workspace: WorkspaceId, stored: &[u8]) -> Result<[u8; 32]> {
    let failed = || {
        AppError::new(
            ErrorCode::Internal,
            "the workspace's key does not open with this master key",
        )
    };
    let (nonce, wrapped) = stored.split_at_checked(NONCE).ok_or_else(failed)?;
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| failed())?;
    let bound_to = workspace.uuid();
    let payload = Payload {
        msg: wrapped,
        aad: bound_to.as_bytes(),
    };
    let key = Aes256Gcm::new(master.into())
        .decrypt(&nonce.into(), payload)
        .map_err(|_| failed())?;
    key.try_into().map_err(|_| failed())
}
