//! What statements say of people, read where it lies: a run reads half a million of them and keeps none of their texts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::model::{NikState, RegistryStatus};
use super::form::each_person;
use super::packed::{COLUMN, unreadable};
use crate::features::beneficiaries::Relation;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::Sex;

/// A row of the table, as far as it tells of people.
pub struct SealedPeople {
    /// Record id.
    pub id: Uuid,
    /// The village.
    pub region_code: String,
    /// How many people.
    pub people: i32,
    /// Everything.
    pub sealed: Vec<u8>,
}

/// What is stated of the whole family and compared person by person. Like [`PersonRead`] it is written as it stands here, in the form of
/// postcard: fields have no names and words no letters, so the order of the fields, and of the words of their vocabularies, never changes.
#[derive(Serialize, Deserialize)]
pub(super) struct HomeRead<'a> {
    /// Empty where it is not stated.
    pub address: &'a str,
    /// Likewise.
    pub kk: &'a str,
    /// How many people follow.
    pub people: u32,
}

/// A person as a release states them, borrowed from the opened statement. Prints nothing personal.
#[derive(Serialize, Deserialize)]
pub struct PersonRead<'a> {
    /// The source's key of the person, its blind index where it may be a number, or one made of what is stated.
    pub source_id: &'a str,
    /// Name as written.
    pub name: &'a str,
    /// Relation to the head.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on, as year-month-day; empty where it is not stated, like all texts that follow.
    pub birth_date: &'a str,
    /// Born at.
    pub birth_place: &'a str,
    /// The mother's maiden name.
    pub mother_name: &'a str,
    /// NIK, where it is one.
    pub nik: &'a str,
    /// What stands where the NIK should, when that is none.
    pub nik_written: &'a str,
    /// How the NIK was judged.
    pub nik_state: NikState,
    /// The number of the family card on the person's row.
    pub kk: &'a str,
    /// Address on the person's row.
    pub address: &'a str,
    /// The centre's verdict.
    pub dukcapil_match: Option<bool>,
    /// What a civil registry says of the person.
    pub registry_status: Option<RegistryStatus>,
}

/// Hands over the people of a statement, in its order, each with what is stated of the whole family where their own row says nothing.
pub fn read_people(keys: &KeyRing, row: &SealedPeople, mut take: impl FnMut(i16, &PersonRead<'_>)) -> Result<()> {
    let mut ordinals = 0i16..;
    let opened = keys.open(COLUMN, row.id, &row.sealed)?;
    let read = each_person(&opened, |home, mut person| {
        if person.kk.is_empty() {
            person.kk = home.kk;
        }
        if person.address.is_empty() {
            person.address = home.address;
        }
        take(ordinals.next().unwrap_or(i16::MAX), &person);
    });
    read.map_err(|_| unreadable(row.id))
}
