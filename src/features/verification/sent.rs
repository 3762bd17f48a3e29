//! How what a phone sent is known again: a digest of its content rests sealed for its row. Sealed and not keyed, because the content
//! itself is not kept: key rotation can seal a digest anew, and could not compute it anew.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::platform::error::Result;
use crate::platform::seal::{KeyRing, SealError};

/// What digests of visits are sealed for.
pub const VISIT: &str = "visits.digest";
/// What digests of proposals are sealed for.
pub const PROPOSAL: &str = "proposals.digest";

/// The digest of a content as it rests.
pub fn seal(keys: &KeyRing, purpose: &str, id: Uuid, content: &[u8]) -> Result<Vec<u8>> {
    Ok(keys.seal(purpose, id, &Sha256::digest(content))?)
}

/// Whether this very content was sent before.
pub fn is_same(keys: &KeyRing, purpose: &str, id: Uuid, resting: &[u8], content: &[u8]) -> Result<bool> {
    match keys.open(purpose, id, resting) {
        Ok(digest) => Ok(*digest == Sha256::digest(content).as_slice()),
        // Kept by a release of ours that did not seal it: it is known as long as its key is.
        Err(SealError::Malformed) => Ok(keys.indexes(purpose, content)?.iter().any(|entry| entry == resting)),
        Err(fault) => Err(fault.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Uuid = Uuid::from_u128(7);

    #[test]
    fn the_same_content_is_known_under_its_own_row_and_no_other_is() {
        let keys = KeyRing::parse(&KeyRing::generate().unwrap()).unwrap();
        let resting = seal(&keys, VISIT, ROW, b"{}").unwrap();
        assert!(is_same(&keys, VISIT, ROW, &resting, b"{}").unwrap());
        assert!(!is_same(&keys, VISIT, ROW, &resting, b"[]").unwrap());
        assert!(is_same(&keys, VISIT, Uuid::from_u128(8), &resting, b"{}").is_err(), "it belongs to its row");
        let keyed = keys.index(VISIT, b"{}").unwrap();
        assert!(is_same(&keys, VISIT, ROW, &keyed, b"{}").unwrap() && !is_same(&keys, VISIT, ROW, &keyed, b"[]").unwrap());
    }
}
