//! From rows of cells to families and persons: what cannot be trusted is refused or left out, with a reason and without personal data.

use std::{borrow::Cow, fmt};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{NikState, RegistryStatus};
use super::{
    profile::{Column, Field, Profile, Unit},
    reader::{Cell, Record},
};
use crate::platform::sensitive::{KkNumber, Nik, NikWarning, Sex, numbers_masked};

pub mod codes;
mod convert;
mod fault;

use convert::{Converted, Number};
use fault::Fault;
pub use fault::{CATALOGUE, Reject, Warning};

/// A stable code of [`codes`].
pub type Code = &'static str;

/// What a row became: the record and what is worth knowing, or every reason to refuse it.
pub type Outcome<T> = Result<(T, Vec<Warning>), Vec<Reject>>;

const NAME: usize = 200;
const ADDRESS: usize = 1_000;

/// The relation to the head of family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The head of family.
    Head,
    /// Wife or husband of the head.
    Spouse,
    /// A child of the head.
    Child,
    /// Anybody else.
    #[default]
    Other,
}

/// The central aid a source says is received; what it does not say is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Aid {
    /// Bantuan Pangan Non Tunai.
    pub bpnt: Option<bool>,
    /// Bantuan Produktif Usaha Mikro.
    pub bpum: Option<bool>,
    /// Bantuan Sosial Tunai.
    pub bst: Option<bool>,
    /// Program Keluarga Harapan.
    pub pkh: Option<bool>,
    /// Sembako.
    pub sembako: Option<bool>,
}

/// What is stated about one person, be it a row of its own or the head on a family's row.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Individual {
    /// The name as written.
    pub name: String,
    /// The NIK, if one is stated, valid and complete.
    pub nik: Option<Nik>,
    /// How what is stated was judged.
    pub nik_state: NikState,
    /// What is stated where it is no NIK.
    pub nik_written: Option<String>,
    /// Whether the centre found the person in the civil registry.
    pub dukcapil_match: Option<bool>,
    /// The sex.
    pub sex: Option<Sex>,
    /// The birth date.
    pub birth_date: Option<NaiveDate>,
    /// The place of birth.
    pub birth_place: Option<String>,
    /// What a civil registry says of them.
    pub registry_status: Option<RegistryStatus>,
    /// The occupation.
    pub occupation: Option<Code>,
    /// The education.
    pub education: Option<Code>,
}

/// A village by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VillageName {
    /// The subdistrict's name, where it is stated.
    pub subdistrict: Option<String>,
    /// The village's name.
    pub village: String,
}

/// The housing and means a family's row states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Living {
    /// On what terms the house is lived in.
    pub house_ownership: Option<Code>,
    /// Whether there are savings.
    pub savings: Option<bool>,
    /// The roof.
    pub roof: Option<Code>,
    /// The walls.
    pub wall: Option<Code>,
    /// The floor.
    pub floor: Option<Code>,
    /// The light.
    pub lighting: Option<Code>,
    /// The cooking fuel.
    pub cooking_fuel: Option<Code>,
    /// The drinking water.
    pub drinking_water: Option<Code>,
    /// The toilet.
    pub toilet: Option<Code>,
}

/// A family as one release states it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FamilyRecord {
    /// The row of the sheet, 1-based.
    pub row: u32,
    /// The source's key of the family.
    pub source_family_id: String,
    /// The village's dotted code; whether it exists is for the region table to say. Empty where it goes by its name.
    pub region_code: String,
    /// The village's name, where the profile finds villages by name and no code is stated.
    pub village: Option<VillageName>,
    /// The decile, 1 to 10.
    pub decile: Option<u8>,
    /// The percentile, 1 to 100.
    pub percentile: Option<u8>,
    /// The address.
    pub address: Option<String>,
    /// The number of the family card.
    pub kk_number: Option<KkNumber>,
    /// The head of family.
    pub head: Individual,
    /// Housing and means.
    pub living: Living,
    /// Aid received.
    pub aid: Aid,
    /// The source's stunting risk number.
    pub stunting_risk: Option<u8>,
}

/// A person as one release states it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PersonRecord {
    /// The row of the sheet, 1-based.
    pub row: u32,
    /// The source's key of the family.
    pub source_family_id: String,
    /// The source's key of the person; `None` only where the profile has none.
    pub source_person_id: Option<String>,
    /// The village's dotted code; `None` only where the profile has none.
    pub region_code: Option<String>,
    /// The village's name, where the profile finds villages by name and no code is stated.
    pub village: Option<VillageName>,
    /// The decile, 1 to 10.
    pub decile: Option<u8>,
    /// The percentile, 1 to 100.
    pub percentile: Option<u8>,
    /// The address.
    pub address: Option<String>,
    /// The number of the family card.
    pub kk_number: Option<KkNumber>,
    /// The person.
    pub person: Individual,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// The relation to the head of family.
    pub relation: Relation,
    /// The marital status.
    pub marital_status: Option<Code>,
    /// Aid received.
    pub aid: Aid,
    /// The source's stunting risk number.
    pub stunting_risk: Option<u8>,
}

