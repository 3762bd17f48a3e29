//! Column-mapping profiles: which sheet and column of a delivered file means which field; data, so that a new layout is no new code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values::codes;

mod shipped;

pub use shipped::{Shipped, all, shipped};

/// More columns than any delivery seen has; a profile beyond it is a mistake.
const MAX_COLUMNS: usize = 200;
const MAX_SHEETS: usize = 10;
const MAX_TEXT: usize = 200;
const MAX_VALUES: usize = 500;

/// How the files of one source are laid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What people call this layout, such as `P3KE workbook`.
    pub name: String,
    /// Where the layout is from, and what was assumed about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is known beforehand about the file; whatever is absent is found out from the content.
    #[serde(default)]
    pub format: FormatHints,
    /// What tells one family from another.
    #[serde(default)]
    pub family_key: FamilyKey,
    /// Whether a village without a code is found by its name, within its subdistrict where that is named.
    #[serde(default)]
    pub villages_by_name: bool,
    /// Whether it is a register to be matched against: its families need no head, and it is only kept.
    #[serde(default)]
    pub register: bool,
    /// The sheets to read, in this order.
    pub sheets: Vec<SheetProfile>,
}

/// What tells one family of a source from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FamilyKey {
    /// The source's own key.
    #[default]
    Stated,
    /// The KK number, kept as its blind index; people without one are families of one.
    KkNumber,
}

/// What is known beforehand about text files of a layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormatHints {
    /// The separator of CSV files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
}

/// What stands between the cells of a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    /// `;`, what spreadsheets with Indonesian settings write.
    Semicolon,
    /// `,`
    Comma,
    /// A tab.
    Tab,
}

impl Delimiter {
    /// Every separator tried when none is known.
    pub const ALL: [Self; 3] = [Self::Semicolon, Self::Comma, Self::Tab];

    /// The separator's byte.
    pub fn byte(self) -> u8 {
        match self {
            Self::Semicolon => b';',
            Self::Comma => b',',
            Self::Tab => b'\t',
        }
    }
}

/// What one row of a sheet describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = SheetUnit)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProfileUnit)]
pub enum Unit {
    /// A family, with the head of family's particulars.
    Family,
    /// A person.
    Person,
}

/// One sheet of a workbook, or a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SheetProfile {
    /// The sheet's name; without one it is found by its headers, as it is when no sheet has the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What one row describes.
    pub unit: Unit,
    /// Whether a workbook without this sheet is accepted.
    #[serde(default)]
    pub optional: bool,
    /// The row where the headers are expected, 1-based. Found elsewhere near the top, data begin right below them.
    pub header_row: u32,
    /// The first row of data when the headers stand where expected, 1-based.
    pub first_data_row: u32,
    /// The columns; columns of the file that stand in no profile are left unread.
    pub columns: Vec<Column>,
}

/// One column of a sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The header as the source writes it; letters and digits are compared, case, spaces and punctuation are not.
    pub header: String,
    /// Other headers seen for the same column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What the column means.
    pub field: Field,
    /// Whether a file without this header is refused. An empty cell under it is another matter.
    #[serde(default)]
    pub required: bool,
    /// Texts of this source and the value they stand for, looked up before the built-in tables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Texts to cut off the beginning of a cell, such as `Desa `.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strip: Vec<String>,
}

