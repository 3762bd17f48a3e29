//! What a simulated regency consists of, in the words of the P3KE workbook.

use chrono::NaiveDate;

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Code of the regency, such as `62.02`; any longer or shorter code works as a prefix of the village codes.
    pub regency: String,
    /// The same seed, regency, date, size and village list give the same families, byte for byte.
    pub seed: u64,
    /// The day on which ages are counted.
    pub reference_date: NaiveDate,
    /// How many families; `None` is the full size of the regency.
    pub families: Option<u32>,
}

impl Plan {
    /// Whether the village lies in the regency.
    pub(super) fn covers(&self, village: &Village) -> bool {
        let rest = village.code.strip_prefix(self.regency.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// One village of the regency as the region list names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Village {
    /// Kemendagri code with dots, such as `62.02.09.2001`.
    pub code: String,
    /// Name of the village.
    pub name: String,
    /// Name of its subdistrict (kecamatan).
    pub subdistrict: String,
    /// Name of its regency.
    pub regency: String,
    /// Name of its province.
    pub province: String,
}

impl Village {
    /// Code of the subdistrict: the village code without its last part.
    pub(super) fn subdistrict_code(&self) -> &str {
        self.code.rsplit_once('.').map_or(self.code.as_str(), |(subdistrict, _)| subdistrict)
    }

    /// The code without its dots, as P3KE writes it.
    pub(super) fn digits(&self) -> String {
        self.code.chars().filter(char::is_ascii_digit).collect()
    }
}

/// One family of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// `ID Keluarga P3KE`: the family's key in the source, not the number of its family card.
    pub source_id: String,
    /// Position of its village in the list given to [`regency`](super::regency).
    pub village: usize,
    /// Welfare decile, 1 is the poorest.
    pub decile: u8,
    /// Street or hamlet with RT and RW.
    pub address: String,
    /// Number of the family card (KK); the P3KE layout does not carry it.
    pub kk: Option<String>,
    /// The people, head first.
    pub members: Vec<Member>,
    /// Dwelling and belongings.
    pub housing: Housing,
    /// Aid received so far.
    pub aid: Aid,
    /// Risk factors for stunting, 0 where nobody of the age at risk lives in the family.
    pub stunting_risk: u8,
}

/// One person of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `ID Individu`: the person's key in the source.
    pub source_id: String,
    /// Name in capitals, as real lists have it.
    pub name: String,
    /// Synthetic NIK of 16 digits, or none.
    pub nik: Option<String>,
    /// Whether the centre once found the NIK in the civil registry (`Padan Dukcapil`).
    pub dukcapil_match: bool,
    /// Sex as stated.
    pub sex: Sex,
    /// Place in the family.
    pub relation: Relation,
    /// Birth date as stated.
    pub birth_date: NaiveDate,
    /// Completed years on the reference date.
    pub age: u8,
    /// Marital status.
    pub marital_status: MaritalStatus,
    /// `Pekerjaan`.
    pub occupation: &'static str,
    /// `Pendidikan`.
    pub education: &'static str,
}

/// Dwelling and belongings, each a value of the P3KE code lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Housing {
    /// `Kepemilikan Rumah`.
    pub ownership: &'static str,
    /// `Memiliki Simpanan Uang/Perhiasan/Ternak/Lainnya`.
    pub savings: bool,
    /// `Jenis Atap`.
    pub roof: &'static str,
    /// `Jenis Dinding`.
    pub wall: &'static str,
    /// `Jenis Lantai`.
    pub floor: &'static str,
    /// `Sumber Penerangan`.
    pub lighting: &'static str,
    /// `Bahan Bakar Memasak`.
    pub cooking_fuel: &'static str,
    /// `Sumber Air Minum`.
    pub water: &'static str,
    /// `Memiliki Fasilitas Buang Air Besar`.
    pub toilet: &'static str,
}

/// Central programmes the family is said to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aid {
    /// `Penerima BPNT`: non-cash food aid.
    pub bpnt: bool,
    /// `Penerima BPUM`: productive aid for micro enterprises.
    pub bpum: bool,
    /// `Penerima BST`: cash social aid.
    pub bst: bool,
    /// `Penerima PKH`: family hope programme.
    pub pkh: bool,
    /// `Penerima SEMBAKO`: staple food programme.
    pub sembako: bool,
}

/// Sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// Laki-laki.
    Male,
    /// Perempuan.
    Female,
}

impl Sex {
    /// The word in the workbook.
    pub fn label(self) -> &'static str {
        match self {
            Self::Male => "Laki-laki",
            Self::Female => "Perempuan",
        }
    }

    /// The other sex.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Male => Self::Female,
            Self::Female => Self::Male,
        }
    }
}

/// Place in the family; finer than P3KE, which knows only four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Head of the family.
    Head,
    /// Wife or husband of the head.
    Spouse,
    /// Child of the head.
    Child,
    /// Mother or father of the head.
    Parent,
    /// Mother or father of the spouse.
    ParentInLaw,
    /// Grandchild of the head.
    Grandchild,
    /// Sister or brother of the head.
    Sibling,
    /// Niece, nephew or another relative.
    OtherKin,
}

impl Relation {
    /// The word in the workbook.
    pub fn label(self) -> &'static str {
        match self {
            Self::Head => "Kepala Keluarga",
            Self::Spouse => "Istri/Suami",
            Self::Child => "Anak",
            Self::Parent | Self::ParentInLaw | Self::Grandchild | Self::Sibling | Self::OtherKin => "Lainnya",
        }
    }
}

/// Marital status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaritalStatus {
    /// Never married.
    Single,
    /// Married.
    Married,
    /// Divorced.
    Divorced,
    /// Widowed.
    Widowed,
}

impl MaritalStatus {
    /// The word in the workbook.
    pub fn label(self) -> &'static str {
        match self {
            Self::Single => "Belum Kawin",
            Self::Married => "Kawin",
            Self::Divorced => "Cerai Hidup",
            Self::Widowed => "Cerai Mati",
        }
    }
}