/// The records' `Debug` names the row only: everything else is personal data and would end up in a log.
macro_rules! row_only {
    ($($type:ident),+) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).field("row", &self.row).finish_non_exhaustive()
            }
        }
    )+};
}
row_only!(FamilyRecord, PersonRecord);

impl fmt::Debug for Individual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Individual").finish_non_exhaustive()
    }
}

/// Understands the rows of one profile; `today` is the day no birth date may pass.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    profile: &'a Profile,
    today: NaiveDate,
}

impl<'a> Values<'a> {
    /// For the rows a reader gives for this profile.
    pub fn new(profile: &'a Profile, today: NaiveDate) -> Self {
        Self { profile, today }
    }

    /// Understands a row of a family sheet.
    pub fn family(&self, record: &Record) -> Outcome<FamilyRecord> {
        let (mut parts, warnings) = self.parts(record, Unit::Family)?;
        let (address, village) = (parts.whole_address(), parts.village());
        let Parts { source_family_id, region_code, decile, percentile, kk_number, individual, living, aid, stunting_risk, .. } = parts;
        let family = FamilyRecord {
            row: record.row(),
            source_family_id,
            region_code: region_code.unwrap_or_default(),
            village,
            decile,
            percentile,
            address,
            kk_number,
            head: individual,
            living,
            aid,
            stunting_risk,
        };
        Ok((family, warnings))
    }

    /// Understands a row of a person sheet.
    pub fn person(&self, record: &Record) -> Outcome<PersonRecord> {
        let (mut parts, warnings) = self.parts(record, Unit::Person)?;
        let (address, village) = (parts.whole_address(), parts.village());
        let person = PersonRecord {
            row: record.row(),
            source_family_id: parts.source_family_id,
            source_person_id: parts.source_person_id,
            region_code: parts.region_code,
            village,
            decile: parts.decile,
            percentile: parts.percentile,
            address,
            kk_number: parts.kk_number,
            person: parts.individual,
            mother_name: parts.mother_name,
            relation: parts.relation,
            marital_status: parts.marital_status,
            aid: parts.aid,
            stunting_risk: parts.stunting_risk,
        };
        Ok((person, warnings))
    }

    fn parts(&self, record: &Record, unit: Unit) -> Outcome<Parts> {
        let whole_row = |fault: Fault| vec![Reject { column: String::new(), code: fault.code(), reason: fault.reason() }];
        let sheet = self.profile.sheets.get(record.place()).filter(|sheet| sheet.unit == unit && record.unit() == unit);
        let sheet = sheet.ok_or_else(|| whole_row(Fault::UnitDiffers))?;
        if record.is_misaligned() {
            return Err(whole_row(Fault::RowMisaligned));
        }
        let mut row = Row { today: self.today, by_name: self.profile.villages_by_name, warnings: Vec::new(), rejects: Vec::new() };
        let mut parts = Parts::default();
        for (column, cell) in sheet.columns.iter().zip(record.present_cells()) {
            // What the file has no column for is not missing from each of its rows.
            if let Some(cell) = cell {
                row.take(&mut parts, column, cell);
            }
        }
        if let Some(column) = sheet.columns.iter().find(|column| column.field == Field::Nik) {
            row.compare(&parts, column);
        }
        if let Some(column) = sheet.columns.iter().find(|column| column.field == Field::VillageName) {
            row.placed(&parts, column);
        }
        if row.rejects.is_empty() { Ok((parts, row.warnings)) } else { Err(row.rejects) }
    }
}

/// Everything either unit's row may state.
#[derive(Default)]
struct Parts {
    source_family_id: String,
    source_person_id: Option<String>,
    region_code: Option<String>,
    decile: Option<u8>,
    percentile: Option<u8>,
    address: Option<String>,
    hamlet: Option<String>,
    rt: Option<String>,
    rw: Option<String>,
    subdistrict_name: Option<String>,
    village_name: Option<String>,
    kk_number: Option<KkNumber>,
    individual: Individual,
    mother_name: Option<String>,
    relation: Relation,
    marital_status: Option<Code>,
    living: Living,
    aid: Aid,
    stunting_risk: Option<u8>,
}

impl Parts {
    /// The address with what stands in columns of its own.
    fn whole_address(&mut self) -> Option<String> {
        let below = [("DUSUN", self.hamlet.take()), ("RT", self.rt.take()), ("RW", self.rw.take())];
        let mut address = self.address.take();
        for (word, part) in below {
            let Some(part) = part else { continue };
            let whole = address.get_or_insert_default();
            if !whole.is_empty() {
                whole.push(' ');
            }
            let named = part.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
            whole.push_str(if named { "" } else { word });
            whole.push_str(if named { "" } else { " " });
            whole.push_str(&part);
        }
        address
    }

    /// The village's name, where a name stands for a code.
    fn village(&mut self) -> Option<VillageName> {
        let village = self.village_name.take().filter(|_| self.region_code.is_none())?;
        Some(VillageName { subdistrict: self.subdistrict_name.take(), village })
    }
}

mod row;
use row::Row;

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