/// Declares the fields with the name each has in JSON, so that the enum and [`Field::name`] cannot disagree.
macro_rules! fields {
    ($($variant:ident $name:literal $doc:literal,)+) => {
        /// What a column means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Field {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)+
        }

        // Not derived: the derive does not see a name that comes through a macro.
        impl utoipa::PartialSchema for Field {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let text = concat!("What a column means.\n", $( "\n- `", $name, "`: ", $doc, )+);
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::SchemaType::new(utoipa::openapi::schema::Type::String))
                    .enum_values(Some([$( $name ),+]))
                    .description(Some(text))
                    .into()
            }
        }

        impl ToSchema for Field {
            fn name() -> std::borrow::Cow<'static, str> {
                "ProfileField".into()
            }
        }

        impl Field {
            /// Every field there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The field's name in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

fields! {
    Ignored "ignored" "Known and of no use, such as a running number.",
    SourceFamilyId "source_family_id" "The source's own key of the family; never the KK number, for which there is `family_key`.",
    SourcePersonId "source_person_id" "The source's own key of the person.",
    RegionCode "region_code" "Kemendagri code of the village.",
    ProvinceName "province_name" "The province's name, kept in the raw record.",
    RegencyName "regency_name" "The regency's name, kept in the raw record.",
    SubdistrictName "subdistrict_name" "The subdistrict's name; with `villages_by_name` it tells villages of one name apart.",
    VillageName "village_name" "The village's name; with `villages_by_name` it stands for a missing code.",
    Decile "decile" "Welfare decile, 1 is the lowest.",
    Percentile "percentile" "Welfare percentile, 1 is the lowest.",
    Address "address" "The address as written.",
    Hamlet "hamlet" "The dusun, appended to the address.",
    Rt "rt" "The RT, appended to the address.",
    Rw "rw" "The RW, appended to the address.",
    Name "name" "The person's name; on a family sheet the head's.",
    MotherName "mother_name" "The mother's maiden name.",
    Nik "nik" "The person's NIK; on a family sheet the head's.",
    KkNumber "kk_number" "The number of the family card.",
    DukcapilMatch "dukcapil_match" "Whether the centre found the person in the civil registry.",
    Sex "sex" "Laki-laki or perempuan.",
    BirthDate "birth_date" "The birth date.",
    BirthPlace "birth_place" "The place of birth.",
    RegistryStatus "registry_status" "What a civil registry says of the person: active, deceased or moved.",
    Relation "relation" "The relation to the head of family.",
    MaritalStatus "marital_status" "The marital status.",
    Occupation "occupation" "The occupation.",
    Education "education" "The education reached or attended.",
    HouseOwnership "house_ownership" "On what terms the house is lived in.",
    Savings "savings" "Whether there are savings, jewellery, livestock or the like.",
    Roof "roof" "The roof's material.",
    Wall "wall" "The walls' material.",
    Floor "floor" "The floor's material.",
    Lighting "lighting" "The source of light.",
    CookingFuel "cooking_fuel" "The fuel for cooking.",
    DrinkingWater "drinking_water" "The source of drinking water.",
    Toilet "toilet" "The toilet used.",
    AidBpnt "aid_bpnt" "Receives BPNT.",
    AidBpum "aid_bpum" "Receives BPUM.",
    AidBst "aid_bst" "Receives BST.",
    AidPkh "aid_pkh" "Receives PKH.",
    AidSembako "aid_sembako" "Receives Sembako.",
    StuntingRisk "stunting_risk" "The source's stunting risk number.",
}

/// Why a profile cannot be used; the codes are stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProfileError {
    /// Where in the profile, as in `sheets.0.columns.3`.
    pub path: String,
    /// The stable code.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Profile {
    /// The P3KE workbook.
    #[cfg(test)]
    pub fn p3ke() -> Self {
        shipped("p3ke").unwrap().clone()
    }

    /// Checks what the types cannot say; a profile that came over HTTP is checked before it is stored.
    pub fn check(&self) -> Result<(), ProfileError> {
        let whole = |code, message: &str| Err(ProfileError { path: "sheets".to_owned(), code, message: message.to_owned() });
        if self.sheets.is_empty() {
            return whole("sheets_empty", "A profile names at least one sheet.");
        }
        if self.sheets.len() > MAX_SHEETS {
            return whole("sheets_too_many", "A profile names at most 10 sheets.");
        }
        self.sheets.iter().enumerate().try_for_each(|(place, sheet)| sheet.check(self, &format!("sheets.{place}")))
    }
}

impl SheetProfile {
    /// The place of a field among the columns.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.columns.iter().position(|column| column.field == field)
    }

    fn check(&self, profile: &Profile, path: &str) -> Result<(), ProfileError> {
        let fail = |code, message: &str| Err(ProfileError { path: path.to_owned(), code, message: message.to_owned() });
        if self.header_row == 0 || self.first_data_row <= self.header_row {
            return fail("rows_order", "Rows count from 1 and data begin below the headers.");
        }
        if self.columns.len() > MAX_COLUMNS {
            return fail("columns_too_many", "A sheet has at most 200 columns.");
        }
        let key = match profile.family_key {
            FamilyKey::Stated => Field::SourceFamilyId,
            FamilyKey::KkNumber => Field::KkNumber,
        };
        let place = if profile.villages_by_name { Field::VillageName } else { Field::RegionCode };
        let essential = [key, Field::Name, place];
        // A person's row may leave the village to the family's.
        let essential = essential.iter().take(if self.unit == Unit::Family { 3 } else { 2 });
        for field in essential {
            // Without them every row would be refused, so the header must be demanded too.
            if !self.columns.iter().any(|column| column.field == *field && column.required) {
                return fail("field_missing", &format!("A required column for `{}` is missing.", field.name()));
            }
        }
        let mut headers = BTreeMap::new();
        let mut fields = BTreeMap::new();
        for (place, column) in self.columns.iter().enumerate() {
            let path = format!("{path}.columns.{place}");
            let fail = |code, message: String| Err(ProfileError { path: path.clone(), code, message });
            for header in column.headers() {
                if header.len() > MAX_TEXT || header_key(header).is_empty() {
                    return fail("header_invalid", "A header has letters or digits and at most 200 bytes.".to_owned());
                }
                if matches!(column.field, Field::SourceFamilyId | Field::SourcePersonId) && names_a_number(header) {
                    return fail(
                        "key_is_number",
                        "This column holds numbers: map it to `kk_number` or `nik`, and say `family_key`.".to_owned(),
                    );
                }
                if headers.insert(header_key(header), place).is_some_and(|other| other != place) {
                    return fail("header_repeated", format!("The header `{header}` stands in two columns."));
                }
            }
            let kept = column.field != Field::Ignored;
            if kept && fields.insert(column.field, place).is_some() {
                return fail("field_repeated", format!("The field `{}` has two columns.", column.field.name()));
            }
            if column.values.len() > MAX_VALUES || column.strip.len() > MAX_VALUES || column.aliases.len() > MAX_VALUES {
                return fail("values_too_many", "A column has at most 500 values, aliases or texts to strip.".to_owned());
            }
            if let Some(bad) = column.values.values().find(|code| !codes::allowed(column.field, code)) {
                return fail("value_unknown", format!("`{bad}` is no value of `{}`.", column.field.name()));
            }
        }
        Ok(())
    }
}

