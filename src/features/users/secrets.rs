//! Hashing and checking of secrets: argon2id, off the worker threads, two at a time.
//!
//! One hash takes 19 MiB (RFC 9106's second choice as OWASP has it): a flood of sign-ins must queue, not fill the memory.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::model::Secret;
use crate::platform::error::{Code, Error, Result};

static PERMITS: Semaphore = Semaphore::const_new(2);
/// Waiting longer than this, a client is better told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// A turn at hashing.
pub struct Turn(SemaphorePermit<'static>);

/// Waits for a turn.
pub async fn turn() -> Result<Turn> {
    match tokio::time::timeout(PATIENCE, PERMITS.acquire()).await {
        Ok(Ok(permit)) => Ok(Turn(permit)),
        _ => Err(Error::RefusedFor(Code::TooManyRequests, 2)),
    }
}

/// The argon2id hash of a secret, as a PHC string.
pub async fn hash(secret: &Secret) -> Result<String> {
    let (turn, secret) = (turn().await?, secret.reveal().to_owned());
    tokio::task::spawn_blocking(move || {
        let _turn = turn.0;
        hashed(secret.as_bytes())
    })
    .await
    .context("hashing")?
}

/// Whether the secret is the one that was hashed. Without a hash it takes as long and is false. The turn comes back, so that
/// a failure is counted before the next one is checked.
pub async fn verify(turn: Turn, hash: Option<String>, secret: &Secret) -> Result<(bool, Turn)> {
    let secret = secret.reveal().to_owned();
    tokio::task::spawn_blocking(move || {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => nobodys()?.to_owned(),
        };
        let same = PasswordVerifier::<str>::verify_password(&Argon2::default(), secret.as_bytes(), &hash).is_ok();
        // The turn is in here to the end of the work, even when the request goes away.
        Ok((same && known, turn))
    })
    .await
    .context("hashing")?
}

fn hashed(secret: &[u8]) -> Result<String> {
    let hash = Argon2::default().hash_password(secret).map_err(|cause| anyhow::anyhow!("hashing: {cause}"))?;
    Ok(hash.to_string())
}

/// The hash of a secret that nobody knows.
fn nobodys() -> Result<&'static str> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash);
    }
    let hash = hashed(random()?.reveal().as_bytes())?;
    Ok(HASH.get_or_init(|| hash))
}

/// 256 random bits as 43 characters that need no escaping anywhere.
pub fn random() -> Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|cause| anyhow::anyhow!("random numbers: {cause}"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_hashed_secret_verifies_and_nobodys_never_does() {
        let secret = random().unwrap();
        let stored = hash(&secret).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(turn().await.unwrap(), Some(stored.clone()), &secret).await.unwrap().0);
        assert!(!verify(turn().await.unwrap(), Some(stored), &random().unwrap()).await.unwrap().0);
        assert!(!verify(turn().await.unwrap(), None, &secret).await.unwrap().0);
    }
}
