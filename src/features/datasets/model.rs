//! What a dataset and its releases are, in closed words; pure.

use crate::features::beneficiaries::{
    AidReceived, Attributes, CookingFuel, DrinkingWater, Floor, HouseOwnership, Lighting, Relation, Roof, Toilet, Wall,
};
use crate::platform::wire::words;

use super::values::{self, Aid, Living};

words! {
    /// What one record of a source describes.
    DatasetUnit {
        /// Keluarga, the people of one family card.
        Family "family",
        /// Rumah tangga, the people of one kitchen.
        Household "household",
    }
}

words! {
    /// What is done with a delivered file.
    ReleaseMode {
        /// It is read and judged; nothing but its counts and rejects is kept.
        Validate "validate",
        /// Its families are taken over, and what it states is kept.
        Commit "commit",
        /// What it states is kept to be compared and matched; nothing becomes a family. For registers.
        Keep "keep",
    }
}

words! {
    /// How far a release is.
    ReleaseState {
        /// The file is here; its job tells how far the import is.
        Received "received",
        /// It was read and judged.
        Validated "validated",
        /// Its families were taken over.
        Imported "imported",
        /// What it states was kept.
        Kept "kept",
        /// It could not be read, or not to its end.
        Failed "failed",
        /// Somebody cancelled its job; what was taken over before stays.
        Cancelled "cancelled",
        /// It was taken back: its ranks no longer count; families and statements stay.
        Withdrawn "withdrawn",
    }
}

words! {
    /// What a refused row means for the others.
    Rejects {
        /// The others are taken over.
        Skip "skip",
        /// None is: the release fails.
        Refuse "refuse",
    }
}

words! {
    /// What became of a family between two releases.
    DiffKind {
        /// It entered.
        Entered "entered",
        /// It left.
        Left "left",
        /// Something else is stated of it.
        Changed "changed",
        /// It is in a higher decile.
        DecileUp "decile_up",
        /// It is in a lower decile.
        DecileDown "decile_down",
        /// It is in a higher percentile.
        PercentileUp "percentile_up",
        /// It is in a lower percentile.
        PercentileDown "percentile_down",
        /// It is in another village.
        MovedVillage "moved_village",
        /// It is stated as before.
        Unchanged "unchanged",
    }
}

words! {
    /// How a stated NIK was judged.
    NikState {
        /// It keeps the rules of the number.
        Valid "valid",
        /// None is stated.
        Missing "missing",
        /// It breaks the rules of the number.
        Invalid "invalid",
        /// A spreadsheet kept fifteen of its digits.
        ExcelRounded "excel_rounded",
    }
}

words! {
    /// What a civil registry says of a person.
    RegistryStatus {
        /// On the register.
        Active "active",
        /// Dead.
        Deceased "deceased",
        /// Gone to another regency.
        Moved "moved",
    }
}

words! {
    /// What became of a row.
    Severity {
        /// It was refused.
        Reject "reject",
        /// It was taken over, and something about it is worth a look.
        Warning "warning",
    }
}

impl Default for NikState {
    /// What nobody said anything about.
    fn default() -> Self {
        NikState::Missing
    }
}

impl ReleaseState {
    /// Whether a release can be withdrawn from it.
    pub fn may_withdraw(self) -> bool {
        matches!(self, ReleaseState::Imported | ReleaseState::Kept | ReleaseState::Validated)
    }

    /// What a stored state means beside its job's: a job that was given up or cancelled before it began leaves the
    /// release as it found it.
    pub fn beside(self, job: Option<&str>) -> ReleaseState {
        match (self, job) {
            (ReleaseState::Received, Some("failed")) => ReleaseState::Failed,
            (ReleaseState::Received, Some("cancelled")) => ReleaseState::Cancelled,
            (state, _) => state,
        }
    }
}

/// What the whole file says against a row, as opposed to the row itself: code and sentence.
pub mod faults {
    /// A code and its sentence.
    pub type Fault = (&'static str, &'static str);
    /// The village is another regency's.
    pub const REGION_FOREIGN: Fault = ("region_foreign", "The village lies outside the region of this release.");
    /// The name is nobody's, or several villages'.
    pub const REGION_UNCLEAR: Fault =
        ("region_unclear", "No village of this release's region has this name, or several have; give the subdistrict or a code.");
    /// The village is on no list.
    pub const REGION_UNKNOWN: Fault = ("region_unknown", "There is no village of this code in the Kemendagri list.");
    /// The family's key stands twice.
    pub const FAMILY_DUPLICATE: Fault = ("family_duplicate", "A row above has the same key of the family.");
    /// Nothing to tell the family by.
    pub const CARD_MISSING: Fault = ("kk_missing", "The families of this list are told apart by their KK numbers; this row has none.");
    /// A person of nobody.
    pub const FAMILY_MISSING: Fault = ("family_missing", "No accepted row of a family has the key that this person's row names.");
    /// The person's key stands twice.
    pub const PERSON_DUPLICATE: Fault = ("person_duplicate", "A row above has the same key of the person.");
    /// A key of everybody.
    pub const FAMILY_TOO_LARGE: Fault =
        ("family_too_large", "More than 500 people stand under one key of a family; the column does not tell families apart.");
    /// A family of nobody.
    pub const PEOPLE_MISSING: Fault = ("people_missing", "No accepted row of a person names this family.");
    /// A family without a head.
    pub const HEAD_MISSING: Fault = ("head_missing", "No accepted row of a person is the head of this family.");
    /// A second head.
    pub const HEAD_DISPUTED: Fault = ("head_disputed", "Another row names somebody else head of this family; taken as other.");
    /// Two villages.
    pub const REGION_DIFFERS: Fault = ("region_differs", "The row of the family names another village; that one is kept.");
    /// A family that is another regency's by now.
    pub const FAMILY_ELSEWHERE: Fault =
        ("family_elsewhere", "The family of this key has moved to another regency since; its record there is left as it is.");
    /// Two families.
    pub const PERSON_ELSEWHERE: Fault =
        ("person_elsewhere", "An earlier release has this person in another family, where they stay until somebody moves them.");
    /// Too much to keep.
    pub const TOO_MANY: Fault = ("too_many", "There is more of this kind than is kept; correct the file's layout and deliver it again.");
}

