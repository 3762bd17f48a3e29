//! Which conversion each field asks for, and what its absence means.

use super::{
    ADDRESS, Aid, Cell, Code, Column, Converted, Cow, Fault, Field, KkNumber, NAME, NaiveDate, Nik, NikState, NikWarning, Number, Parts,
    RegistryStatus, Reject, Relation, Sex, Warning, codes,
    convert::{date, decimal, id, is_null, number, region, text, whole, words},
    numbers_masked,
};

/// The troubles of one row while it is read.
pub(super) struct Row {
    pub today: NaiveDate,
    /// Villages go by their names where no code is stated.
    pub by_name: bool,
    pub warnings: Vec<Warning>,
    pub rejects: Vec<Reject>,
}

impl Row {
    /// Takes one cell over into the parts. Cells that only exist to be kept raw are passed over.
    pub(super) fn take(&mut self, parts: &mut Parts, column: &Column, cell: Cell<'_>) {
        let cell = if matches!(cell, Cell::Text(text) if is_error(text)) { Cell::Error } else { cell };
        let written = text(cell, column);
        let stated = written.as_deref().unwrap_or_default();
        let person = &mut parts.individual;
        match column.field {
            Field::SubdistrictName if self.by_name => parts.subdistrict_name = self.keep(column, words(stated, NAME)),
            Field::VillageName if self.by_name => parts.village_name = self.keep(column, words(stated, NAME)),
            Field::Ignored | Field::ProvinceName | Field::RegencyName | Field::SubdistrictName | Field::VillageName => (),
            Field::Hamlet => parts.hamlet = self.text(column, cell, stated, NAME),
            Field::Rt => parts.rt = self.text(column, cell, stated, NAME),
            Field::Rw => parts.rw = self.text(column, cell, stated, NAME),
            Field::BirthPlace => person.birth_place = self.text(column, cell, stated, NAME),
            Field::RegistryStatus => person.registry_status = self.known(column, cell, stated).and_then(RegistryStatus::parse),
            Field::SourceFamilyId => {
                let id = self.demand(column, id(cell, stated), Fault::FamilyIdMissing);
                parts.source_family_id = id.unwrap_or_default();
            }
            Field::SourcePersonId => {
                parts.source_person_id = self.demand(column, id(cell, stated), Fault::PersonIdMissing);
            }
            // An error cell states something, only nobody can read it.
            Field::RegionCode if cell == Cell::Error => self.note(column, Fault::RegionCodeInvalid),
            // The village's own column is to say what is missing.
            Field::RegionCode if self.by_name => parts.region_code = self.keep(column, region(stated)),
            Field::RegionCode => {
                parts.region_code = self.demand(column, region(stated), Fault::RegionCodeMissing);
            }
            Field::Decile => parts.decile = self.decile(column, cell, stated),
            Field::Percentile => {
                parts.percentile = whole(stated, 1..=100);
                if parts.percentile.is_none() && cell != Cell::Empty {
                    self.note(column, Fault::PercentileInvalid);
                }
            }
            Field::Address => parts.address = self.text(column, cell, stated, ADDRESS),
            Field::Name => {
                let name = words(stated, NAME).map(|name| name.filter(|name| name.chars().any(char::is_alphabetic)));
                let name = self.demand(column, name, Fault::NameMissing);
                person.name = self.masked(column, name).unwrap_or_default();
            }
            Field::MotherName => parts.mother_name = self.text(column, cell, stated, NAME),
            Field::Nik => {
                let as_written = written.as_deref().unwrap_or_default().to_owned();
                (person.nik, person.nik_state) = self.nik(column, cell, written);
                let is_none = matches!(person.nik_state, NikState::Invalid | NikState::ExcelRounded);
                person.nik_written = Some(as_written).filter(|text| is_none && !text.is_empty());
            }
            Field::KkNumber => parts.kk_number = self.kk(column, cell, written),
            Field::Sex => {
                person.sex = self.known(column, cell, stated).map(|code| if code == "male" { Sex::Male } else { Sex::Female });
            }
            Field::BirthDate if cell == Cell::Error => self.note(column, Fault::DateInvalid),
            Field::BirthDate => {
                person.birth_date = self.demand(column, date(cell, stated, self.today), Fault::BirthDateMissing);
            }
            Field::Relation => parts.relation = self.relation(column, stated),
            Field::MaritalStatus => parts.marital_status = self.code(column, cell, stated),
            Field::Occupation => person.occupation = self.code(column, cell, stated),
            Field::Education => person.education = self.code(column, cell, stated),
            Field::HouseOwnership => parts.living.house_ownership = self.code(column, cell, stated),
            Field::Roof => parts.living.roof = self.code(column, cell, stated),
            Field::Wall => parts.living.wall = self.code(column, cell, stated),
            Field::Floor => parts.living.floor = self.code(column, cell, stated),
            Field::Lighting => parts.living.lighting = self.code(column, cell, stated),
            Field::CookingFuel => parts.living.cooking_fuel = self.code(column, cell, stated),
            Field::DrinkingWater => parts.living.drinking_water = self.code(column, cell, stated),
            Field::Toilet => parts.living.toilet = self.code(column, cell, stated),
            Field::DukcapilMatch => person.dukcapil_match = self.yes(column, cell, stated),
            Field::Savings => parts.living.savings = self.yes(column, cell, stated),
            Field::AidBpnt => parts.aid = Aid { bpnt: self.yes(column, cell, stated), ..parts.aid },
            Field::AidBpum => parts.aid = Aid { bpum: self.yes(column, cell, stated), ..parts.aid },
            Field::AidBst => parts.aid = Aid { bst: self.yes(column, cell, stated), ..parts.aid },
            Field::AidPkh => parts.aid = Aid { pkh: self.yes(column, cell, stated), ..parts.aid },
            Field::AidSembako => parts.aid = Aid { sembako: self.yes(column, cell, stated), ..parts.aid },
            Field::StuntingRisk => {
                parts.stunting_risk = whole(stated, 0..=u8::MAX);
                if parts.stunting_risk.is_none() && is_stated(cell, stated) {
                    self.note(column, Fault::ValueUnknown);
                }
            }
        }
    }

