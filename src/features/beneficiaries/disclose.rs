//! Full numbers: opened for whoever says what for.

use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::MemberStatus;
use super::service::{KK_COLUMN, NIK_COLUMN};
use super::store::{self, Family};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;

/// Full numbers, to be shown after the commit and never before.
pub struct Disclosed {
    /// The KK number, where it was asked for and is known.
    pub kk_number: Option<Zeroizing<String>>,
    /// The present members with their NIKs; empty where they were not asked for.
    pub members: Vec<(Uuid, String, Option<Zeroizing<String>>)>,
}

/// Opens the numbers of a family; the change that says so must be committed before anything is answered.
pub async fn disclose(tx: &Tx, keys: &KeyRing, id: Uuid, purpose: &str, kk: bool, niks: bool) -> Result<(Disclosed, Change)> {
    let (family, people) = store::find_to_change(tx, id).await?;
    let text = |digits: Zeroizing<Vec<u8>>| -> Result<Zeroizing<String>> {
        let digits = std::str::from_utf8(&digits).map_err(|_| anyhow::anyhow!("family {id} holds something sealed that is no number"))?;
        Ok(Zeroizing::new(digits.to_owned()))
    };
    let kk_number = match family.kk_sealed.as_deref().filter(|_| kk) {
        Some(sealed) => Some(text(keys.open(KK_COLUMN, id, sealed)?)?),
        None => None,
    };
    let mut members = Vec::new();
    for member in people.into_iter().filter(|member| niks && member.place().1 == MemberStatus::Present) {
        let nik = match &member.nik_sealed {
            Some(sealed) => Some(text(keys.open(NIK_COLUMN, member.id, sealed)?)?),
            None => None,
        };
        members.push((member.id, member.name, nik));
    }
    let told = members.iter().filter(|(_, _, nik)| nik.is_some()).map(|(id, _, _)| *id).collect::<Vec<_>>();
    let change = Change::new(Family::RESOURCE, id, family.region(), "disclosed")
        .with("kk_number", json!(kk_number.is_some()))
        .with("niks_of", json!(told))
        .because(Some(purpose.to_owned()));
    Ok((Disclosed { kk_number, members }, change))
}
