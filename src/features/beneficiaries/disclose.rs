//! Full numbers: opened for whoever says what for.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::model::MemberStatus;
use super::service::{KK_COLUMN, NIK_COLUMN};
use super::store::{self, Family};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
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

/// Full numbers of a family's card and of its present head, each with its mask.
#[derive(Default)]
pub struct HeadNumbers {
    /// The present head's name.
    pub head_name: Option<String>,
    /// The KK number.
    pub kk: Option<(Zeroizing<String>, String)>,
    /// The head's NIK.
    pub nik: Option<(Zeroizing<String>, String)>,
}

/// Opens the numbers of many families of the scope at once, for a list that somebody takes home; the change that says so must
/// be committed before anything is answered.
pub async fn head_numbers(db: &impl Scoped, keys: &KeyRing, ids: &[Uuid]) -> Result<HashMap<Uuid, HeadNumbers>> {
    let mut numbers = HashMap::with_capacity(ids.len());
    let open = |column: &str, id: Uuid, sealed: Option<Vec<u8>>, mask: Option<String>| -> Result<Option<(Zeroizing<String>, String)>> {
        let Some((sealed, mask)) = sealed.zip(mask) else { return Ok(None) };
        let digits = keys.open(column, id, &sealed)?;
        let digits = std::str::from_utf8(&digits).map_err(|_| anyhow::anyhow!("record {id} holds something sealed that is no number"))?;
        Ok(Some((Zeroizing::new(digits.to_owned()), mask)))
    };
    for row in store::sealed_numbers(db, ids).await? {
        let store::SealedNumbers { id, kk_sealed, kk_mask, head_id, head_name, nik_sealed, nik_mask } = row;
        let nik = match head_id {
            Some(head) => open(NIK_COLUMN, head, nik_sealed, nik_mask)?,
            None => None,
        };
        numbers.insert(id, HeadNumbers { head_name, kk: open(KK_COLUMN, id, kk_sealed, kk_mask)?, nik });
    }
    Ok(numbers)
}