/// The source's relation as ours.
pub fn relation_of(relation: values::Relation) -> Relation {
    match relation {
        values::Relation::Head => Relation::Head,
        values::Relation::Spouse => Relation::Spouse,
        values::Relation::Child => Relation::Child,
        values::Relation::Other => Relation::Other,
    }
}

/// Housing, means and aid as a family's record keeps them.
pub fn attributes_of(living: &Living, aid: Aid, stunting_risk: Option<u8>) -> Attributes {
    let Living { house_ownership, savings, roof, wall, floor, lighting, cooking_fuel, drinking_water, toilet } = *living;
    let Aid { bpnt, bpum, bst, pkh, sembako } = aid;
    let aid = AidReceived { bpnt, bpum, bst, pkh, sembako };
    Attributes {
        house_ownership: house_ownership.and_then(HouseOwnership::parse),
        savings,
        roof: roof.and_then(Roof::parse),
        wall: wall.and_then(Wall::parse),
        floor: floor.and_then(Floor::parse),
        lighting: lighting.and_then(Lighting::parse),
        cooking_fuel: cooking_fuel.and_then(CookingFuel::parse),
        drinking_water: drinking_water.and_then(DrinkingWater::parse),
        toilet: toilet.and_then(Toilet::parse),
        aid: (aid != AidReceived::default()).then_some(aid),
        stunting_risk: stunting_risk.filter(|risk| *risk <= 99),
    }
}

/// A text of a file for a table that people open in a spreadsheet: what would be taken for a formula is quoted.
pub fn spreadsheet_safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// The same of a column of NIKs or KK numbers: a full one begins with an apostrophe, which keeps spreadsheets from rounding it and which
/// our readers know.
pub fn spreadsheet_number(text: &str) -> String {
    let full = text.len() > 11 && text.bytes().all(|byte| byte.is_ascii_digit());
    if full { format!("'{text}") } else { spreadsheet_safe(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::beneficiaries::{Education, MaritalStatus, Occupation};
    use crate::features::datasets::profile::Field;
    use crate::features::datasets::values::codes;

    /// A code of the readers that the family record does not know would be lost without a word.
    #[test]
    fn every_code_of_the_readers_is_a_word_of_the_record() {
        type Known = fn(&str) -> bool;
        let known: [(Field, Known); 11] = [
            (Field::HouseOwnership, |code| HouseOwnership::parse(code).is_some()),
            (Field::Roof, |code| Roof::parse(code).is_some()),
            (Field::Wall, |code| Wall::parse(code).is_some()),
            (Field::Floor, |code| Floor::parse(code).is_some()),
            (Field::Lighting, |code| Lighting::parse(code).is_some()),
            (Field::CookingFuel, |code| CookingFuel::parse(code).is_some()),
            (Field::DrinkingWater, |code| DrinkingWater::parse(code).is_some()),
            (Field::Toilet, |code| Toilet::parse(code).is_some()),
            (Field::MaritalStatus, |code| MaritalStatus::parse(code).is_some()),
            (Field::Occupation, |code| Occupation::parse(code).is_some()),
            (Field::Education, |code| Education::parse(code).is_some()),
        ];
        for (field, is_word) in known {
            let codes: Vec<_> = codes::of(field).collect();
            assert!(codes.len() > 3, "{field:?}");
            for code in codes {
                assert!(is_word(code), "{field:?}: {code}");
            }
        }
    }

    #[test]
    fn a_release_is_what_its_job_left_of_it() {
        use ReleaseState::*;
        assert_eq!(Received.beside(Some("running")), Received);
        assert_eq!(Received.beside(None), Received);
        assert_eq!(Received.beside(Some("failed")), Failed);
        assert_eq!(Received.beside(Some("cancelled")), Cancelled);
        assert_eq!(Imported.beside(Some("failed")), Imported);
    }

    #[test]
    fn no_header_becomes_a_formula() {
        assert_eq!(spreadsheet_safe("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(spreadsheet_safe("NIK"), "NIK");
    }
}
