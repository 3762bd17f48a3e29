//! What can be wrong with a row: for each trouble a stable code, a sentence without personal data, and whether the row is refused.

use serde::Serialize;
use utoipa::ToSchema;

/// A reason to refuse a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reject {
    /// The header of the column, as the profile writes it; empty when the whole row is meant.
    pub column: String,
    /// The stable code.
    pub code: &'static str,
    /// The sentence for people; it never quotes the cell.
    pub reason: &'static str,
}

/// Something worth knowing about a row that was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// The header of the column, as the profile writes it.
    pub column: String,
    /// The stable code.
    pub code: &'static str,
}

macro_rules! faults {
    ($($severity:ident { $($variant:ident $code:literal $reason:literal,)+ })+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fault { $($($variant,)+)+ }

        impl Fault {
            pub(super) fn code(self) -> &'static str {
                match self { $($(Self::$variant => $code,)+)+ }
            }
            pub(super) fn reason(self) -> &'static str {
                match self { $($(Self::$variant => $reason,)+)+ }
            }
            pub(super) fn refuses(self) -> bool {
                match self { $($(Self::$variant => faults!(@$severity),)+)+ }
            }
        }

        /// Every code with whether it refuses the row, and its sentence; for the documentation and for reports.
        pub const CATALOGUE: &[(&str, bool, &str)] = &[$($(($code, faults!(@$severity), $reason),)+)+];
    };
    (@reject) => { true };
    (@warn) => { false };
}

faults! {
    reject {
        RowMisaligned "row_misaligned" "The row has more or fewer cells than the headers: a separator or quotation mark inside a cell has shifted its columns.",
        UnitDiffers "unit_differs" "The row belongs to a sheet of the other unit.",
        RegionCodeMissing "region_code_missing" "The village code is missing.",
        VillageMissing "village_missing" "Neither a code nor a name of the village is stated.",
        RegionCodeInvalid "region_code_invalid" "The village code is not a Kemendagri code of ten digits.",
        FamilyIdMissing "source_family_id_missing" "The source's key of the family is missing.",
        PersonIdMissing "source_person_id_missing" "The source's key of the person is missing.",
        IdRounded "source_id_rounded" "The source's key was stored as a number and has lost digits.",
        NameMissing "name_missing" "The name is missing.",
        DateInvalid "date_invalid" "The date is not written as dd/mm/yyyy, yyyy-mm-dd or an Excel date.",
        DateImplausible "date_implausible" "The date lies in the future or too far in the past for a living person.",
        DecileInvalid "decile_invalid" "The decile is not a whole number from 1 to 10.",
        TextTooLong "text_too_long" "The text is longer than this field takes.",
    }
    warn {
        NikMissing "nik_missing" "No NIK is stated.",
        NikInvalid "nik_invalid" "The NIK breaks the rules of the number and was not taken over.",
        NikFromNumber "nik_from_number" "The NIK was stored as a number, not as text; check it.",
        NikRounded "nik_excel_rounded" "The NIK was stored as a number and has lost digits; it was not taken over.",
        NikBirthDateDiffers "nik_birth_date_differs" "The NIK was issued for another birth date.",
        NikSexDiffers "nik_sex_differs" "The NIK was issued for the other sex.",
        NikRegionDiffers "nik_region_differs" "The NIK was issued in another regency.",
        KkInvalid "kk_invalid" "The KK number breaks the rules of the number and was not taken over.",
        KkFromNumber "kk_from_number" "The KK number was stored as a number, not as text; check it.",
        KkRounded "kk_rounded" "The KK number was stored as a number and has lost digits; it was not taken over.",
        NumberMasked "number_masked" "A NIK or KK number stands in this text; it is masked here, for its place is a column of its own.",
        BirthDateMissing "birth_date_missing" "No birth date is stated.",
        DecileMissing "decile_missing" "No decile is stated.",
        RelationMissing "relation_missing" "No relation to the head of family is stated; taken as other.",
        PercentileInvalid "percentile_invalid" "The percentile is not a whole number from 1 to 100.",
        ValueUnknown "value_unknown" "The value was not understood and was left out.",
        CodeUnknown "code_unknown" "The value is in no table and was taken as other.",
    }
}
