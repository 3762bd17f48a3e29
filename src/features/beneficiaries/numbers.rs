//! Numbers of stored records, opened.

use super::service::{KK_COLUMN, NIK_COLUMN};
use super::store::{Family, Member};
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

/// The KK number of a stored family.
pub(super) fn kk_of(keys: &KeyRing, family: &Family) -> Result<Option<KkNumber>> {
    let Some(sealed) = &family.kk_sealed else { return Ok(None) };
    let digits = keys.open(KK_COLUMN, family.id, sealed)?;
    let kk = std::str::from_utf8(&digits).ok().and_then(|digits| KkNumber::parse(digits).ok());
    kk.map(Some).ok_or_else(|| anyhow::anyhow!("family {} holds something sealed that is no KK number", family.id).into())
}

/// The NIK of a stored member.
pub(super) fn nik_of(keys: &KeyRing, member: &Member) -> Result<Option<Nik>> {
    let Some(sealed) = &member.nik_sealed else { return Ok(None) };
    let digits = keys.open(NIK_COLUMN, member.id, sealed)?;
    let nik = std::str::from_utf8(&digits).ok().and_then(|digits| Nik::parse(digits).ok());
    nik.map(Some).ok_or_else(|| anyhow::anyhow!("member {} holds something sealed that is no NIK", member.id).into())
}