impl Column {
    /// A column with one header and nothing special.
    pub fn new(header: &str, field: Field) -> Self {
        Self { header: header.to_owned(), aliases: Vec::new(), field, required: false, values: BTreeMap::new(), strip: Vec::new() }
    }

    /// The header and its aliases, the header first.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.header).chain(&self.aliases).map(String::as_str)
    }
}

/// Whether a column of this header holds numbers that must not stand in clear.
fn names_a_number(header: &str) -> bool {
    const NUMBERS: [&str; 8] =
        ["nokk", "nomorkk", "nokartukeluarga", "nomorkartukeluarga", "kknumber", "nik", "nomorindukkependudukan", "noktp"];
    NUMBERS.contains(&header_key(header).as_str())
}

/// What two headers are compared by: `Desil Kesejahteraan`, `desil_kesejahteraan` and `DESIL\nKESEJAHTERAAN` are one.
pub fn header_key(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ships_the_p3ke_workbook_column_for_column() {
        let profile = Profile::p3ke();
        assert_eq!(profile.check(), Ok(()));
        let [families, persons] = profile.sheets.as_slice() else { panic!("two sheets") };
        assert_eq!((families.columns.len(), persons.columns.len()), (31, 32));
        assert_eq!((families.first_data_row, persons.first_data_row), (5, 5));
        assert_eq!(families.columns[1].header, "ID Keluarga P3KE");
        assert_eq!(families.columns[30].header, "Resiko Stunting");
        assert_eq!(persons.columns[9].header, "ID Individu");
        assert_eq!(persons.columns[25].header, "Usia 60+ Tahun");
    }

    #[test]
    fn travels_as_json() {
        let profile = Profile::p3ke();
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);
        assert!(serde_json::from_str::<Profile>(r#"{"name":"x","sheets":[],"sheet":1}"#).is_err(), "unknown keys are refused");
        for field in Field::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.name());
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let code = |change: fn(&mut Profile)| {
            let mut profile = Profile::p3ke();
            change(&mut profile);
            profile.check().map_err(|error| (error.path, error.code))
        };
        let at = |path: &str, code| Err((path.to_owned(), code));
        assert_eq!(code(|p| p.sheets.clear()), at("sheets", "sheets_empty"));
        assert_eq!(code(|p| p.sheets[1].first_data_row = 4), at("sheets.1", "rows_order"));
        assert_eq!(code(|p| p.sheets[0].columns[1].field = Field::Ignored), at("sheets.0", "field_missing"));
        assert_eq!(code(|p| p.sheets[0].columns[8].header = "n.i.k".into()), at("sheets.0.columns.10", "header_repeated"));
        assert_eq!(code(|p| p.sheets[0].columns[8].header = "--".into()), at("sheets.0.columns.8", "header_invalid"));
        assert_eq!(code(|p| p.sheets[0].columns[0].field = Field::Roof), at("sheets.0.columns.18", "field_repeated"));
        assert_eq!(
            code(|p| {
                p.sheets[0].columns[18].values.insert("Rumbia".into(), "palm".into());
            }),
            at("sheets.0.columns.18", "value_unknown")
        );
        assert_eq!(
            code(|p| {
                p.sheets[0].columns[18].values.insert("Rumbia".into(), "thatch".into());
            }),
            Ok(())
        );
    }

    #[test]
    fn headers_are_compared_by_letters_and_digits() {
        assert_eq!(header_key(" Usia\n< 7 Tahun\u{a0}"), "usia7tahun");
        assert_ne!(header_key("Usia 7-12 Tahun"), header_key("Usia < 7 Tahun"));
    }
}
