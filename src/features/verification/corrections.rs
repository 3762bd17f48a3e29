//! What a visit brings back about people: corrected identifiers, which rest sealed in the visit's row until its village's result is
//! accepted, and what became of members. The shapes in which visits keep them.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::WhatBecame;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;

/// What corrections are sealed for; the row is the visit.
pub const CORRECTIONS: &str = "visits.corrections";

/// A corrected identifier of a member, or of the family where no member is named; what is not corrected is absent. Numbers are whole.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Correction {
    /// The member; absent for the family's KK number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<Uuid>,
    /// The member's NIK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nik: Option<String>,
    /// The family's KK number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kk_number: Option<String>,
    /// The member's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The member's birth date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<NaiveDate>,
}

/// Only whom it is about.
impl std::fmt::Debug for Correction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Correction").field("member_id", &self.member_id).finish_non_exhaustive()
    }
}

/// What became of a member, as `visits.people` keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonFound {
    /// The member.
    pub member_id: Uuid,
    /// What became of them.
    pub status: WhatBecame,
    /// Who heads the family from then on, where its head is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_head_id: Option<Uuid>,
}

/// Corrections as they rest; `None` where nothing was corrected.
pub fn seal(keys: &KeyRing, visit: Uuid, corrections: &[Correction]) -> Result<Option<Vec<u8>>> {
    if corrections.is_empty() {
        return Ok(None);
    }
    let plain = Zeroizing::new(serde_json::to_vec(corrections).map_err(anyhow::Error::new)?);
    Ok(Some(keys.seal(CORRECTIONS, visit, &plain)?))
}

/// Corrections as they were sent.
pub fn open(keys: &KeyRing, visit: Uuid, sealed: Option<&[u8]>) -> Result<Vec<Correction>> {
    let Some(sealed) = sealed else { return Ok(Vec::new()) };
    let plain = keys.open(CORRECTIONS, visit, sealed)?;
    // The cause of a failure may quote what it read: it is dropped.
    serde_json::from_slice(&plain).map_err(|_| anyhow::anyhow!("the corrections of visit {visit} cannot be read").into())
}
