//! Numbers of stored records, opened.

use uuid::Uuid;

use super::service::{KK_COLUMN, NIK_COLUMN};
use super::store::{Family, Member};
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik};

/// The KK number of a stored family.
pub(super) fn kk_of(keys: &KeyRing, family: &Family) -> Result<Option<KkNumber>> {
    open_kk(keys, family.id, family.kk_sealed.as_deref())
}

/// The NIK of a stored member.
pub(super) fn nik_of(keys: &KeyRing, member: &Member) -> Result<Option<Nik>> {
    open_nik(keys, member.id, member.nik_sealed.as_deref())
}

/// The KK number that is sealed for a family.
pub(super) fn open_kk(keys: &KeyRing, family: Uuid, sealed: Option<&[u8]>) -> Result<Option<KkNumber>> {
    let Some(sealed) = sealed else { return Ok(None) };
    let digits = keys.open(KK_COLUMN, family, sealed)?;
    let kk = std::str::from_utf8(&digits).ok().and_then(|digits| KkNumber::parse(digits).ok());
    kk.map(Some).ok_or_else(|| anyhow::anyhow!("family {family} holds something sealed that is no KK number").into())
}

/// The NIK that is sealed for a member.
pub(super) fn open_nik(keys: &KeyRing, member: Uuid, sealed: Option<&[u8]>) -> Result<Option<Nik>> {
    let Some(sealed) = sealed else { return Ok(None) };
    let digits = keys.open(NIK_COLUMN, member, sealed)?;
    let nik = std::str::from_utf8(&digits).ok().and_then(|digits| Nik::parse(digits).ok());
    nik.map(Some).ok_or_else(|| anyhow::anyhow!("member {member} holds something sealed that is no NIK").into())
}
