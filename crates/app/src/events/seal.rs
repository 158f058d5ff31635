//! Private payloads: sealed with the workspace's data key (AES-256-GCM, NIST SP 800-38D), opened for their owner only.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use domain::{ids::EventId, problem::ErrorCode};
use serde_json::{Map, Value};
use store::events::Event;

use crate::{App, AppError, Ctx, Result};

/// Bytes of the nonce, which stands before the sealed text.
const NONCE: usize = 12;

fn failed(message: &'static str) -> AppError {
    AppError::new(ErrorCode::Internal, message)
}

impl App {
    /// Seals a payload. The event's id is bound to it: moved to another row it does not open.
    pub(super) async fn seal(&self, ctx: &Ctx, id: EventId, data: &Map<String, Value>) -> Result<Vec<u8>> {
        let key = self.workspace_facts(ctx).await?.data_key;
        let text = serde_json::to_vec(data).map_err(|_| failed("the payload could not be sealed"))?;
        let mut nonce = [0; NONCE];
        self.ids().fill(&mut nonce);
        let bound = id.uuid();
        let payload = Payload {
            msg: &text,
            aad: bound.as_bytes(),
        };
        let sealed = Aes256Gcm::new((&key).into())
            .encrypt(&nonce.into(), payload)
            .map_err(|_| failed("the payload could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a sealed payload of the caller's workspace.
    pub(super) async fn unseal(&self, ctx: &Ctx, id: EventId, sealed: &[u8]) -> Result<Map<String, Value>> {
        let broken = || failed("the payload does not open with the workspace's key");
        let key = self.workspace_facts(ctx).await?.data_key;
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or_else(broken)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| broken())?;
        let bound = id.uuid();
        let payload = Payload {
            msg: sealed,
            aad: bound.as_bytes(),
        };
        let text = Aes256Gcm::new((&key).into())
            .decrypt(&nonce.into(), payload)
            .map_err(|_| broken())?;
        serde_json::from_slice(&text).map_err(|_| broken())
    }

    /// Makes the sealed payloads among the caller's own events readable, and hides the further items of others' events.
    pub(super) async fn open_events(&self, ctx: &Ctx, mut events: Vec<Event>) -> Result<Vec<Event>> {
        for event in &mut events {
            // Another workspace's event shows the item it is seen through; whether the caller may know of the others
            // is not its author's to say.
            if event.workspace_id != ctx.workspace() {
                event.items.clear();
            }
            let Some(sealed) = event.sealed.take() else {
                continue;
            };
            // The store gives nobody another workspace's private event.
            event.data = Some(self.unseal(ctx, event.id, &sealed).await?);
        }
        Ok(events)
    }
}