    /// What the NIK says against the rest of the row, once the whole row is read.
    pub(super) fn compare(&mut self, parts: &Parts, column: &Column) {
        let person = &parts.individual;
        let Some(nik) = &person.nik else { return };
        for warning in nik.warnings(person.birth_date, person.sex, parts.region_code.as_deref()) {
            self.note(
                column,
                match warning {
                    NikWarning::BirthDateDiffers => Fault::NikBirthDateDiffers,
                    NikWarning::SexDiffers => Fault::NikSexDiffers,
                    NikWarning::RegionDiffers => Fault::NikRegionDiffers,
                },
            );
        }
    }

    /// What is missing of the place, once the whole row is read.
    pub(super) fn placed(&mut self, parts: &Parts, column: &Column) {
        if self.by_name && parts.region_code.is_none() && parts.village_name.is_none() {
            self.note(column, Fault::VillageMissing);
        }
    }

    fn note(&mut self, column: &Column, fault: Fault) {
        let (header, code) = (column.header.clone(), fault.code());
        if fault.refuses() {
            self.rejects.push(Reject { column: header, code, reason: fault.reason() });
        } else {
            self.warnings.push(Warning { column: header, code });
        }
    }

    fn keep<T>(&mut self, column: &Column, converted: Converted<T>) -> Option<T> {
        converted.unwrap_or_else(|fault| {
            self.note(column, fault);
            None
        })
    }

    /// Like `keep`, and notes when nothing is stated.
    fn demand<T>(&mut self, column: &Column, converted: Converted<T>, missing: Fault) -> Option<T> {
        if matches!(converted, Ok(None)) {
            self.note(column, missing);
        }
        self.keep(column, converted)
    }

    /// A text for people; an error that a formula left is none, and not nothing either.
    fn text(&mut self, column: &Column, cell: Cell<'_>, stated: &str, longest: usize) -> Option<String> {
        if cell == Cell::Error {
            return self.lost(column, Fault::ValueUnknown);
        }
        let text = self.keep(column, words(stated, longest));
        self.masked(column, text)
    }

    /// A text that may rest in clear and be shown: a family is not refused over a number in its address, but the number is kept
    /// only where it is sealed, in the row as it was delivered.
    fn masked(&mut self, column: &Column, text: Option<String>) -> Option<String> {
        let text = text?;
        let masked = numbers_masked(&text);
        if masked.is_some() {
            self.note(column, Fault::NumberMasked);
        }
        masked.or(Some(text))
    }

    fn decile(&mut self, column: &Column, cell: Cell<'_>, stated: &str) -> Option<u8> {
        if !is_stated(cell, stated) {
            self.note(column, Fault::DecileMissing);
            return None;
        }
        // "Desil 1" is as common as "1".
        let number = stated.get(..5).filter(|word| word.eq_ignore_ascii_case("desil")).and_then(|_| stated.get(5..));
        let decile = whole(number.unwrap_or(stated), 1..=10);
        if decile.is_none() {
            self.note(column, Fault::DecileInvalid);
        }
        decile
    }

