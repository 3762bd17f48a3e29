//! Who objects: rests sealed, because the village and whoever is objected to must not learn it (domain.md section 7).

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::platform::error::Result;
use crate::platform::seal::KeyRing;

/// What an objector is sealed for; the row is the objection.
pub const OBJECTOR: &str = "objections.objector";

/// Who objects, as they gave it.
#[derive(Serialize, Deserialize)]
pub struct Objector {
    /// Name.
    pub name: String,
    /// How to reach them.
    pub contact: Option<String>,
}

/// As it rests.
pub fn seal(keys: &KeyRing, id: Uuid, objector: &Objector) -> Result<Vec<u8>> {
    let plain = Zeroizing::new(serde_json::to_vec(objector).map_err(|_| anyhow::anyhow!("an objector who cannot be written"))?);
    Ok(keys.seal(OBJECTOR, id, &plain)?)
}

/// As it was given.
pub fn open(keys: &KeyRing, id: Uuid, sealed: &[u8]) -> Result<Objector> {
    let plain = keys.open(OBJECTOR, id, sealed)?;
    serde_json::from_slice(&plain).map_err(|_| anyhow::anyhow!("the objector of objection {id} cannot be read").into())
}