    fn nik(&mut self, column: &Column, cell: Cell<'_>, written: Option<Cow<'_, str>>) -> (Option<Nik>, NikState) {
        let (text, trouble) = match number(cell, written.unwrap_or_default()) {
            Number::Missing if cell == Cell::Error => return (self.lost(column, Fault::NikInvalid), NikState::Invalid),
            Number::Missing => return (self.lost(column, Fault::NikMissing), NikState::Missing),
            Number::Rounded => return (self.lost(column, Fault::NikRounded), NikState::ExcelRounded),
            Number::Numeric(digits) => (Cow::Owned(digits), Some(Fault::NikFromNumber)),
            Number::Text(text) => (text, None),
        };
        let Ok(nik) = Nik::parse(&text) else {
            return (self.lost(column, Fault::NikInvalid), NikState::Invalid);
        };
        trouble.into_iter().for_each(|fault| self.note(column, fault));
        (Some(nik), NikState::Valid)
    }

    fn kk(&mut self, column: &Column, cell: Cell<'_>, written: Option<Cow<'_, str>>) -> Option<KkNumber> {
        let (text, trouble) = match number(cell, written.unwrap_or_default()) {
            Number::Missing if cell == Cell::Error => return self.lost(column, Fault::KkInvalid),
            // Families without a card are common, and lists without card numbers too.
            Number::Missing => return None,
            Number::Rounded => return self.lost(column, Fault::KkRounded),
            Number::Numeric(digits) => (Cow::Owned(digits), Some(Fault::KkFromNumber)),
            Number::Text(text) => (text, None),
        };
        let Ok(kk) = KkNumber::parse(&text) else {
            return self.lost(column, Fault::KkInvalid);
        };
        trouble.into_iter().for_each(|fault| self.note(column, fault));
        Some(kk)
    }

    fn lost<T>(&mut self, column: &Column, fault: Fault) -> Option<T> {
        self.note(column, fault);
        None
    }

    fn relation(&mut self, column: &Column, stated: &str) -> Relation {
        match codes::find(Field::Relation, stated) {
            Some("head") => Relation::Head,
            Some("spouse") => Relation::Spouse,
            Some("child") => Relation::Child,
            Some(_) => Relation::Other,
            None => {
                let nothing = !stated.bytes().any(|byte| byte.is_ascii_alphanumeric());
                self.note(column, if nothing { Fault::RelationMissing } else { Fault::CodeUnknown });
                Relation::Other
            }
        }
    }

    /// A code of the field's table; what the table does not know is kept as `other`, since something is there.
    fn code(&mut self, column: &Column, cell: Cell<'_>, stated: &str) -> Option<Code> {
        if !is_stated(cell, stated) {
            return None;
        }
        let code = codes::find(column.field, stated);
        if code.is_none() {
            self.note(column, Fault::CodeUnknown);
        }
        Some(code.unwrap_or(codes::OTHER))
    }

    /// A code that has no `other`.
    fn known(&mut self, column: &Column, cell: Cell<'_>, stated: &str) -> Option<Code> {
        if !is_stated(cell, stated) {
            return None;
        }
        // `1.0` and `1,0` mean 1 in a column of ones and zeros.
        let plain = stated.starts_with(|c: char| c.is_ascii_digit()).then(|| decimal(stated)).flatten();
        let plain = plain.map(|number| number.to_string());
        let code = codes::find(column.field, plain.as_deref().unwrap_or(stated));
        if code.is_none() {
            self.note(column, Fault::ValueUnknown);
        }
        code
    }

    fn yes(&mut self, column: &Column, cell: Cell<'_>, stated: &str) -> Option<bool> {
        self.known(column, cell, stated).map(|code| code == "yes")
    }
}

/// What formulas leave where they fail, as text files have it. `#N/A` is not among them: exports write it for nothing.
fn is_error(text: &str) -> bool {
    ["#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#ERROR!", "#SPILL!", "#CALC!"].contains(&text)
}

/// Blanks, dashes and the words databases write for nothing are not a statement; an error cell is one.
fn is_stated(cell: Cell<'_>, stated: &str) -> bool {
    cell == Cell::Error || (stated.chars().any(char::is_alphanumeric) && !is_null(stated))
}
